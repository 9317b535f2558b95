// Which event caused which, and which function woke for a delivery. Pure: no clock, no network.

const AHEAD = 15_000; // ms that a function which was woken ahead may wait for the first event that it works on
const BEGINNING = 5000; // ms before its first event that a saga may have been announced; who woke earlier woke for another saga
const AT_ONCE = 1000; // ms after the broker has an event until its first delivery knocks, on a machine that is busy

// The events by the id of their cause; null holds those whose cause is not among them. A circle begins at its first event.
export function byCause(events) {
  const known = new Set(events.map(({ id }) => id));
  const causes = new Map(events.map(({ id, causationId }) => [id, known.has(causationId) ? causationId : null]));
  for (const { id } of events) if (goesRound(id, causes)) causes.set(id, null);
  const groups = new Map();
  for (const event of events) groups.set(causes.get(event.id), [...(groups.get(causes.get(event.id)) ?? []), event]);
  return groups;
}

function goesRound(start, causes) {
  const seen = new Set();
  let step = start;
  for (; step !== null && !seen.has(step); step = causes.get(step)) seen.add(step);
  return step === start;
}

// Each waking with the first event that the function was woken for: eventId, function, seconds; ahead, if it was ready before.
export function wakings(functions, events) {
  const byTrigger = new Map(Object.entries(functions).flatMap(([name, one]) => one.triggers.map((trigger) => [trigger, name])));
  const known = new Set();
  const begun = Math.min(...events.map(({ storedAt }) => Date.parse(storedAt)));
  return events.flatMap(({ id, storedAt, deliveries }) => deliveries.flatMap(({ trigger }) => {
    const name = byTrigger.get(trigger);
    // only the last start can have taken it: from an earlier one the function has gone to sleep since
    const met = (functions[name]?.wakings ?? []).filter((one) => meets(one, Date.parse(storedAt), begun)).at(-1);
    if (!met || known.has(`${name} ${met.at}`)) return [];
    known.add(`${name} ${met.at}`);
    return [{ eventId: id, function: name, seconds: met.seconds, ahead: Date.parse(storedAt) > Date.parse(met.at) + met.seconds * 1000 }];
  }));
}

function meets({ at, seconds }, stored, begun) {
  const began = Date.parse(at);
  const ready = began + seconds * 1000;
  return stored <= ready ? began <= stored + AT_ONCE : begun - BEGINNING <= began && stored <= ready + AHEAD;
}
