// Shows the promotions, if there are any; without them, or without the function, the page stays as it is.
const answer = await fetch("/promotions");
const { _embedded: { promotions } } = answer.ok ? await answer.json() : { _embedded: { promotions: [] } };

const section = document.getElementById("promotions");
for (const { text } of promotions) {
  const item = document.createElement("li");
  item.textContent = text; // never as HTML: whoever can write a file is not one who may write this page
  section.querySelector("ul").append(item);
}
section.hidden = promotions.length === 0;
