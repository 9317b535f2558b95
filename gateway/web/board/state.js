// What the documents of the feed add up to. Pure: no clock but what is given, no network, no page. Everything is bounded.

const MOST_EVENTS = 60;
const MOST_SAGAS = 40;
const MOST_OF_A_SAGA = 40;
const WINDOW = 10; // seconds over which rates are counted
const CHART = 300_000; // ms of the chart
const SEATS_BACK = ["RemainingSeatsIncreased", "SeatsNotHeld"];
const MONEY_BACK = ["PaymentRefunded", "PaymentNotTaken"];

export function empty() {
  return {
    functions: {}, triggers: {}, owners: {}, awake: [], broker: true, runtime: true, events: [], sagas: new Map(), retries: [],
    heard: new Map(), skew: 0, newest: 0,
  };
}

// Takes in a document that came at `now` (ms since 1970), and returns what has to be seen moving.
export function take(board, document, now) {
  board.skew = now - Date.parse(document.at);
  const first = document.kind === "snapshot";
  if (first) Object.assign(board, { functions: {}, triggers: {}, awake: [], owners: {} });
  Object.assign(board.functions, document.functions);
  Object.assign(board.triggers, document.triggers);
  for (const source of ["broker", "runtime"]) if (document[source] !== undefined) board[source] = document[source];
  for (const [name, { triggers }] of Object.entries(document.functions ?? {})) {
    for (const trigger of triggers) board.owners[trigger] = name;
  }
  board.awake.push(...(document.awake ?? []));
  while (board.awake.length > 1 && board.awake[1][0] < now - board.skew - CHART) board.awake.shift();
  const newest = Math.max(0, ...(document.events ?? []).map(({ offset }) => offset));
  if (newest > 0 && newest < board.newest) Object.assign(board, { events: [], sagas: new Map(), newest: 0 }); // of another log
  const news = (document.events ?? []).filter(({ offset }) => offset > board.newest);
  const fresh = news.map((event) => heard(board, event));
  for (const delivery of document.deliveries ?? []) ended(board, delivery, now);
  if (first) return { events: [], deliveries: [] };
  for (const { to } of fresh) for (const name of to) count(board, name, now);
  return { events: fresh, deliveries: (document.deliveries ?? []).map((one) => ({ ...one, to: board.owners[one.trigger] })) };
}

function heard(board, { offset, at, saidBy, triggers, event }) {
  board.newest = offset;
  const cause = board.events.find((one) => one.id === event.causationid);
  const entry = {
    offset, at, id: event.id, type: event.type, saga: event.correlationid ?? null,
    by: speaker(board, saidBy, event.source, cause), to: [...new Set(triggers.map((key) => board.owners[key]).filter(Boolean))],
  };
  board.events.unshift(entry);
  board.events.length = Math.min(board.events.length, MOST_EVENTS);
  if (entry.saga) remember(board.sagas, entry);
  return entry;
}

// A reply was said by the function of its Trigger; what waited in an outbox, by the hearer of its cause, or by its service.
function speaker(board, saidBy, source, cause) {
  if (saidBy) return board.owners[saidBy] ?? null;
  const folder = source.split("/").at(-1);
  const inFolder = (name) => board.functions[name]?.folder === folder;
  const heard = cause?.to.filter(inFolder) ?? [];
  if (heard.length === 1) return heard[0];
  return board.functions[folder] ? folder : null;
}

function remember(sagas, { saga, type, at, by, to }) {
  const known = sagas.get(saga) ?? { id: saga, types: [], functions: new Set() };
  sagas.delete(saga); // the newest is the last one
  sagas.set(saga, known);
  known.at = at;
  if (known.types.length < MOST_OF_A_SAGA && !known.types.includes(type)) known.types.push(type);
  for (const name of [by, ...to].filter(Boolean)) known.functions.add(name);
  if (sagas.size > MOST_SAGAS) sagas.delete(sagas.keys().next().value);
}

function ended(board, { trigger, state, failure, nextAt, type, offset }, now) {
  if (state === "delivered") return;
  board.retries.unshift({ trigger, to: board.owners[trigger], state, failure, nextAt, type, offset, at: now });
  board.retries.length = Math.min(board.retries.length, MOST_EVENTS);
}

// Counts by the second, in a ring of WINDOW seconds.
function count(board, name, now) {
  const second = Math.floor(now / 1000);
  const ring = board.heard.get(name) ?? board.heard.set(name, new Map()).get(name);
  ring.set(second, (ring.get(second) ?? 0) + 1);
  for (const old of ring.keys()) if (old <= second - WINDOW) ring.delete(old);
}

// Events a second that this function heard, over the last seconds.
export function rate(board, name, now) {
  let sum = 0;
  for (const [second, number] of board.heard.get(name) ?? []) if (second > now / 1000 - WINDOW) sum += number;
  return sum / WINDOW;
}

// A cluster's broker does not report what becomes of its deliveries.
export const reports = (board) => !board.broker || Object.keys(board.triggers).length > 0;

export const mayRest = (functions) => Object.values(functions).filter(({ leastInstances = 0 }) => !leastInstances);

export function figuresOf(board, name) {
  const all = board.functions[name].triggers.map((key) => board.triggers[key]);
  if (!all.length) return null; // it hears no events
  if (!board.broker || all.some((one) => one === undefined)) return undefined; // not known
  const sum = (figure) => all.reduce((total, one) => total + one[figure], 0);
  return Object.fromEntries(["backlog", "inFlight", "delivered", "retries", "deadLettered", "kept"].map((one) => [one, sum(one)]));
}

export function isOver({ types }) {
  const any = (names) => names.some((name) => types.includes(name));
  if (types.includes("ReservationCanceled")) return any(SEATS_BACK) && any(MONEY_BACK);
  return types.includes("ReservationConfirmed");
}

// The newest first.
export function sagas(board, most) {
  return [...board.sagas.values()].reverse().slice(0, most);
}

const FIRST = ["reserve", "flight-seats", "payment", "dashboard-projector", "dead-letters"];

// [service, names], in the order in which a reservation goes through them; others behind them.
export function services(board) {
  const folders = new Map();
  for (const [name, { folder }] of Object.entries(board.functions)) folders.set(folder, [...(folders.get(folder) ?? []), name]);
  const place = (folder) => (FIRST.indexOf(folder) + 1 || FIRST.length + 1);
  const order = ([a], [b]) => place(a) - place(b) || a.localeCompare(b);
  return [...folders].sort(order).map(([folder, names]) => [folder, names.sort((a, b) => rank(board, a) - rank(board, b) || a.localeCompare(b))]);
}

// HTTP first, then those that hear events, housekeeping last.
function rank(board, name) {
  if (name.endsWith("housekeeping")) return 2;
  return board.functions[name].triggers.length ? 1 : 0;
}

export function median(values) {
  if (!values.length) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
