// The language of the page, and its words.

const LANGUAGES = { en: () => import("/words/en.js"), ko: () => import("/words/ko.js") };

let words = {};
export let language = "en";

export async function speak(wanted) {
  language = wanted in LANGUAGES ? wanted : "en";
  words = (await LANGUAGES[language]()).default;
  document.documentElement.lang = language;
}

export function preferred() {
  const chosen = localStorage.getItem("language") ?? navigator.language;
  return chosen.startsWith("ko") ? "ko" : "en";
}

// Words that only some screens need.
export async function learn(room) {
  words = { ...words, ...(await import(`/words/${room}.${language}.js`)).default };
}

// The text of a name; some need values.
export function t(name, ...values) {
  const text = words[name];
  if (text === undefined) throw new Error(`no word for ${name} in ${language}`);
  return typeof text === "function" ? text(...values) : text;
}
