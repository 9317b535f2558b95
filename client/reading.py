"""Reading the books: all of them, or the pages that concern one subject."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

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
OF_RESERVATIONS = {"reservations": "id", "holds": "id", "payments": "reservationId", "entries": "id"}
"""The collections that are about reservations, and what sorts them by the id of theirs."""
SAID_AT_THE_END = {"SUCCEED": "ReservationConfirmed", "CANCELED": "ReservationCanceled"}
"""The event that says that a reservation has ended, by its status."""
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Of ids, in its order."""


END = "~"
"""Behind every id."""


@dataclass
class _List:
    """A collection in the order of reservations: the rows at hand, and how the next page is asked for.

    `query` is that of the page of the first of these rows, `latest` that of the last one.
    """

    name: str
    rows: list[Item]
    query: lists.Query
    latest: lists.Query
    following: lists.Query | None
    coming: "Future[_Page] | None" = None

    @property
    def last(self) -> str:
        """The reservation of the last row."""
        return _of_which(self.name, self.rows[-1])


_Page = tuple[list[Item], lists.Query | None, Mapping[str, Any]]
_Ask = Callable[[str, lists.Query], "Future[_Page]"]


def windows(airline: Airline, place: Mapping[str, Any]) -> Iterator[tuple[Books, dict[str, Any]]]:
    """The books about reservations, some at a time, in the order of their ids: each with the place behind it.

    `place` is where an earlier reading ended. Holds are read whole and sorted out here: a filter would let rows slip
    between two pages. The next page of each list is read while the caller is at work, all of them at the same time:
    they are of different functions.
    """
    of_list = {name: gateway.beside(airline) for name in OF_RESERVATIONS}
    with ThreadPoolExecutor(len(of_list)) as ahead:

        def ask(name: str, query: lists.Query) -> "Future[_Page]":
            return ahead.submit(lists.page, of_list[name], _path(name), name, query)

        behind = str(place.get("behind", ""))
        there = [_begun(name, place.get(name, {"sort": sort}), behind, ask) for name, sort in OF_RESERVATIONS.items()]
        while any(one.rows for one in there):
            # a reservation may go on in the next page of a list
            limit = min((one.last for one in there if one.following), default=END)
            taken = {one.name: _take(one, limit) for one in there}
            for one in there:
                if one.following and one.last == limit:
                    _extend(one, ask)
            if any(taken.values()):
                yield _books(taken), {"behind": limit, **{one.name: one.query for one in there}}


def share(identity: str) -> float:
    """How much of all ids comes before this one: they are random, so that much of all reservations does."""
    places = [ALPHABET.find(letter) for letter in identity[:4]]
    return sum((max(0, place) / 32.0 ** (depth + 1) for depth, place in enumerate(places)), 0.0)


def _begun(name: str, query: lists.Query, behind: str, ask: _Ask) -> _List:
    rows, following, _ = ask(name, query).result()
    begun = _List(name, rows, query, query, following, ask(name, following) if following else None)
    _take(begun, behind)
    while not begun.rows and begun.following:
        _extend(begun, ask)
        _take(begun, behind)
    return begun


def _extend(one: _List, ask: _Ask) -> None:
    """Adds the next page; the rows at hand, if any, are of the one before it."""
    if one.coming is None or one.following is None:
        return
    rows, following, _ = one.coming.result()
    one.query = one.latest if one.rows else one.following
    one.rows, one.latest, one.following = one.rows + rows, one.following, following
    one.coming = ask(one.name, following) if following else None


def _take(one: _List, limit: str) -> list[Item]:
    """The rows of reservations before that one, which are at hand no longer."""
    taken = [row for row in one.rows if _of_which(one.name, row) < limit]
    one.rows = [row for row in one.rows if _of_which(one.name, row) >= limit]
    return taken


def _of_which(name: str, row: Item) -> str:
    return str(row["key"] if name == "entries" else row["reservationId"])


def _books(taken: Mapping[str, list[Item]]) -> Books:
    return Books(
        holds=[hold for hold in taken["holds"] if hold["status"] == "HELD"],
        reservations=taken["reservations"],
        payments=taken["payments"],
        ledger=taken["entries"],
    )


def ranges(airline: Airline, name: str, sort: str) -> Iterator[tuple[list[Item], int, int | None]]:
    """A collection, page by page in the order of its numbers: each from behind a number up to one; None: to the end."""
    after, read = 0, pages(airline, name, sort=sort)
    page = next(read)
    for following in read:
        last = int(str(IDENTITIES[name](page[-1])))
        yield page, after, last
        page, after = following, last
    yield page, after, None


def pages(airline: Airline, name: str, **query: Any) -> Iterator[list[Item]]:
    """A collection, page by page."""
    return lists.pages(airline, _path(name), name, **query)


def of_command(airline: Airline, reservations: Iterable[str]) -> Books:
    """The reservations that one command seems to have made, as they are now."""
    found = [_found(airline, identity) for identity in reservations]
    return Books(reservations=[reservation for reservation in found if reservation])


def outbox(airline: Airline, name: str) -> Any:
    """unsent, oldest"""
    return gateway.get(airline, f"/outbox/{name}")


def _once(name: str, read: Iterable[list[Item]]) -> list[Item]:
    """Each item once, as it was read last."""
    return list({IDENTITIES[name](item): item for page in read for item in page}.values())


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
            return of_command(airline, difference.subject.split(SAME_COMMAND))
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
    # asked before the counts: what has been heard by now is counted there
    if not all(_is_heard(airline, reservation) for reservation in before):
        return Busy()
    customer = gateway.find(airline, f"/customerInfos/{number}")
    ledger = [entry for one in before if with_ledger for entry in _entries(airline, one["reservationId"])]
    if _of_customer(airline, number) != before:
        return Busy()
    return Books(reservations=before, customers=[customer] if customer else [], ledger=ledger)


def _is_heard(airline: Airline, reservation: Item) -> bool:
    """Whether the dashboard knows how it ended: it may be far behind with what is not reported as settled yet."""
    if reservation["status"] == "PENDING":
        return False
    if not reservation.get("owedSince"):
        return True
    history = gateway.find(airline, f"/reservations/{gateway.segment(reservation['reservationId'])}/events")
    end = SAID_AT_THE_END[reservation["status"]]
    return bool(history) and any(event["type"] == end for event in history["_embedded"]["events"])


def _reservation(airline: Airline, difference: Difference, holds: Holds) -> Books:
    identity = difference.subject
    reservation = _found(airline, identity)
    number = difference.flight or (reservation and reservation["flightId"])
    flight = gateway.find(airline, f"/flights/{number}") if number else None
    return Books(
        flights=[flight] if flight else [],
        holds=[hold for hold in holds(str(number)) if hold["reservationId"] == identity] if number else [],
        reservations=[reservation] if reservation else [],
        payments=_once("payments", pages(airline, "payments", reservationId=identity)),
        ledger=_entries(airline, identity),
    )


def _entries(airline: Airline, identity: str) -> list[Item]:
    return _once("entries", pages(airline, "entries", key=identity))


def _found(airline: Airline, identity: str) -> Any:
    return gateway.find(airline, f"/reservations/{gateway.segment(identity)}")


def held(airline: Airline, flight: str) -> list[Item]:
    """The HELD holds of a flight."""
    return _once("holds", pages(airline, "holds", status="HELD", flightId=flight))


def _of_customer(airline: Airline, number: str) -> list[Item]:
    return _once("reservations", pages(airline, "reservations", customerId=number))


def _path(collection: str) -> str:
    return "/ledger" if collection == "entries" else f"/{collection}"
