// The form that starts the scale-to-zero demo, its progress and its result. The summary stays until the next one.

import { html, nothing } from "/vendor/lit.js";
import { course, Unfinished } from "/board/demo.js";
import { figures } from "/board/figures.js";
import { failure } from "/parts.js";
import { browser } from "/storage.js";
import { language, t } from "/words.js";

const KEPT = "scale-to-zero-2"; // another name for figures of another form
const MOST = 50; // customers

// Returns a function that draws the card.
export function demo({ signal, functions, fed, draw }) {
  const state = { definition: null, step: null, error: null, invalid: false, shown: browser.read(KEPT) };

  fetch("/board/scale-to-zero.json", { signal }).then((answer) => answer.json()).then(
    (definition) => { state.definition = definition; draw(); },
    (error) => { if (error.name !== "AbortError") { state.error = error; draw(); } },
  );

  async function send(event) {
    event.preventDefault();
    const [customers, seats] = ["customers", "seats"].map((name) => Number(new FormData(event.target).get(name)));
    const fits = (value, least) => Number.isInteger(value) && value >= least && value <= MOST;
    state.invalid = !fits(customers, 1) || !fits(seats, 0);
    if (state.invalid) return draw();
    Object.assign(state, { error: null, step: "demo_begins" });
    draw();
    try {
      const say = (step) => { state.step = step; draw(); };
      const went = await course({ definition: state.definition, customers, seats, functions, say, signal });
      state.shown = { ...figures(state.definition, went), left: went.left, at: new Date().toISOString() };
      browser.set(KEPT, JSON.stringify(state.shown));
    } catch (error) {
      if (error.name !== "AbortError") state.error = error;
    }
    state.step = null;
    draw();
  }

  return () => html`<section class="card demo" aria-labelledby="demo" data-testid="demo">
    <h2 id="demo">${t("demoTitle")}</h2>
    <p class="soft">${t("demoIntro")}</p>
    ${state.definition ? form(state, send, fed()) : nothing}
    <p class="status" role="status" data-testid="demo-step">${state.step ? t(state.step) : nothing}</p>
    ${state.error instanceof Unfinished ? html`<p class="error" role="alert" data-testid="demo-failed">${t("demoUnfinished")}</p>` : nothing}
    ${state.error && !(state.error instanceof Unfinished) ? failure(state.error) : nothing}
    ${state.shown ? summary(state.shown) : nothing}
  </section>`;
}

const form = ({ definition, step, invalid }, send, fed) => html`<form class="tools" @submit=${send} novalidate>
  ${["customers", "seats"].map((name) => html`<div class="field"><label for="demo-${name}">${t(`demo_${name}`)}</label>
    <input id="demo-${name}" name=${name} type="number" inputmode="numeric" min=${name === "seats" ? 0 : 1} max=${MOST} step="1"
      .defaultValue=${String(definition[name])} aria-invalid=${invalid} aria-describedby="demo-error" data-testid="demo-${name}"></div>`)}
  <button class="main" data-testid="demo-send" ?disabled=${step !== null || !fed}>${t(step ? "sending" : "demoSend")}</button>
  <span class="error" id="demo-error" data-testid="demo-error">${invalid ? t("badDemo", MOST) : nothing}</span>
</form>`;

function summary(shown) {
  const sold = shown.ended.SUCCEED ?? 0;
  const right = sold === Math.min(shown.seats, shown.customers) && shown.left === shown.seats - sold;
  const wakings = Object.entries(shown.starts);
  return html`<div data-testid="demo-summary">
    <p><strong>${t("demoEnded", shown.customers, shown.seats, sold, shown.ended.CANCELED ?? 0)}</strong>
      ${t(right ? "demoRight" : "demoWrong", shown.left)}</p>
    <div class="scroll" role="region" tabindex="0" aria-label=${t("demoTitle")}><table>
      <thead><tr><td></td><th scope="col">${t("demoAlone")}</th><th scope="col">${t("demoBurst")}</th><th scope="col">${t("demoOneByOne")}</th></tr></thead>
      <tbody>${["postToAnswer", "postToEnd"].map((name) => html`<tr><th scope="row">${t(`demo_${name}`)}</th><td>${seconds(shown.alone[name])}</td>
        ${[shown.burst, shown.oneByOne].map((kind) => html`<td>${spread(kind[name])}</td>`)}</tr>`)}</tbody>
    </table></div>
    <p>${t("demoStarts", wakings.length)} ${wakings.map(([name, times]) => `${name} ${seconds(times.greatest)}`).join(", ")}</p>
    <p>${t("demoAsleepAfter", Math.round(shown.asleepAfter))}</p>
    <p class="soft">${t("demoLaws")}</p>
  </div>`;
}

const seconds = (value) => t("seconds", new Intl.NumberFormat(language, { minimumFractionDigits: 2, maximumFractionDigits: 2 }).format(value));
const spread = ({ median, greatest }) => (median === undefined ? "–" : t("medianAndMost", seconds(median), seconds(greatest)));
