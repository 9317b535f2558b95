// The timeline of one saga: each event under the one that caused it, who took it, every retry, and who had to wake for it.

import { html, nothing } from "/vendor/lit.js";
import { get, Problem } from "/api.js";
import { moment } from "/format.js";
import { t } from "/words.js";
import { byCause, wakings } from "/screens/ops/saga-tree.js";
import { panel } from "/screens/ops/panel.js";
import { snapshot } from "/screens/ops/runtime.js";

const DETAILS = ["seatQty", "remainingSeatsCount", "amount", "reason"];

export const wide = true;

export default function start({ main, parameters: [identity] }) {
  const state = { story: null };
  const { draw, attempt, options, leave } = panel(main, "sagas", state, () => view());
  const path = `/reservations/${encodeURIComponent(identity)}`;

  async function load() {
    const [reservation, history, letters, deliveries, runtime] = await Promise.all([
      found(path), found(`${path}/events`), found(`/dead-letters?reservationId=${encodeURIComponent(identity)}&size=100`),
      found(`/deliveries?correlationid=${encodeURIComponent(identity)}`), snapshot(options.signal),
    ]);
    state.story = {
      reservation, events: history?._embedded.events ?? [], waitsFor: history?.waitsFor ?? [],
      letters: letters?._embedded.deadLetters ?? [], deliveries: deliveries?.events ?? null,
      woken: runtime && deliveries ? wakings(runtime.functions, deliveries.events) : null,
    };
  }

  async function found(address) {
    try {
      return await get(address, options);
    } catch (error) {
      if (error instanceof Problem && error.status === 404) return null;
      throw error;
    }
  }

  const view = () => html`
    <div class="tools"><h2 class="mono" data-testid="identity">${identity}</h2>
      <button data-testid="reload" ?disabled=${state.busy} @click=${() => attempt(load)}>${t("reload")}</button></div>
    ${state.story ? whole(state.story) : nothing}
  `;

  draw();
  attempt(load);
  return leave;
}

function whole(story) {
  const { reservation, events, waitsFor, letters, deliveries, woken } = story;
  if (!reservation && !events.length && !letters.length && !deliveries?.length) return html`<p class="hint" data-testid="empty">${t("noStory")}</p>`;
  return html`
    ${reservation ? html`<p><span class="state ${reservation.status.toLowerCase()}">${t(`status_${reservation.status}`)}</span>
      ${t("whose", reservation.customerId, reservation.flightId)}${reservation.reason ? html` · <span lang="en">${reservation.reason}</span>` : nothing}</p>` : html`<p>${t("notPlaced")}</p>`}
    ${waitsFor.map((wait) => html`<p class="notice warn" data-testid="waits">${t("waitsFor", wait.function, wait.for)}</p>`)}
    ${letters.map((letter) => html`<p class="notice bad" data-testid="saga-letter">${t("letterOf", letter.type, letter.function, t(`letter_${letter.status}`))} ${letter.reason}</p>`)}
    <div class="tree" data-testid="tree">${branch(byCause(events), null, story)}${strays(story)}</div>
    ${deliveries === null ? html`<p class="soft" data-testid="untold">${t("noDeliveries")}</p>` : nothing}
    ${deliveries !== null && woken === null ? html`<p class="soft" data-testid="unknown-wakings">${t("noWakings")}</p>` : nothing}
  `;
}

function branch(caused, cause, story) {
  const events = caused.get(cause) ?? [];
  return events.length ? html`<ol>${events.map((event) => html`<li data-testid="event" data-type=${event.type}>
    <p><strong>${event.type}</strong> <span class="soft">${event.after === null ? moment(event.time) : t("after", event.after)}</span>
      <span class="mono">${event.source}</span> <span class="soft">${details(event.data)}</span></p>
    ${beneath(event.id, story)}${branch(caused, event.id, story)}</li>`)}</ol>` : nothing;
}

const details = (data) => DETAILS.filter((name) => data[name] !== undefined && data[name] !== null).map((name) => `${name} ${data[name]}`).join(", ");

// Of events that the history does not have, or not yet.
function strays({ events, deliveries, woken }) {
  const known = new Set(events.map(({ id }) => id));
  const others = new Map((deliveries ?? []).filter(({ id }) => !known.has(id)).map((one) => [one.id, one.type]));
  return [...others].map(([id, type]) => html`<div class="stray"><strong>${type}</strong>${beneath(id, { deliveries, woken })}</div>`);
}

function beneath(id, { deliveries, woken }) {
  const stored = (deliveries ?? []).filter((one) => one.id === id);
  return html`
    ${(woken ?? []).filter((one) => one.eventId === id).map((one) => html`<p class="woke" data-testid="woke" data-ahead=${one.ahead}>${t(one.ahead ? "wokeAhead" : "woke", one.function, one.seconds.toFixed(1))}</p>`)}
    ${stored.map((one, index) => html`${index ? html`<p class="soft">${t("saidAgain", moment(one.storedAt))}</p>` : nothing}${one.deliveries.map(delivery)}`)}
  `;
}

const delivery = ({ trigger, state, attempts, nextAt }) => html`<p class="delivery ${state === "delivered" ? "" : "trouble"}" data-testid="delivery" data-state=${state}>
    ${t(`delivery_${state}`, trigger.split("/").at(-1))}${nextAt ? ` ${t("nextAt", moment(nextAt))}` : ""}</p>
  ${attempts.length ? html`<ul class="attempts">${attempts.map((one) => html`<li data-testid="attempt">${t("attempt", one.number, one.seconds)}
    ${one.to === "subscriber" ? "" : t("toSink")} ${one.failure ?? t("taken")}</li>`)}</ul>` : nothing}`;

