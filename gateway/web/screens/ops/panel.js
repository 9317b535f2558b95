// What all screens of operators have: the heading, the tabs, one line of status, and a way to try something and to try it again.

import { html, nothing } from "/vendor/lit.js";
import { failure, heading, onScreen, status, waking } from "/parts.js";
import { t } from "/words.js";

const TABS = [["/ops", "letters"], ["/ops/sagas", "sagas"], ["/ops/outboxes", "outboxes"], ["/ops/checks", "checks"], ["/ops/flights", "flights"],
  ["/ops/audit", "audit"]];

// The services that have one.
export const OUTBOXES = ["reserve", "payment"];

// `view` makes what is below the tabs. `attempt` runs work, whose text, if any, is said when it is done.
export function panel(main, tab, state, view) {
  Object.assign(state, { busy: false, error: null, again: null, said: "", waking: null });
  const screen = onScreen(main, state, () => html`
    ${heading(t("navOps"))}
    <nav class="tabs" aria-label=${t("navOps")}>${TABS.map(([path, name]) => html`<a href=${path} data-testid="tab-${name}"
      aria-current=${name === tab ? "page" : nothing}>${t(`ops_${name}`)}</a>`)}</nav>
    ${status(waking(state.waking) || state.said || (state.busy ? t("loading") : ""))}
    ${state.error ? failure(state.error, state.again) : nothing}
    ${view()}
  `);

  async function attempt(work) {
    Object.assign(state, { busy: true, error: null, said: "" });
    screen.draw();
    try {
      state.said = (await work()) ?? "";
    } catch (error) {
      if (error.name === "AbortError") return;
      Object.assign(state, { error, again: () => attempt(work) });
    }
    state.busy = false;
    screen.draw();
  }

  return { ...screen, attempt };
}

// A link to the timeline of a saga; an event may belong to none.
export const saga = (identity) => (identity
  ? html`<a class="mono" href="/ops/sagas/${encodeURIComponent(identity)}" data-testid="saga">${identity}</a>` : html`<span>–</span>`);
