// The laws that hold at rest, over the lists that the services give (client/laws.py has them for the command line; a test
// compares the two). Each finds [subject, word, ...values of the word]. Pure: no clock, no network.

const EXPIRY_GRACE = 600_000; // housekeeping cancels what has expired every five minutes
const UNDER_WAY = ["CHARGING", "REFUNDING"]; // what housekeeping of payment finishes
const NO_PAYMENT = ["no payment", 0];

// When the books are judged, how old something must be to be at rest, and how long it may be owed; all in milliseconds.
export function momentOf(now, { young = 30_000, owed = 1_800_000 } = {}) {
  const isPast = (instant, grace) => Boolean(instant) && Date.parse(instant) < now - grace;
  return { young, owed, isPast, atRest: ({ status, createdAt }) => status !== "PENDING" && isPast(createdAt, young) };
}

function* capacity({ flights, holds }) {
  const held = heldSeats(holds);
  for (const { flightId, capacity: all, remainingSeatsCount: left } of flights) {
    const seats = held.get(flightId) ?? 0;
    held.delete(flightId);
    if (all !== left + seats) yield [flightId, "foundCapacity", all, left, seats];
  }
  for (const [flightId, seats] of held) yield [flightId, "foundNoFlight", seats];
}

function* oversold({ flights, holds }) {
  const held = heldSeats(holds);
  for (const { flightId, capacity: all, remainingSeatsCount: left } of flights) {
    if ((held.get(flightId) ?? 0) > all || left < 0) yield [flightId, "foundCapacity", all, left, held.get(flightId) ?? 0];
  }
}

function* succeedIsHeld({ reservations, holds }, moment) {
  const held = byId(holds);
  for (const one of reservations) {
    const hold = held.get(one.reservationId);
    const right = hold && hold.flightId === one.flightId && hold.seatQty === one.seatQty;
    if (one.status === "SUCCEED" && moment.atRest(one) && !right) yield [one.reservationId, "foundHold", one.seatQty, hold?.seatQty ?? 0];
  }
}

function* heldIsSucceed({ reservations, holds }, moment) {
  const known = byId(reservations);
  for (const { reservationId, seatQty } of holds) {
    const one = known.get(reservationId);
    if (!one || (one.status === "CANCELED" && moment.atRest(one))) yield [reservationId, one ? "foundHeldCanceled" : "foundHeldNobody", seatQty];
  }
}

function* succeedIsPaid(books, moment) {
  const kept = keptMoney(books.ledger);
  const values = valuesOf(books);
  for (const one of books.reservations) {
    const value = values.get(one.reservationId);
    const money = kept.get(one.reservationId) ?? 0;
    if (one.status === "SUCCEED" && moment.atRest(one) && value !== undefined && value !== money) yield [one.reservationId, "foundValue", value, money];
  }
}

function* canceledIsRefunded({ reservations, ledger }, moment) {
  const known = byId(reservations);
  for (const [identity, money] of keptMoney(ledger)) {
    const one = known.get(identity);
    if (money && (!one || (one.status === "CANCELED" && moment.atRest(one)))) yield [identity, one ? "foundKeptCanceled" : "foundKeptNobody", money];
  }
}

function* payments({ reservations, payments: paid, ledger }, moment) {
  const known = byId(reservations);
  const payment = byId(paid);
  const entries = new Map();
  for (const entry of ledger) entries.set(entry.key, { ...entries.get(entry.key), [entry.kind]: entry });
  for (const identity of new Set([...payment.keys(), ...entries.keys()])) {
    const [one, its] = [known.get(identity), payment.get(identity)];
    if ((one && !moment.atRest(one)) || UNDER_WAY.includes(its?.status)) continue;
    const said = its ? [its.status, its.amount] : NO_PAYMENT;
    const found = byTheLedger(entries.get(identity) ?? {});
    if (String(said) !== String(found)) yield [identity, "foundPayment", said.join(" "), found.join(" ")];
  }
}

function* ends({ reservations }, moment) {
  for (const { reservationId, status, expiresAt } of reservations) {
    if (status === "PENDING" && moment.isPast(expiresAt, EXPIRY_GRACE)) yield [reservationId, "foundPending", expiresAt];
  }
}

function* owed({ reservations }, moment) {
  for (const { reservationId, status, owedSince } of reservations) {
    if (moment.isPast(owedSince, moment.owed)) yield [reservationId, "foundOwed", status, owedSince];
  }
}

// Two spellings are one command only if they ask for the same: an id may well hold a percent sign.
function* commands({ reservations }) {
  const made = new Map();
  for (const one of reservations.filter(({ requestedBy }) => requestedBy)) {
    const { source, id } = one.requestedBy;
    const wish = [one.customerId, one.flightId, one.seatQty, one.reserveDate];
    for (const command of [[source, id], [plainly(source), plainly(id), wish]]) {
      const key = JSON.stringify(command);
      made.set(key, new Map(made.get(key)).set(one.reservationId, one.requestedBy));
    }
  }
  const twice = new Map([...made.values()].filter(({ size }) => size > 1).map((found) => [[...found.keys()].sort().join(" = "), found]));
  for (const [subject, found] of twice) yield [subject, "foundCommands", found.size, [...found.values()][0].id];
}

function* dashboard({ reservations, customers }) {
  const real = new Map();
  for (const one of reservations) real.set(one.customerId, [...(real.get(one.customerId) ?? []), one]);
  const shown = new Map(customers.map((one) => [one.customerId, one]));
  for (const customer of new Set([...real.keys(), ...shown.keys()])) {
    const [is, says] = [countsOf(real.get(customer)), shownOf(shown.get(customer))];
    if (is !== says) yield [customer, "foundCounts", is, says];
  }
}

function* money({ reservations, ledger, customers }, moment) {
  const known = byId(reservations);
  const unsettled = new Set(reservations.filter((one) => one.owedSince || !moment.atRest(one)).map(({ customerId }) => customerId));
  for (const { customerId, spent, refunded } of customers) {
    if (unsettled.has(customerId)) continue;
    const theirs = ledger.filter(({ accepted, key }) => accepted && known.get(key)?.customerId === customerId);
    for (const [kind, shown] of [["charge", spent], ["refund", refunded]]) {
      const real = theirs.reduce((sum, entry) => sum + (entry.kind === kind ? entry.amount : 0), 0);
      if (shown !== null && shown !== undefined && shown !== real) yield [customerId, "foundMoney", real, shown];
    }
  }
}

function* outboxes({ outboxes: boxes }, moment) {
  for (const [name, { unsent, oldest }] of Object.entries(boxes)) if (unsent && moment.isPast(oldest, moment.young)) yield [name, "foundUnsent", unsent, oldest];
}

function* promised({ outboxes: boxes }, moment) {
  for (const [name, box] of Object.entries(boxes)) if (moment.isPast(box.oldestCommand, moment.owed)) yield [name, "foundPromised", box.commands, box.oldestCommand];
}

export const LAWS = {
  capacity, oversold, succeedIsHeld, heldIsSucceed, succeedIsPaid, canceledIsRefunded, payments, ends, owed, commands, dashboard, money,
  outboxes, promised,
};

// What breaks the laws: law, subject, and the detail as a word with its values.
export function judge(books, moment) {
  return Object.entries(LAWS).flatMap(([law, find]) => [...find(books, moment)].map(([subject, ...detail]) => ({ law, subject: String(subject), detail })));
}

const byId = (items) => new Map(items.map((item) => [item.reservationId, item]));

function heldSeats(holds) {
  const held = new Map();
  for (const { flightId, seatQty } of holds) held.set(flightId, (held.get(flightId) ?? 0) + seatQty);
  return held;
}

function keptMoney(ledger) {
  const kept = new Map();
  for (const { key, kind, accepted, amount } of ledger) if (accepted) kept.set(key, (kept.get(key) ?? 0) + (kind === "charge" ? amount : -amount));
  return kept;
}

function byTheLedger({ charge, refund }) {
  if (refund) return ["REFUNDED", refund.amount];
  return charge ? [charge.accepted ? "PAID" : "FAILED", charge.amount] : NO_PAYMENT;
}

// What each reservation costs: as its hold says, for a flight may cost something else by now.
function valuesOf({ flights, reservations, holds }) {
  const costs = new Map(flights.map(({ flightId, cost }) => [flightId, cost]));
  const values = new Map(reservations.filter(({ flightId }) => costs.has(flightId))
    .map(({ reservationId, seatQty, flightId }) => [reservationId, seatQty * costs.get(flightId)]));
  for (const { reservationId, amount } of holds) if (amount !== null) values.set(reservationId, amount);
  return values;
}

function countsOf(made) {
  if (!made) return "–";
  const count = (status) => made.filter((one) => one.status === status).length;
  const latest = made.map(({ reserveDate }) => reserveDate).sort().at(-1);
  return [made.length, count("SUCCEED"), count("CANCELED"), latest].join(" / ");
}

const shownOf = (one) => (one ? [one.flightCount, one.confirmedCount, one.canceledCount, one.recentReserveDate].join(" / ") : "–");

// Without the layers of encoding that a binary CloudEvent may have got on its way.
function plainly(name) {
  for (let before = null; before !== name;) {
    before = name;
    try {
      name = decodeURIComponent(name.replace(/^"+|"+$/g, ""));
    } catch {
      return before; // a percent sign that is one
    }
  }
  return name;
}
