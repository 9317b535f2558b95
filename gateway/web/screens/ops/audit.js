// What operators did: who, what, when and how it ended, of all services in one list, latest first.

import { html, nothing } from "/vendor/lit.js";
import { behind, get } from "/api.js";
import { moment } from "/format.js";
import { t } from "/words.js";
import { panel } from "/screens/ops/panel.js";

const SERVICES = ["reserve", "flight-seats", "dashboard", "dead-letters"];
const SIZE = 50;

export const wide = true;

export default function start({ main, query, go }) {
  const [about, actor] = [query.get("about") ?? "", query.get("actor") ?? ""];
  const state = { logs: null };
  const { draw, attempt, options, leave } = panel(main, "audit", state, () => view());

  async function page(name, after) {
    const asked = { sort: "at,desc", size: SIZE, ...(about && { subject: addressOf(about) }), ...(actor && { actor }), ...(after && { after }) };
    const answer = await get(`/audit/${name}?${new URLSearchParams(asked)}`, options);
    return { name, actions: answer._embedded.actions.map((one) => ({ name, ...one })), more: behind(answer) };
  }

  async function load() {
    state.logs = await Promise.all(SERVICES.map((name) => page(name, null)));
  }

  async function loadMore() {
    const edge = edgeOf(state.logs);
    state.logs = await Promise.all(state.logs.map(async (log) => {
      if (!log.more || lastOf(log) < edge) return log;
      const next = await page(log.name, log.more);
      return { ...next, actions: [...log.actions, ...next.actions] };
    }));
  }

  function narrow(event) {
    event.preventDefault();
    const form = new FormData(event.target);
    const wanted = ["about", "actor"].map((name) => [name, form.get(name).trim()]).filter(([, value]) => value);
    go(`/ops/audit?${new URLSearchParams(wanted)}`);
  }

  const view = () => html`
    <form class="card tools" @submit=${narrow} novalidate>
      <div class="field"><label for="about">${t("auditAbout")}</label>
        <input id="about" name="about" autocomplete="off" data-testid="about" maxlength="200" .value=${about} placeholder="7K3M9QXW2TBN"></div>
      <div class="field"><label for="actor">${t("auditActor")}</label>
        <input id="actor" name="actor" autocomplete="off" data-testid="actor" maxlength="255" .value=${actor}></div>
      <button class="main" data-testid="show">${t("show")}</button>
    </form>
    <div class="tools"><p class="soft grow">${t("auditHint")}</p>
      <button data-testid="reload" ?disabled=${state.busy} @click=${() => attempt(load)}>${t("reload")}</button></div>
    ${state.logs ? list(known(state.logs)) : nothing}
    ${state.logs?.some(({ more }) => more) ? html`<button data-testid="more" ?disabled=${state.busy} @click=${() => attempt(loadMore)}>${t("more")}</button>` : nothing}
  `;

  draw();
  attempt(load);
  return leave;
}

// As the services keep it: the address of a flight or of a reservation.
const addressOf = (about) => (about.startsWith("/") ? about : /^\d+$/.test(about) ? `/flights/${about}` : `/reservations/${about.toUpperCase()}`);

const lastOf = ({ actions }) => actions.at(-1)?.at ?? "";

// Where the list ends for now: behind it, a service that has more might have something that belongs in between.
const edgeOf = (logs) => logs.filter(({ more }) => more).map(lastOf).reduce((latest, one) => (one > latest ? one : latest), "");

const known = (logs) => logs.flatMap(({ actions }) => actions).filter(({ at }) => at >= edgeOf(logs)).sort((one, other) => (one.at < other.at ? 1 : -1));

const list = (actions) => (actions.length
  ? html`<div class="scroll" tabindex="0" role="region" aria-label=${t("ops_audit")}><table class="roomy" data-testid="actions">
    <thead><tr>${["When", "Who", "What", "About", "How", "With"].map((name) => html`<th scope="col">${t(`audit${name}`)}</th>`)}</tr></thead>
    <tbody>${actions.map(row)}</tbody></table></div>`
  : html`<p class="hint" data-testid="empty">${t("auditEmpty")}</p>`);

const row = ({ name, at, actor, method, path, subject, status, body }) => html`<tr data-testid="action">
  <th scope="row">${moment(at)}</th><td>${actor}</td><td><span class="mono">${method} ${path}</span> <span class="soft">${name}</span></td>
  <td>${subjectOf(subject ?? path)}</td>
  <td><span class="state ${status === null ? "warn" : status < 400 ? "good" : "bad"}">${status ?? t("auditBegun")}</span></td>
  <td class="mono">${body ?? nothing}</td></tr>`;

function subjectOf(address) {
  const [, kind, identity] = address.split("/");
  return kind === "reservations" && identity ? html`<a class="mono" href="/ops/sagas/${encodeURIComponent(identity)}">${identity}</a>` : html`<span class="mono">${address}</span>`;
}
