// Review and book. One form has one Idempotency-Key, kept until there is an answer: sent twice, it is one reservation.

import { html, nothing } from "/vendor/lit.js";
import { command, get, mayBeRepeated, newKey, Problem } from "/api.js";
import { keepFlight } from "/booked-flights.js";
import { day, money } from "/format.js";
import { failure, heading, isNumber, onScreen, remembered, status, waking } from "/parts.js";
import { browser, tab } from "/storage.js";
import { t } from "/words.js";

const METHODS = ["accept", "decline", "slow"];

export default function start({ main, query, go }) {
  const flightId = query.get("flight") ?? "";
  const passengers = /^[1-9]$/.test(query.get("passengers")) ? Number(query.get("passengers")) : 1;
  const keyName = `key:${flightId}:${passengers}`;
  const state = { flight: null, gone: false, sending: false, unanswered: false, error: null, waking: null, invalid: false };
  const { draw, options, leave } = onScreen(main, state, () => view());

  async function load() {
    state.error = null;
    draw();
    try {
      take(await get(`/flights/${encodeURIComponent(flightId)}`, options));
    } catch (error) {
      state.error = error;
    }
    draw();
  }

  function take(flight) {
    state.flight = flight;
    state.gone = flight.remainingSeatsCount < passengers;
  }

  async function book(event) {
    event.preventDefault();
    const form = new FormData(event.target);
    const customerId = form.get("customer").trim();
    state.invalid = !isNumber(customerId);
    if (state.invalid || state.sending) {
      draw();
      main.querySelector("#customer").focus();
      return;
    }
    browser.set("customer", customerId);
    await send({ customerId: Number(customerId), flightId: Number(flightId), seatQty: passengers, paymentMethod: form.get("method") });
  }

  async function send(body) {
    Object.assign(state, { sending: true, error: null, unanswered: false });
    draw();
    try {
      take(await get(`/flights/${flightId}`, options));
      if (!state.gone) await reserve(body);
    } catch (error) {
      if (error.name === "AbortError") return; // whoever left may come back, and send the same
      if (!mayBeRepeated(error)) tab.remove(keyName); // refused: another try is another command
      state.error = error;
    }
    state.sending = false;
    draw();
  }

  async function reserve(body) {
    const key = tab.get(keyName) ?? newKey();
    tab.set(keyName, key);
    const onAgain = () => { state.unanswered = true; draw(); };
    const reservation = await command("POST", "/reservations", { ...options, body, key, onAgain });
    tab.remove(keyName);
    keepFlight(state.flight);
    go(`/trips/${reservation.reservationId}`, { replace: true });
  }

  const view = () => html`
    ${heading(t("bookTitle"))}
    ${state.flight ? summary(state.flight, passengers) : nothing}
    ${state.gone
      ? html`<div class="notice bad" role="alert" data-testid="gone"><p>${t("gone", state.flight.remainingSeatsCount)}</p>
          <a class="button" href="/?passengers=${passengers}" data-testid="other-flights">${t("otherFlights")}</a></div>`
      : nothing}
    ${state.flight && !state.gone ? form(state.flight.cost * passengers) : nothing}
    ${status(message())}
    ${state.error ? problem() : nothing}
  `;

  const form = (total) => html`<form class="card booking" @submit=${book} novalidate data-testid="book-form">
    <div class="field">
      <label for="customer">${t("customer")}</label>
      <input id="customer" name="customer" inputmode="numeric" autocomplete="off" data-testid="customer" .defaultValue=${remembered("customer")}
        aria-invalid=${state.invalid} aria-describedby="customer-error" ?disabled=${state.sending}>
      <span class="error" id="customer-error" data-testid="customer-error">${state.invalid ? t("badCustomer") : nothing}</span>
    </div>
    <fieldset ?disabled=${state.sending}>
      <legend>${t("payment")}</legend>
      ${METHODS.map((method, index) => html`<label class="choice"><input type="radio" name="method" value=${method} data-testid=${method}
        ?checked=${index === 0}>${t(`pay_${method}`)}</label>`)}
    </fieldset>
    <button class="main" data-testid="book" ?disabled=${state.sending}>${state.sending ? t("sending") : t("book", money(total))}</button>
  </form>`;

  const message = () => {
    if (state.unanswered && state.sending) return t("sentAgain");
    if (state.waking) return waking(state.waking);
    if (state.sending) return t("sending");
    return state.flight || state.error ? "" : t("loading");
  };

  const problem = () => {
    if (!state.flight) return state.error instanceof Problem && state.error.status === 404 ? missing() : failure(state.error, load);
    return failure(state.error, mayBeRepeated(state.error) ? () => main.querySelector("form").requestSubmit() : null);
  };

  const missing = () => html`<div class="notice bad" role="alert" data-testid="missing"><p>${t("noFlight")}</p>
    <a class="button" href="/" data-testid="home">${t("navSearch")}</a></div>`;

  draw();
  load();
  return leave;
}

const summary = (flight, passengers) => html`<dl class="card facts" data-testid="summary">
  <div><dt>${t("flight")}</dt><dd>${flight.flightCode}</dd></div>
  <div><dt>${t("date")}</dt><dd>${day(flight.takeoffDate)}</dd></div>
  <div><dt>${t("passengers")}</dt><dd>${passengers} × ${money(flight.cost)}</dd></div>
  <div><dt>${t("total")}</dt><dd data-testid="total">${money(flight.cost * passengers)}</dd></div>
</dl>`;
