// Sagas that are owed something for long, and the way to the timeline of any saga.

import { html, nothing } from "/vendor/lit.js";
import { behind, certainlyNow, get } from "/api.js";
import { moment } from "/format.js";
import { rows } from "/parts.js";
import { t } from "/words.js";
import { panel, saga } from "/screens/ops/panel.js";

const MINUTES = [1, 10, 30, 60];

export const wide = true;

export default function start({ main, query, go }) {
  const minutes = MINUTES.find((one) => String(one) === query.get("minutes")) ?? 10;
  const state = { stuck: null, total: 0, more: null, invalid: false };
  const { draw, attempt, options, leave } = panel(main, "sagas", state, () => view());

  async function load(after) {
    const owedBefore = new Date((await certainlyNow(options)) - minutes * 60_000).toISOString();
    const answer = await get(`/reservations?${new URLSearchParams({ owedBefore, sort: "createdAt", ...(after && { after }) })}`, options);
    state.stuck = [...(after ? state.stuck : []), ...answer._embedded.reservations];
    state.total = answer.page.totalElements;
    state.more = behind(answer);
  }

  function find(event) {
    event.preventDefault();
    const identity = new FormData(event.target).get("identity").trim().toUpperCase();
    state.invalid = !/^[0-9A-Z]{1,12}$/.test(identity);
    return state.invalid ? draw() : go(`/ops/sagas/${identity}`);
  }

  const view = () => html`
    <form class="card tools" @submit=${find} novalidate>
      <div class="field"><label for="identity">${t("anySaga")}</label>
        <input id="identity" name="identity" autocomplete="off" data-testid="identity" placeholder="7K3M9QXW2TBN"
          aria-invalid=${state.invalid} aria-describedby="identity-error">
        <span class="error" id="identity-error" data-testid="identity-error">${state.invalid ? t("badIdentity") : nothing}</span></div>
      <button class="main" data-testid="show">${t("show")}</button>
    </form>
    <div class="tools"><h2>${t("stuckTitle")}</h2>
      <label>${t("owedFor")} <select data-testid="minutes" @change=${(event) => go(`/ops/sagas?minutes=${event.target.value}`)}>
        ${MINUTES.map((one) => html`<option value=${one} ?selected=${one === minutes}>${t("minutes", one)}</option>`)}</select></label>
      <button data-testid="reload" ?disabled=${state.busy} @click=${() => attempt(() => load(null))}>${t("reload")}</button></div>
    <p class="soft">${t("stuckHint")}</p>
    ${state.stuck?.length === 0 ? html`<p class="hint" data-testid="empty">${t("nothingStuck", minutes)}</p>` : nothing}
    <ul class="rows" data-testid="stuck">${rows(state.stuck, "reservationId", row)}</ul>
    ${state.more === null ? nothing : html`<button data-testid="more" @click=${() => attempt(() => load(state.more))}>${t("more")}</button>`}
  `;

  draw();
  attempt(() => load(null));
  return leave;
}

const row = ({ reservationId, status, customerId, flightId, owedSince, reason }) => html`<li class="card tools" data-testid="stuck-saga">
  ${saga(reservationId)}<span class="state ${status.toLowerCase()}">${t(`status_${status}`)}</span>
  <span>${t("whose", customerId, flightId)}</span>${reason ? html`<span class="soft">${reason}</span>` : nothing}
  <span class="soft">${t("owedSince", moment(owedSince))}</span></li>`;
