"""Reading the books: all of them, or the pages that concern one subject."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from rich.progress import Progress

from client import gateway, lists
from client.gateway import Airline
from client.laws import MONEY, SAME_COMMAND, Books, Difference, Item

Holds = Callable[[str], list[Item]]

OUTBOXES = ("reserve", "payment")
IDENTITIES: dict[str, Callable[[Item], object]] = {
    "reservations": lambda item: item["reservationId"],
    "holds": lambda item: item["reservationId"],
    "flights": lambda item: item["flightId"],
    "payments": lambda item: item["reservationId"],
    "entries": lambda item: (item["key"], item["kind"]),
    "customerInfos": lambda item: item["customerId"],
}
"""The collections, and what an item of each is known by."""


def everything(airline: Airline, bars: Progress) -> Books:
    """All books. Holds are read whole and sorted out here: a filter would let rows slip between two pages."""
    read = {name: _all(airline, name, bars) for name in IDENTITIES}
    return Books(
        flights=read["flights"],
        holds=[hold for hold in read["holds"] if hold["status"] == "HELD"],
        reservations=read["reservations"],
        payments=read["payments"],
        ledger=read["entries"],
        customers=read["customerInfos"],
        outboxes={name: outbox(airline, name) for name in OUTBOXES},
    )


def outbox(airline: Airline, name: str) -> Any:
    """unsent, oldest"""
    return gateway.get(airline, f"/outbox/{name}")


def _all(airline: Airline, name: str, bars: Progress) -> list[Item]:
    bar = bars.add_task(name, total=None)

    def show(done: int, total: int) -> None:
        bars.update(bar, completed=min(done, total), total=total)

    return _once(name, lists.pages(airline, _path(name), name, show))


def _once(name: str, pages: Iterable[list[Item]]) -> list[Item]:
    """Each item once, as it was read last."""
    return list({IDENTITIES[name](item): item for page in pages for item in page}.values())


@dataclass(frozen=True)
class Busy:
    """The subject changed while it was read: nothing can be concluded about it now."""


def again(airline: Airline, difference: Difference, holds: Holds) -> Books | Busy:
    """The books about one subject alone, as they are now; `holds` gives those of a flight that are HELD."""
    match difference.kind:
        case "flight":
            return _flight(airline, difference.subject)
        case "customer":
            return _customer(airline, difference.subject, with_ledger=difference.law == MONEY)
        case "outbox":
            return Books(outboxes={difference.subject: outbox(airline, difference.subject)})
        case "command":
            found = [_found(airline, identity) for identity in difference.subject.split(SAME_COMMAND)]
            return Books(reservations=[reservation for reservation in found if reservation])
        case "reservation":
            return _reservation(airline, difference, holds)


def _flight(airline: Airline, number: str) -> Books | Busy:
    path = f"/flights/{number}"
    before = gateway.find(airline, path)
    holds = held(airline, number)
    if gateway.find(airline, path) != before:
        return Busy()
    return Books(flights=[before] if before else [], holds=holds)


def _customer(airline: Airline, number: str, *, with_ledger: bool) -> Books | Busy:
    before = _of_customer(airline, number)
    customer = gateway.find(airline, f"/customerInfos/{number}")
    ledger = [entry for one in before if with_ledger for entry in _entries(airline, one["reservationId"])]
    pending = any(reservation["status"] == "PENDING" for reservation in before)
    if pending or _of_customer(airline, number) != before:
        return Busy()
    return Books(reservations=before, customers=[customer] if customer else [], ledger=ledger)


def _reservation(airline: Airline, difference: Difference, holds: Holds) -> Books:
    identity = difference.subject
    reservation = _found(airline, identity)
    number = difference.flight or (reservation and reservation["flightId"])
    flight = gateway.find(airline, f"/flights/{number}") if number else None
    return Books(
        flights=[flight] if flight else [],
        holds=[hold for hold in holds(str(number)) if hold["reservationId"] == identity] if number else [],
        reservations=[reservation] if reservation else [],
        payments=_once("payments", _pages(airline, "payments", reservationId=identity)),
        ledger=_entries(airline, identity),
    )


def _entries(airline: Airline, identity: str) -> list[Item]:
    return _once("entries", _pages(airline, "entries", key=identity))


def _found(airline: Airline, identity: str) -> Any:
    return gateway.find(airline, f"/reservations/{gateway.segment(identity)}")


def held(airline: Airline, flight: str) -> list[Item]:
    """The HELD holds of a flight."""
    return _once("holds", _pages(airline, "holds", status="HELD", flightId=flight))


def _of_customer(airline: Airline, number: str) -> list[Item]:
    return _once("reservations", _pages(airline, "reservations", customerId=number))


def _pages(airline: Airline, name: str, **query: Any) -> Iterator[list[Item]]:
    return lists.pages(airline, _path(name), name, **query)


def _path(collection: str) -> str:
    return "/ledger" if collection == "entries" else f"/{collection}"
