// What a reservation and its events mean to the person who made it. Pure: no clock, no network.

const STEPS = [
  ["requested", ["ReservationPlaced"], []],
  ["seats", ["RemainingSeatsDecreased"], ["SeatsSoldOut"]],
  ["paid", ["Paid"], ["PaymentFailed"]],
  ["confirmed", ["ReservationConfirmed"], []],
];
const SEATS_BACK = ["RemainingSeatsIncreased", "SeatsNotHeld"];
const MONEY_BACK = ["PaymentRefunded", "PaymentNotTaken"];

export function stateOf(reservation, events) {
  const types = new Set(events.map((event) => event.type));
  const any = (names) => names.some((name) => types.has(name));
  const data = (type) => events.find((event) => event.type === type)?.data;
  const canceled = reservation.status === "CANCELED";
  const ended = () => (canceled ? any(SEATS_BACK) && any(MONEY_BACK) : types.has("ReservationConfirmed"));
  return {
    phase: canceled ? phaseOfCanceled(reservation, types) : phaseOfOpen(reservation, types),
    steps: STEPS.map(([name, done, failed]) => ({ name, result: result(any(done), any(failed), canceled) })),
    seatsBack: any(SEATS_BACK),
    moneyBack: any(MONEY_BACK),
    amount: (data("Paid") ?? data("RemainingSeatsDecreased"))?.amount ?? null,
    refunded: data("PaymentRefunded")?.amount ?? null,
    left: data("SeatsSoldOut")?.remainingSeatsCount ?? null,
    // a settled one owes nothing; its events may have been pruned long ago
    final: reservation.status !== "PENDING" && (reservation.owedSince === null || ended()),
  };
}

function result(done, failed, canceled) {
  if (failed) return "failed";
  if (done) return "done";
  return canceled ? "skipped" : "waiting";
}

function phaseOfOpen(reservation, types) {
  if (reservation.status === "SUCCEED") return "succeeded";
  return types.has("RemainingSeatsDecreased") ? "held" : "pending";
}

function phaseOfCanceled(reservation, types) {
  if (types.has("SeatsSoldOut")) return "soldOut";
  if (types.has("PaymentFailed")) return "declined";
  return reservation.reason === "expired" ? "expired" : "canceled";
}
