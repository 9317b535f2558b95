// Flights: add one, import many, change how many seats there are; and the promotions as customers read them.

import { html, nothing } from "/vendor/lit.js";
import { behind, command, get, newKey, Problem } from "/api.js";
import { day, money } from "/format.js";
import { rows } from "/parts.js";
import { t } from "/words.js";
import { importForm } from "/screens/ops/flights-import.js";
import { panel } from "/screens/ops/panel.js";

const FIELDS = [["flightCode", "text"], ["takeoffDate", "date"], ["cost", "number"], ["remainingSeatsCount", "number"]];

export const wide = true;

export default function start({ main }) {
  const state = { flights: null, more: null, promotions: [], wrong: {}, wrongCapacity: {} };
  const { draw, attempt, options, leave } = panel(main, "flights", state, () => view());

  async function load(after) {
    const answer = await get(`/flights?${new URLSearchParams({ sort: "id,desc", ...(after && { after }) })}`, options);
    state.flights = [...(after ? state.flights : []), ...answer._embedded.flights];
    state.more = behind(answer);
    if (!after) state.promotions = (await get("/promotions", options))._embedded.promotions;
  }

  const imports = importForm({ attempt, draw, options, imported: () => load(null) });

  function add(event) {
    event.preventDefault();
    const form = event.target;
    const body = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, value.trim()]));
    state.wrong = Object.fromEntries(FIELDS.filter(([name]) => !body[name]).map(([name]) => [name, t("neededField")]));
    if (Object.keys(state.wrong).length) return draw();
    return attempt(async () => {
      const flight = await refusing(() => command("POST", "/flights", { ...options, body, key: newKey() }), "wrong");
      if (!flight) return t("notTaken");
      form.reset();
      await load(null);
      return t("flightAdded", flight.flightId, flight.flightCode);
    });
  }

  function change(event, flight) {
    event.preventDefault();
    const body = { capacity: new FormData(event.target).get("capacity").trim() };
    return attempt(async () => {
      const changed = await refusing(() => command("PATCH", `/flights/${flight.flightId}`, { ...options, body, key: newKey() }), "wrongCapacity", flight.flightId);
      if (!changed) return t("notTaken");
      state.flights = state.flights.map((one) => (one.flightId === changed.flightId ? changed : one));
      return t("capacityChanged", changed.flightId, changed.capacity, changed.remainingSeatsCount);
    });
  }

  // What is wrong with a value is said beside its field.
  async function refusing(work, where, flight) {
    state[where] = {};
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Problem) || error.status >= 500) throw error;
      state[where] = flight ? { [flight]: error.fields.capacity ?? error.message } : { flightCode: error.message, ...error.fields };
      if (!flight && Object.keys(error.fields).length) state[where] = error.fields;
      return null;
    }
  }

  const view = () => html`
    <form class="card box" @submit=${add} novalidate><h2>${t("addFlight")}</h2>
      <div class="fields">${FIELDS.map(([name, type]) => html`<div class="field"><label for=${name}>${t(`flight_${name}`)}</label>
        <input id=${name} name=${name} type=${type} data-testid=${name} min="0" autocomplete="off" aria-invalid=${Boolean(state.wrong[name])} aria-describedby="${name}-error">
        <span class="error" id="${name}-error" data-testid="${name}-error">${state.wrong[name] ?? nothing}</span></div>`)}
        <button class="main" data-testid="add" ?disabled=${state.busy}>${t("add")}</button></div></form>
    ${imports.view(state.busy)}
    <section><div class="tools"><h2>${t("flightsTitle")}</h2>
      <button data-testid="reload" ?disabled=${state.busy} @click=${() => attempt(() => load(null))}>${t("reload")}</button></div>
      ${state.flights?.length === 0 ? html`<p class="hint" data-testid="empty">${t("noFlights")}</p>` : nothing}
      <ul class="rows" data-testid="flights">${rows(state.flights, "flightId", row)}</ul>
      ${state.more === null ? nothing : html`<button data-testid="more" @click=${() => attempt(() => load(state.more))}>${t("more")}</button>`}</section>
    <section class="card box"><h2>${t("promotions")}</h2><p class="soft">${t("promotionsHint")}</p>
      ${state.flights && !state.promotions.length ? html`<p class="hint" data-testid="no-promotions">${t("noPromotions")}</p>` : nothing}
      <dl class="promotions-list" data-testid="promotions">${state.promotions.map(({ name, text }) => html`<div><dt class="mono">${name}</dt><dd>${text}</dd></div>`)}</dl></section>
  `;

  const row = (flight) => html`<li class="card flight-row" data-testid="flight" data-flight=${flight.flightId}>
    <div><strong>${flight.flightCode}</strong> <span class="soft">#${flight.flightId} · ${day(flight.takeoffDate)} · ${money(flight.cost)}</span></div>
    <span data-testid="left">${t("leftOf", flight.remainingSeatsCount, flight.capacity)}</span>
    <form class="tools" @submit=${(event) => change(event, flight)} novalidate><label>${t("capacity")}
      <input class="short" name="capacity" inputmode="numeric" data-testid="capacity" .defaultValue=${String(flight.capacity)} autocomplete="off"
        aria-invalid=${Boolean(state.wrongCapacity[flight.flightId])} aria-describedby="capacity-${flight.flightId}"></label>
      <button data-testid="change" aria-label=${t("changeOf", flight.flightCode, flight.flightId)} ?disabled=${state.busy}>${t("change")}</button></form>
    <span class="error wide-error" id="capacity-${flight.flightId}" data-testid="capacity-error">${state.wrongCapacity[flight.flightId] ?? nothing}</span></li>`;

  draw();
  attempt(() => load(null));
  return leave;
}
