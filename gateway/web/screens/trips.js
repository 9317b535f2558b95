// The reservations of one customer, newest first.

import { html, nothing, render } from "/vendor/lit.js";
import { get } from "/api.js";
import { moment } from "/format.js";
import { failure, heading, isNumber, remembered, status, waking } from "/parts.js";
import { t } from "/words.js";

export default function start({ main, query, go }) {
  const customer = query.get("customer") ?? remembered("customer");
  const state = { trips: [], more: null, loaded: false, error: null, waking: null, invalid: false };
  const leaving = new AbortController();
  const draw = () => { if (!leaving.signal.aborted) render(view(), main); };

  async function load(page) {
    state.error = null;
    draw();
    try {
      const onWaking = (name) => { state.waking = name; draw(); };
      const parameters = new URLSearchParams({ customerId: customer, sort: "createdAt,desc", page });
      const answer = await get(`/reservations?${parameters}`, { signal: leaving.signal, onWaking });
      state.trips.push(...answer._embedded.reservations);
      state.more = page + 1 < answer.page.totalPages ? page + 1 : null;
      state.loaded = true;
    } catch (error) {
      state.error = error;
      state.retry = () => load(page);
    }
    draw();
  }

  function submit(event) {
    event.preventDefault();
    const asked = new FormData(event.target).get("customer").trim();
    state.invalid = !isNumber(asked);
    if (state.invalid) return draw();
    localStorage.setItem("customer", asked);
    return go(`/trips?customer=${asked}`);
  }

  const view = () => html`
    ${heading(t("navTrips"))}
    ${customerForm(customer, state.invalid, submit)}
    ${status(state.waking ? waking(state.waking) : message())}
    <ul class="trips" data-testid="trips">${state.trips.map(trip)}</ul>
    ${state.error ? failure(state.error, state.retry) : nothing}
    ${state.more === null ? nothing : html`<button data-testid="more" @click=${() => load(state.more)}>${t("more")}</button>`}
  `;

  const message = () => {
    if (!isNumber(customer)) return t("whoAreYou");
    if (state.error) return "";
    if (!state.loaded) return t("loading");
    return state.trips.length ? "" : t("noTrips");
  };

  draw();
  if (isNumber(customer)) load(0);
  return () => leaving.abort();
}

export const customerForm = (customer, invalid, submit) => html`<form class="card tools" @submit=${submit} novalidate>
  <div class="field"><label for="customer">${t("customer")}</label>
    <input id="customer" name="customer" inputmode="numeric" autocomplete="off" data-testid="customer" .defaultValue=${customer}
      aria-invalid=${invalid} aria-describedby="customer-error">
    <span class="error" id="customer-error" data-testid="customer-error">${invalid ? t("badCustomer") : nothing}</span></div>
  <button class="main" data-testid="show">${t("show")}</button>
</form>`;

const trip = ({ reservationId, flightId, seatQty, status: how, createdAt }) => html`<li class="card" data-testid="trip-card" data-status=${how}>
  <a href="/trips/${reservationId}">${reservationId}</a>
  <span>${t("tripFacts", flightId, seatQty)}</span>
  <span class="state ${how.toLowerCase()}">${t(`status_${how}`)}</span>
  <time class="soft" datetime=${createdAt}>${moment(createdAt)}</time>
</li>`;
