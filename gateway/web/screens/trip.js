// One reservation, live. It is asked for again only while something can still change, so the functions can sleep.

import { html, nothing } from "/vendor/lit.js";
import { command, get, mayBeRepeated, newKey, NoAnswer, now, Problem } from "/api.js";
import { flightName } from "/booked-flights.js";
import { countdown, money, moment } from "/format.js";
import { failure, heading, onScreen, status, waking } from "/parts.js";
import { stateOf } from "/trip-state.js";
import { hasWord, t } from "/words.js";

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 5000;
const SLOW = 10_000; // ms of one step until the page says that it takes long

export default function start({ main, parameters: [pasted] }) {
  const identity = pasted.trim().toUpperCase();
  const state = { trip: null, events: [], shown: null, error: null, lost: false, missing: false, refused: null, canceling: false, waking: null };
  const path = `/reservations/${encodeURIComponent(identity)}`;
  const { draw, options, leave } = onScreen(main, state, () => view());
  let pause = FIRST_PAUSE;
  let next = 0;
  let changedAt = Date.now();
  const otherTabs = new BroadcastChannel("canceled trips");
  otherTabs.onmessage = ({ data }) => { if (data === identity) look(); };

  async function look() {
    clearTimeout(next);
    try {
      take(await get(path, options), await story());
      state.lost = false;
    } catch (error) {
      if (error.name === "AbortError") return;
      state.missing = error instanceof Problem && error.status === 404;
      state.lost = mayBeRepeated(error);
      state.refused = state.missing || state.lost ? null : error;
    }
    draw();
    if (!state.missing && !state.refused && !state.shown?.final) wait();
  }

  // A reservation of this moment has no events yet; the read model hears of it a little later.
  async function story() {
    try {
      return (await get(`${path}/events`, options))._embedded.events;
    } catch (error) {
      if (error instanceof Problem && error.status === 404) return [];
      throw error;
    }
  }

  function take(trip, events) {
    if (events.length !== state.events.length || trip.status !== state.trip?.status) {
      pause = FIRST_PAUSE;
      changedAt = Date.now();
    }
    Object.assign(state, { trip, events, shown: stateOf(trip, events) });
  }

  function wait() {
    if (document.hidden || options.signal.aborted) return; // whoever comes back to the page asks at once
    next = setTimeout(look, pause);
    pause = Math.min(pause * 1.5, LONGEST_PAUSE);
  }

  async function cancel() {
    main.querySelector("dialog").close();
    Object.assign(state, { canceling: true, error: null });
    draw();
    try {
      await command("DELETE", path, { ...options, key: newKey() });
      otherTabs.postMessage(identity);
      pause = FIRST_PAUSE;
      await look();
    } catch (error) {
      state.error = error;
    }
    state.canceling = false;
    draw();
  }

  const view = () => {
    if (state.missing) return html`${heading(t("noTrip"))}<p data-testid="not-found">${t("noTripWhy", identity)}</p>
      <a class="button" href="/trips" data-testid="my-trips">${t("navTrips")}</a>`;
    if (state.refused) return html`${heading(t("tripTitle"))}<p class="soft id" data-testid="id">${identity}</p>${failure(state.refused)}`;
    return html`
      ${heading(t("tripTitle"))}
      <p class="soft id" data-testid="id">${identity}</p>
      ${status(state.shown ? words() : waking(state.waking) || t("loading"))}
      ${state.lost ? html`<div class="notice warn" role="alert" data-testid="lost"><p>${t("lost")}</p></div>` : nothing}
      ${state.error ? failure(state.error, state.error instanceof NoAnswer ? cancel : null) : nothing}
      ${state.shown ? whole() : html`<div class="card skeleton" aria-hidden="true"></div>`}
    `;
  };

  const words = () => {
    const { phase, left, final } = state.shown;
    const text = phase === "soldOut" && left !== null ? t("phase_soldOutLeft", left) : t(`phase_${phase}`);
    if (!final && phase !== "soldOut" && Date.now() - changedAt > SLOW) return `${text} ${t("slow")}`;
    return text;
  };

  const whole = () => {
    const { trip, shown } = state;
    return html`
      <section class="card ${shown.phase}" data-testid="trip" data-phase=${shown.phase} data-final=${shown.final}>
        <ol class="steps">${shown.steps.map(step)}</ol>
        ${trip.status === "PENDING" ? html`<p data-testid="countdown">${t("heldFor", countdown(Date.parse(trip.expiresAt) - now()))}</p>` : nothing}
        ${trip.status === "CANCELED" ? compensation(shown) : nothing}
        <dl class="facts">
          <div><dt>${t("flight")}</dt><dd data-testid="flight-name">${flightName(trip.flightId)}</dd></div>
          <div><dt>${t("passengers")}</dt><dd>${trip.seatQty}</dd></div>
          ${shown.amount === null ? nothing : html`<div><dt>${t("total")}</dt><dd>${money(shown.amount)}</dd></div>`}
        </dl>
        ${shown.phase === "soldOut"
          ? html`<a class="button main" data-testid="alternatives" href="/?passengers=${trip.seatQty}&available=1">${t("alternatives")}</a>` : nothing}
        ${trip.status === "CANCELED" ? nothing : html`<button data-testid="cancel" ?disabled=${state.canceling}
          @click=${() => main.querySelector("dialog").showModal()}>${state.canceling ? t("canceling") : t("cancel")}</button>`}
      </section>
      ${timeline(state.events)}
      ${dialog(trip, shown)}
    `;
  };

  const dialog = (trip, { amount, steps }) => html`<dialog aria-labelledby="ask" data-testid="dialog">
    <h2 id="ask">${t("cancelTitle")}</h2>
    <p>${t("cancelSeats", trip.seatQty)}</p>
    <p>${steps[2].result === "done" ? t("cancelRefund", money(amount)) : t("cancelNothingPaid")}</p>
    <div class="tools"><button data-testid="keep" @click=${() => main.querySelector("dialog").close()}>${t("keep")}</button>
      <button class="danger" data-testid="confirm-cancel" @click=${cancel}>${t("cancel")}</button></div>
  </dialog>`;

  function comeBack() {
    if (!document.hidden && !state.shown?.final) look();
  }

  // the countdown goes on between two answers
  const ticking = setInterval(() => { if (state.trip?.status === "PENDING") draw(); }, 1000);
  document.addEventListener("visibilitychange", comeBack);
  draw();
  look();
  return () => {
    leave();
    clearTimeout(next);
    clearInterval(ticking);
    otherTabs.close();
    document.removeEventListener("visibilitychange", comeBack);
  };
}

const step = ({ name, result }) => html`<li class=${result} data-testid="step-${name}" data-result=${result}>
  <span class="dot" aria-hidden="true"></span><span>${t(`step_${name}`)}</span><span class="soft">${t(`result_${result}`)}</span></li>`;

const compensation = ({ steps, seatsBack, moneyBack, refunded }) => html`<ul class="ticks">
  <li data-testid="seats-back" data-done=${seatsBack}>${seatsBack ? "✓" : "…"} ${seatsWords(seatsBack, steps[1].result === "done")}</li>
  <li data-testid="money-back" data-done=${moneyBack}>${moneyBack ? "✓" : "…"} ${moneyWords(moneyBack, refunded)}</li>
</ul>`;

function seatsWords(done, held) {
  if (!done) return t("seatsComing");
  return t(held ? "seatsBack" : "noSeatsHeld");
}

function moneyWords(done, refunded) {
  if (!done) return t("moneyComing");
  return refunded === null ? t("nothingCharged") : t("moneyBack", money(refunded));
}

// A policy that somebody has added says events that this page knows no words for.
const eventWords = (type) => (hasWord(`event_${type}`) ? t(`event_${type}`) : type);

const timeline = (events) => (events.length
  ? html`<details><summary data-testid="timeline">${t("timeline", events.length)}</summary><ol class="timeline">
      ${events.map(({ type, time }) => html`<li><strong>${eventWords(type)}</strong>
        <span class="soft"><span class="mono">${type}</span> · <time datetime=${time}>${moment(time)}</time></span></li>`)}
    </ol></details>`
  : nothing);
