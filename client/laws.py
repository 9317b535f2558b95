"""The laws that hold at rest, as functions over the lists that the services give. Each finds what breaks it.

What is under way breaks laws for a moment. Reservations that are PENDING or young are left out here; whatever else is
found must be looked at again before it is believed (see reconciliation.py).

The laws are written three times on purpose, as oracles for each other: here over HTTP, in
tests/reliability/laws_in_sql.py over the files of a run, in tests/model/model_laws.py over a simulation. None of them
imports another.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import unquote

Item = Mapping[str, Any]
Kind = Literal["flight", "reservation", "command", "customer", "outbox"]

NO_PAYMENT = ("no payment", 0)
MONEY = "dashboard = the provider's ledger"
SAME_COMMAND = " = "
"""Between the reservations of one command."""
UNDER_WAY = ("CHARGING", "REFUNDING")
"""What housekeeping of payment finishes."""
EXPIRY_GRACE = timedelta(minutes=10)
"""Housekeeping cancels what has expired every five minutes."""


Counted = tuple[int, int, int, str | None]
"""How many reservations were placed, are SUCCEED, are CANCELED, and the latest date of one."""


@dataclass(frozen=True)
class Sums:
    """What reservations and holds come to: seats that are held by flight; by customer what was counted and moved.

    `moved` is the money by the kind of its entries; of `unsettled` customers nothing can be said yet.
    """

    held: Mapping[int, int] = field(default_factory=dict)
    counted: Mapping[int, Counted] = field(default_factory=dict)
    moved: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    unsettled: Set[int] = frozenset()


@dataclass(frozen=True)
class Books:
    """What the services say at one moment, in the shapes of their HTTP; of holds only those that are HELD.

    `sums` are those of more reservations than are here, where these are too many to be here.
    """

    flights: Sequence[Item] = ()
    holds: Sequence[Item] = ()
    reservations: Sequence[Item] = ()
    payments: Sequence[Item] = ()
    ledger: Sequence[Item] = ()
    customers: Sequence[Item] = ()
    outboxes: Mapping[str, Item] = field(default_factory=dict)
    sums: Sums | None = None


@dataclass(frozen=True)
class Moment:
    """When the books are judged, how old something must be to be at rest, and how long it may be owed."""

    now: datetime
    young: timedelta = timedelta(seconds=30)
    owed: timedelta = timedelta(minutes=30)

    def is_past(self, instant: str | None, grace: timedelta) -> bool:
        """Whether that was longer ago than the grace."""
        return instant is not None and datetime.fromisoformat(instant) < self.now - grace

    def at_rest(self, reservation: Item) -> bool:
        """Whether nothing is under way for it that began with its placing."""
        return reservation["status"] != "PENDING" and self.is_past(reservation["createdAt"], self.young)


@dataclass(frozen=True)
class Difference:
    """A law that is broken by one subject; `flight` is where its seats are, if it has any."""

    law: str
    kind: Kind
    subject: str
    detail: str
    flight: int | None = None


Finding = tuple[object, str, int | None]
"""Subject, detail, flight."""


def capacity(books: Books, moment: Moment) -> Iterator[Finding]:
    """Per flight: capacity = remaining + seats of HELD holds."""
    held = {**sums(books, moment).held}
    for flight in books.flights:
        number, seats = flight["flightId"], held.pop(flight["flightId"], 0)
        if flight["capacity"] != flight["remainingSeatsCount"] + seats:
            detail = f"capacity {flight['capacity']}, but {flight['remainingSeatsCount']} remain and {seats} are held"
            yield number, detail, number
    for number, seats in held.items():
        yield number, f"{seats} seats are held on a flight that does not exist", number


def oversold(books: Books, moment: Moment) -> Iterator[Finding]:
    """Per flight: no more seats are held than there are."""
    held = Counter(sums(books, moment).held)
    for flight in books.flights:
        number = flight["flightId"]
        if held[number] > flight["capacity"] or flight["remainingSeatsCount"] < 0:
            detail = f"{held[number]} of {flight['capacity']} seats are held, {flight['remainingSeatsCount']} remain"
            yield number, detail, number


def succeed_is_held(books: Books, moment: Moment) -> Iterator[Finding]:
    """Every SUCCEED reservation has its seats."""
    holds = {hold["reservationId"]: (hold["flightId"], hold["seatQty"]) for hold in books.holds}
    for reservation in books.reservations:
        wanted, held = (reservation["flightId"], reservation["seatQty"]), holds.get(reservation["reservationId"])
        if reservation["status"] == "SUCCEED" and moment.at_rest(reservation) and held != wanted:
            found = f"{held[1]} seats of flight {held[0]}" if held else "nothing"
            detail = f"should hold {wanted[1]} seats of flight {wanted[0]}, holds {found}"
            yield reservation["reservationId"], detail, reservation["flightId"]


def held_is_succeed(books: Books, moment: Moment) -> Iterator[Finding]:
    """Every HELD hold belongs to a reservation that is not CANCELED."""
    reservations = {reservation["reservationId"]: reservation for reservation in books.reservations}
    for hold in books.holds:
        reservation = reservations.get(hold["reservationId"])
        if reservation is None:
            yield hold["reservationId"], f"{hold['seatQty']} seats are held for no reservation", hold["flightId"]
        elif reservation["status"] == "CANCELED" and moment.at_rest(reservation):
            yield hold["reservationId"], f"CANCELED, but {hold['seatQty']} seats are held", hold["flightId"]


def succeed_is_paid(books: Books, moment: Moment) -> Iterator[Finding]:
    """What the provider took and did not give back is the value of the SUCCEED reservation."""
    kept, values = _kept(books.ledger), _values(books)
    for reservation in books.reservations:
        identity = reservation["reservationId"]
        value = values.get(identity)
        if reservation["status"] == "SUCCEED" and moment.at_rest(reservation) and value not in (None, kept[identity]):
            yield identity, f"is worth {value}, the provider keeps {kept[identity]}", reservation["flightId"]


def canceled_is_refunded(books: Books, moment: Moment) -> Iterator[Finding]:
    """What is CANCELED was paid back, and nobody else was charged."""
    reservations = {reservation["reservationId"]: reservation for reservation in books.reservations}
    for identity, money in _kept(books.ledger).items():
        reservation = reservations.get(identity)
        if reservation is None and money:
            yield identity, f"the provider keeps {money} for no reservation", None
        elif money and reservation and reservation["status"] == "CANCELED" and moment.at_rest(reservation):
            yield identity, f"CANCELED, but the provider keeps {money}", reservation["flightId"]


def payments(books: Books, moment: Moment) -> Iterator[Finding]:
    """Every payment agrees with the provider's ledger and is the right customer's; the ledger has no other money."""
    reservations = {reservation["reservationId"]: reservation for reservation in books.reservations}
    paid = {payment["reservationId"]: payment for payment in books.payments}
    entries: dict[str, dict[str, Item]] = defaultdict(dict)
    for entry in books.ledger:
        entries[entry["key"]][entry["kind"]] = entry
    for identity in {**paid, **entries}:
        reservation, payment = reservations.get(identity), paid.get(identity)
        if (reservation and not moment.at_rest(reservation)) or (payment and payment["status"] in UNDER_WAY):
            continue
        flight = reservation["flightId"] if reservation else None
        said = (payment["status"], payment["amount"]) if payment else NO_PAYMENT
        if said != (found := _by_the_ledger(entries[identity])):
            yield identity, f"{said[0]} {said[1]}, by the ledger {found[0]} {found[1]}", flight
        elif reservation and payment and payment["customerId"] != reservation["customerId"]:
            detail = f"paid by customer {payment['customerId']}, reserved by customer {reservation['customerId']}"
            yield identity, detail, flight


def ends(books: Books, moment: Moment) -> Iterator[Finding]:
    """Nothing stays PENDING past its expiry and two rounds of housekeeping."""
    for reservation in books.reservations:
        if reservation["status"] == "PENDING" and moment.is_past(reservation["expiresAt"], EXPIRY_GRACE):
            yield reservation["reservationId"], f"PENDING, expired {reservation['expiresAt']}", reservation["flightId"]


def owed(books: Books, moment: Moment) -> Iterator[Finding]:
    """What was reserved, confirmed or canceled is reported as settled before long."""
    for reservation in books.reservations:
        since = reservation.get("owedSince")  # an earlier release does not say
        if moment.is_past(since, moment.owed):
            detail = f"{reservation['status']}, but not settled since {since}"
            yield reservation["reservationId"], detail, reservation["flightId"]


def commands(books: Books, _: Moment) -> Iterator[Finding]:
    """One reservation for one (source, id) of a command, also where one spelling is the encoding of the other.

    Two spellings are one command only if they ask for the same: an id may well hold a percent sign.
    """
    made: dict[object, dict[str, Item]] = defaultdict(dict)
    for reservation in books.reservations:
        for command in spellings(reservation):
            made[command][reservation["reservationId"]] = reservation
    twice = {SAME_COMMAND.join(sorted(found)): found for found in made.values() if len(found) > 1}
    for subject, found in twice.items():
        by = next(iter(found.values()))["requestedBy"]
        yield subject, f"{len(found)} reservations for the command {by['id']} of {by['source']}", None


def spellings(reservation: Item) -> Iterator[tuple[object, ...]]:
    """What names the command that asked for a reservation, if one did: as it is, and plainly with what it asks for."""
    if by := reservation.get("requestedBy"):
        wish = tuple(reservation[name] for name in ("customerId", "flightId", "seatQty", "reserveDate"))
        yield by["source"], by["id"]
        yield _plainly(by["source"]), _plainly(by["id"]), wish


def dashboard(books: Books, moment: Moment) -> Iterator[Finding]:
    """Per customer: what the dashboard counts is what the reservations are."""
    real = sums(books, moment).counted
    shown = {customer["customerId"]: _shown(customer) for customer in books.customers}
    for customer in sorted({*real, *shown}):
        if real.get(customer) != shown.get(customer):
            detail = f"is {_counted(real.get(customer))}; the dashboard shows {_counted(shown.get(customer))}"
            yield customer, detail, None


def money(books: Books, moment: Moment) -> Iterator[Finding]:
    """Per customer: what the dashboard says was spent and refunded is what the provider took and gave back."""
    real = sums(books, moment)
    for customer in books.customers:
        number = customer["customerId"]
        for name, kind in (("spent", "charge"), ("refunded", "refund")):
            shown = customer.get(name)  # null where it is not known; an earlier release does not say
            moved = real.moved.get(number, {}).get(kind, 0)
            if shown not in (None, moved) and number not in real.unsettled:
                yield number, f"{name} {moved}; the dashboard shows {shown}", None


def outboxes(books: Books, moment: Moment) -> Iterator[Finding]:
    """No event waits to be sent."""
    for name, box in books.outboxes.items():
        if box["unsent"] and moment.is_past(box["oldest"], moment.young):
            yield name, f"{box['unsent']} events are unsent, the oldest since {box['oldest']}", None


def promised(books: Books, moment: Moment) -> Iterator[Finding]:
    """What was promised to a command is there before long."""
    for name, box in books.outboxes.items():
        since = box.get("oldestCommand")  # only reserve accepts commands; an earlier release does not say
        if moment.is_past(since, moment.owed):
            yield name, f"{box['commands']} commands were accepted and are not done, the oldest of {since}", None


Law = Callable[[Books, Moment], Iterable[Finding]]
LAWS: Mapping[str, tuple[Kind, Law]] = {
    "capacity = remaining + held seats": ("flight", capacity),
    "no flight is oversold": ("flight", oversold),
    "SUCCEED reservations hold their seats": ("reservation", succeed_is_held),
    "held seats belong to a live reservation": ("reservation", held_is_succeed),
    "taken - refunded = value of SUCCEED": ("reservation", succeed_is_paid),
    "what is canceled was refunded": ("reservation", canceled_is_refunded),
    "payments = the provider's ledger": ("reservation", payments),
    "nothing stays PENDING": ("reservation", ends),
    "nothing is owed for long": ("reservation", owed),
    "one reservation for one command": ("command", commands),
    "dashboard = reservations": ("customer", dashboard),
    MONEY: ("customer", money),
    "outboxes are empty": ("outbox", outboxes),
    "no accepted command is owed for long": ("outbox", promised),
}


def judge(books: Books, moment: Moment, kinds: Iterable[Kind] | None = None) -> list[Difference]:
    """What breaks the laws about those kinds of subjects; about all, without."""
    asked = {kind for kind, _ in LAWS.values()} if kinds is None else {*kinds}
    return [
        Difference(name, kind, str(subject), detail, flight)
        for name, (kind, law) in LAWS.items()
        if kind in asked
        for subject, detail, flight in law(books, moment)
    ]


def totals(books: Books) -> dict[str, int]:
    """The sums that an operator looks at."""
    statuses = Counter(reservation["status"] for reservation in books.reservations)
    money: Counter[str] = Counter()
    for entry in books.ledger:
        if entry["accepted"]:
            money[entry["kind"]] += entry["amount"]
    return {
        "flights": len(books.flights),
        "reservations": len(books.reservations),
        **{status: statuses[status] for status in ("SUCCEED", "CANCELED", "PENDING")},
        "heldSeats": sum(hold["seatQty"] for hold in books.holds),
        "remainingSeats": sum(flight["remainingSeatsCount"] for flight in books.flights),
        "taken": money["charge"],
        "refunded": money["refund"],
        "customers": len(books.customers),
        "unsent": sum(box["unsent"] for box in books.outboxes.values()),
    }


def _plainly(name: str) -> str:
    """Without the layers of encoding that a binary CloudEvent may have got on its way."""
    while (decoded := unquote(name.strip('"'))) != name:
        name = decoded
    return name


def _held_seats(holds: Iterable[Item]) -> Counter[int]:
    held: Counter[int] = Counter()
    for hold in holds:
        held[hold["flightId"]] += hold["seatQty"]
    return held


def _kept(ledger: Iterable[Item]) -> Counter[str]:
    kept: Counter[str] = Counter()
    for entry in ledger:
        if entry["accepted"]:
            kept[entry["key"]] += entry["amount"] if entry["kind"] == "charge" else -entry["amount"]
    return kept


def _by_the_ledger(entries: Mapping[str, Item]) -> tuple[str, int]:
    """The status and the amount of the payment in these entries, by kind."""
    charge, refund = entries.get("charge"), entries.get("refund")
    if refund is not None:
        return "REFUNDED", refund["amount"]
    if charge is not None:
        return "PAID" if charge["accepted"] else "FAILED", charge["amount"]
    return NO_PAYMENT


def _values(books: Books) -> dict[str, int]:
    """What each reservation costs: as its hold says, for a flight may cost something else by now."""
    costs = {flight["flightId"]: flight["cost"] for flight in books.flights}
    values = {
        reservation["reservationId"]: reservation["seatQty"] * costs[reservation["flightId"]]
        for reservation in books.reservations
        if reservation["flightId"] in costs
    }
    return values | {hold["reservationId"]: hold["amount"] for hold in books.holds if hold["amount"] is not None}


def sums(books: Books, moment: Moment) -> Sums:
    """What the books come to, as they say or as their lists have it."""
    if books.sums is not None:
        return books.sums
    made = {reservation["reservationId"]: reservation["customerId"] for reservation in books.reservations}
    moved: dict[int, Counter[str]] = defaultdict(Counter)
    for entry in books.ledger:
        if entry["accepted"] and entry["key"] in made:
            moved[made[entry["key"]]][entry["kind"]] += entry["amount"]
    return Sums(
        held=_held_seats(books.holds),
        counted=_by_customer(books.reservations),
        moved=moved,
        unsettled={one["customerId"] for one in books.reservations if one["owedSince"] or not moment.at_rest(one)},
    )


def _by_customer(reservations: Iterable[Item]) -> dict[int, Counted]:
    theirs: dict[int, list[Item]] = defaultdict(list)
    for reservation in reservations:
        theirs[reservation["customerId"]].append(reservation)
    return {customer: _counts(made) for customer, made in theirs.items()}


def _counts(made: Sequence[Item]) -> Counted:
    statuses = Counter(reservation["status"] for reservation in made)
    latest = max(reservation["reserveDate"] for reservation in made)
    return len(made), statuses["SUCCEED"], statuses["CANCELED"], latest


def _shown(customer: Item) -> Counted:
    counts = customer["flightCount"], customer["confirmedCount"], customer["canceledCount"]
    return (*counts, customer["recentReserveDate"])


def _counted(counts: Counted | None) -> str:
    if counts is None:
        return "nobody"
    placed, confirmed, canceled, latest = counts
    return f"{placed} placed, {confirmed} confirmed, {canceled} canceled, latest {latest}"
