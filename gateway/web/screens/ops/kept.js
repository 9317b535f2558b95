// What not even the dead-letter sink took. Only the broker of a laptop keeps it; another one says so.

import { html, nothing } from "/vendor/lit.js";
import { command, get, newKey, Problem } from "/api.js";
import { moment } from "/format.js";
import { rows } from "/parts.js";
import { t } from "/words.js";
import { saga } from "/screens/ops/panel.js";

export function keptEvents({ attempt, options }) {
  let found = null;
  let none = "";

  async function load() {
    try {
      found = (await get("/kept", options)).kept;
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 404) throw error;
      none = error.message;
    }
  }

  const replay = (events) => attempt(async () => {
    for (const { id } of events) await command("POST", `/kept/${id}/replay`, { ...options, key: newKey() });
    await load();
    return t("keptReplayed", events.length);
  });

  const row = (event, busy) => html`<li class="card" data-testid="kept">
    <strong>${event.event.type}</strong>
    <p class="reason">${event.reason}</p>
    <dl class="facts left"><div><dt>${t("reservation")}</dt><dd>${saga(event.event.correlationid)}</dd></div>
      <div><dt>${t("givenUp")}</dt><dd>${event.trigger}, ${t("times", event.times)}, ${moment(event.keptAt)}</dd></div></dl>
    <button data-testid="kept-replay" ?disabled=${busy} @click=${() => replay([event])}>${t("replay")}</button>
  </li>`;

  const view = (busy) => html`<section aria-labelledby="kept-title">
    <div class="tools"><h2 id="kept-title">${t("keptTitle")}</h2>
      ${found?.length ? html`<button data-testid="kept-replay-all" ?disabled=${busy} @click=${() => replay(found)}>${t("replayAll")}</button>` : nothing}</div>
    <p class="soft">${t("keptHint")}</p>
    ${none ? html`<p class="hint" data-testid="kept-unknown" lang="en">${none}</p>` : nothing}
    ${found?.length === 0 ? html`<p class="hint" data-testid="kept-empty">${t("keptEmpty")}</p>` : nothing}
    <ul class="rows">${rows(found, "id", (event) => row(event, busy))}</ul>
  </section>`;

  return { load, view };
}
