// Dead letters: what the broker gave up on, why, what is owed because of it, and what is to become of it.

import { html, nothing } from "/vendor/lit.js";
import { behind, command, get, newKey } from "/api.js";
import { moment } from "/format.js";
import { rows } from "/parts.js";
import { t } from "/words.js";
import { keptEvents } from "/screens/ops/kept.js";
import { panel, saga } from "/screens/ops/panel.js";

const STATUSES = ["OPEN", "REPLAYED", "DISCARDED", "SETTLED"];
const LONGEST_NOTE = 500;

export const wide = true;

export default function start({ main, query, go }) {
  const chosen = STATUSES.includes(query.get("status")) ? query.get("status") : "OPEN";
  const state = { letters: null, more: null, discarding: null, invalid: false };
  const { draw, attempt, options, leave } = panel(main, "letters", state, () => view());
  const kept = keptEvents({ attempt, options });

  async function load(after) {
    const answer = await get(`/dead-letters?${new URLSearchParams({ status: chosen, sort: "lastAt,desc", ...(after && { after }) })}`, options);
    state.letters = [...(after ? state.letters : []), ...answer._embedded.deadLetters];
    state.more = behind(answer);
  }

  const decide = (letter, decision, body) => attempt(async () => {
    await command("POST", `/dead-letters/${letter.id}/${decision}`, { ...options, body, key: newKey() });
    state.discarding = null;
    await load(null);
    return t(`done_${decision}`, letter.type);
  });

  // What comes back meanwhile is left for later, or this might never end.
  const replayAll = () => attempt(async () => {
    let replayed = 0;
    for (let before = null, left = 1; left > 0;) {
      const batch = await command("POST", "/dead-letters/replay", { ...options, body: before ? { before } : {}, key: newKey() });
      if (!batch.replayed && batch.remaining === left) break; // the broker takes no more
      replayed += batch.replayed;
      left = batch.remaining;
      before = batch.before;
    }
    await load(null);
    return t("replayedAll", replayed);
  });

  function discard(event, letter) {
    event.preventDefault();
    const note = new FormData(event.target).get("note").trim();
    state.invalid = !note || note.length > LONGEST_NOTE;
    if (state.invalid) return draw();
    return decide(letter, "discard", { note });
  }

  const view = () => html`
    <div class="tools">
      <label>${t("status")} <select data-testid="status-filter" @change=${(event) => go(`/ops?status=${event.target.value}`)}>
        ${STATUSES.map((name) => html`<option value=${name} ?selected=${name === chosen}>${t(`letter_${name}`)}</option>`)}</select></label>
      ${chosen === "OPEN" && state.letters?.length
        ? html`<button data-testid="replay-all" ?disabled=${state.busy} @click=${replayAll}>${t("replayAll")}</button>` : nothing}
      <button data-testid="reload" ?disabled=${state.busy} @click=${() => attempt(() => load(null))}>${t("reload")}</button>
    </div>
    ${state.letters?.length === 0 ? html`<p class="hint" data-testid="empty">${t(`noLetters_${chosen}`)}</p>` : nothing}
    <ul class="rows" data-testid="letters">${rows(state.letters, "id", card)}</ul>
    ${state.more === null ? nothing : html`<button data-testid="more" @click=${() => attempt(() => load(state.more))}>${t("more")}</button>`}
    ${kept.view(state.busy)}
  `;

  const card = (letter) => html`<li class="card" data-testid="letter" data-status=${letter.status}>
    <div class="tools"><h2>${letter.type}</h2><span class="state ${letter.status === "OPEN" ? "bad" : "good"}">${t(`letter_${letter.status}`)}</span></div>
    <p data-testid="owed">${letter.status === "OPEN" ? t("letterOwed", letter.function || "?", letter.type) : t("letterNothingOwed")}</p>
    <p class="reason" data-testid="reason">${letter.code ? `${letter.code}: ` : ""}${letter.reason}</p>
    <dl class="facts left">
      <div><dt>${t("reservation")}</dt><dd>${saga(letter.reservationId)}</dd></div>
      <div><dt>${t("givenUp")}</dt><dd>${letter.function || letter.destination}, ${t("times", letter.times)}, ${moment(letter.lastAt)}</dd></div>
      ${letter.note ? html`<div><dt>${t("note")}</dt><dd data-testid="note-said">${letter.note}</dd></div>` : nothing}
    </dl>
    ${letter.status === "DISCARDED" ? nothing : html`<div class="buttons">
      <button class="main" data-testid="replay" ?disabled=${state.busy} @click=${() => decide(letter, "replay")}>${t("replay")}</button>
      <button data-testid="discard" ?disabled=${state.busy} aria-expanded=${state.discarding === letter.id}
        @click=${() => { state.discarding = letter.id; state.invalid = false; draw(); main.querySelector("#note")?.focus(); }}>${t("discard")}</button></div>`}
    ${state.discarding === letter.id ? discarding(letter) : nothing}
  </li>`;

  const discarding = (letter) => html`<form class="tools" @submit=${(event) => discard(event, letter)} novalidate>
    <div class="field grow"><label for="note">${t("whyDiscard")}</label>
      <input id="note" name="note" data-testid="note" maxlength=${LONGEST_NOTE} aria-invalid=${state.invalid} aria-describedby="note-error">
      <span class="error" id="note-error" data-testid="note-error">${state.invalid ? t("badNote") : nothing}</span></div>
    <button class="danger" data-testid="confirm-discard" ?disabled=${state.busy}>${t("discard")}</button>
  </form>`;

  draw();
  attempt(async () => { await load(null); await kept.load(); });
  return leave;
}
