// The scale-to-zero demo over the public API: all functions asleep, a burst of customers, everything answered, asleep again.

import { command, get, newKey } from "/api.js";
import { mayRest } from "/board/state.js";

export class Unfinished extends Error {}

const seconds = (from) => (performance.now() - from) / 1000;

// `functions()` is what the board knows of them; `say` hears which step has begun. Raises Unfinished, and what the API refuses.
export async function course({ definition, customers, seats, functions, say, signal }) {
  const options = { signal };
  const flight = await addFlight(definition, seats, options);
  const spare = await addFlight(definition, definition.oneByOne + 1, options);
  say("demo_asleep");
  await asleep(definition, functions, signal);
  say("demo_alone");
  const alone = await single(definition, spare, functions, options);
  say("demo_asleepNow");
  await asleep(definition, functions, signal);
  const before = starts(functions());
  say("demo_burst");
  const cold = await sagas(definition, flight, await Promise.all(numbers(customers).map((one) => place(flight, one, options))), options);
  say("demo_oneByOne");
  const warm = { placed: [], ended: [], steps: [] };
  for (const customer of numbers(definition.oneByOne)) {
    const one = await sagas(definition, spare, [await place(spare, customer, options)], options);
    for (const name of Object.keys(warm)) warm[name].push(...one[name]);
  }
  const left = (await get(`/flights/${flight}`, options)).remainingSeatsCount;
  const called = performance.now();
  say("demo_asleepAgain");
  await asleep(definition, functions, signal);
  return { customers, seats, alone, cold, warm, left, asleepAfter: seconds(called), starts: since(before, functions()) };
}

async function addFlight({ flight }, seats, options) {
  const body = { ...flight, remainingSeatsCount: seats };
  return (await command("POST", "/flights", { ...options, body, key: newKey() })).flightId;
}

async function place(flightId, customerId, options) {
  const sent = performance.now();
  const made = await command("POST", "/reservations", { ...options, body: { customerId, flightId, seatQty: 1 }, key: newKey() });
  return { reservation: made.reservationId, sent, answeredIn: seconds(sent) };
}

// One reservation that meets sleeping functions, and who woke for it.
async function single(definition, flight, functions, options) {
  const before = starts(functions());
  const { placed, ended } = await sagas(definition, flight, [await place(flight, 1, options)], options);
  await until(definition.endsWithin, definition.lookEvery, options.signal, () => Object.values(functions()).every(({ state }) => state !== "waking"));
  return { answeredIn: placed[0].answeredIn, endedIn: ended[0].endedIn, woken: since(before, functions()) };
}

async function sagas(definition, flight, placed, options) {
  const ended = await ends(definition, flight, placed, options);
  const steps = [];
  for (const { reservation } of ended) steps.push(...(await timeline(definition, reservation, options)));
  return { placed, ended, steps };
}

// One question about the whole flight at a time.
async function ends(definition, flight, placed, options) {
  const open = new Map(placed.map((one) => [one.reservation, one]));
  const ended = [];
  await until(definition.endsWithin, definition.lookEvery, options.signal, async () => {
    const found = (await get(`/reservations?flightId=${flight}&size=1000`, options))._embedded.reservations;
    for (const { reservationId, status } of found) {
      if (!open.has(reservationId) || status === "PENDING") continue;
      ended.push({ reservation: reservationId, status, endedIn: seconds(open.get(reservationId).sent) });
      open.delete(reservationId);
    }
    return !open.size;
  });
  return ended;
}

// What each step took, once nothing is waited for any more.
async function timeline(definition, reservation, options) {
  let events = [];
  await until(definition.endsWithin, definition.lookEvery, options.signal, async () => {
    const history = await get(`/reservations/${reservation}/events`, options).catch((error) => {
      if (error.status === 404) return null; // the dashboard hears of it a moment later
      throw error;
    });
    events = history?._embedded.events ?? [];
    return events.length > 0 && !history.waitsFor.length;
  });
  return events.map(({ type, after }) => ({ event: type, after }));
}

function asleep(definition, functions, signal) {
  const quiet = () => mayRest(functions()).every(({ state }) => state === "asleep");
  return until(definition.sleepWithin, definition.lookEvery, signal, quiet);
}

async function until(within, every, signal, done) {
  const began = performance.now();
  while (!(await done())) {
    signal.throwIfAborted();
    if (seconds(began) > within) throw new Unfinished();
    await new Promise((resolve) => setTimeout(resolve, 1000 * every));
  }
}

const numbers = (many) => Array.from({ length: many }, (_, index) => index + 1);

const starts = (functions) => Object.fromEntries(Object.entries(functions).map(([name, one]) => [name, one.starts]));

// The starts since then, as far back as the board remembers them.
function since(before, functions) {
  return Object.entries(functions).flatMap(([name, { starts: now, wakings }]) => {
    const number = now - (before[name] ?? 0);
    return number ? wakings.slice(-number).map((one) => ({ function: name, at: Date.parse(one.at) / 1000, seconds: one.seconds })) : [];
  });
}
