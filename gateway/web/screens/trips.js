// The reservations of one customer, newest first.

import { html, nothing } from "/vendor/lit.js";
import { behind, get } from "/api.js";
import { customerForm } from "/customer-form.js";
import { flightName } from "/booked-flights.js";
import { moment } from "/format.js";
import { failure, heading, isNumber, onScreen, remembered, rows, status, waking } from "/parts.js";
import { t } from "/words.js";

export default function start({ main, query, go }) {
  const customer = query.get("customer") ?? remembered("customer");
  const state = { trips: [], more: null, loaded: false, error: null, waking: null, invalid: false };
  const { draw, options, leave } = onScreen(main, state, () => view());

  async function load(after) {
    state.error = null;
    draw();
    try {
      const parameters = new URLSearchParams({ customerId: customer, sort: "createdAt,desc", ...(after && { after }) });
      const answer = await get(`/reservations?${parameters}`, options);
      state.trips.push(...answer._embedded.reservations);
      state.more = behind(answer);
      state.loaded = true;
    } catch (error) {
      state.error = error;
      state.retry = () => load(after);
    }
    draw();
  }

  const view = () => html`
    ${heading(t("navTrips"))}
    ${customerForm(customer, { state, draw, go, path: "/trips" })}
    ${status(waking(state.waking) || message())}
    <ul class="trips" data-testid="trips">${rows(state.trips, "reservationId", trip)}</ul>
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
  if (isNumber(customer)) load(null);
  return leave;
}

const trip = ({ reservationId, flightId, seatQty, status: how, createdAt }) => html`<li class="card" data-testid="trip-card" data-status=${how}>
  <a href="/trips/${reservationId}" data-testid="open-trip">${reservationId}</a>
  <span>${t("tripFacts", flightName(flightId), seatQty)}</span>
  <span class="state ${how.toLowerCase()}">${t(`status_${how}`)}</span>
  <time class="soft" datetime=${createdAt}>${moment(createdAt, "short")}</time>
</li>`;
