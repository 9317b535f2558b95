"""Every call that is measured against the size of the books, taken from what the functions declare of themselves.

A new list, filter, order, route or Trigger is among them by itself. One whose request cannot be guessed raises
LookupError: then it needs a line in BODIES, or a reason in SPARED.
"""

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Request
from sqlalchemy import URL, Connection, FromClause, create_engine, func, select
from werkzeug.test import EnvironBuilder

from airline import ids
from airline.events import AIRLINE, OF_SAGAS
from choreography import cursors, paging, resources
from choreography.contract import Collection
from choreography.cursors import Cursor
from choreography.resources import Filter, Resource
from testbed.hosting import FOLDER_OF, HostedAirline
from testbed.listings import Listing, Route, listings, routes
from testbed.project import functions, heard_by, heard_type, triggers, wiring
from testbed.vocabulary import CLOUD_EVENT, DATA, body_of, event, href, tick

SAMPLES = ("7", "SUCCEED", "HELD", "OPEN", "2026-05-01", "2099-05-01T00:00:00Z")
"""What filters are asked for that no column can say."""
FAR_SIZE = "5"
"""Of a far page: the shortest lists of a few reservations have some ten rows behind the middle."""
PAGES = 7
"""Far pages that follow each other, each read in turn: one within equal rows takes a statement less than others."""
LIFE_CYCLE = ("/healthz", "/openapi.json")
SPARED = {
    "POST /customerInfos/rebuild": "goes through the whole table, in calls of 20 seconds",
    "POST /dead-letters/replay": "sends 500 letters",
    "POST /payments/webhook": "there is no provider of somebody else",
}
FLIGHT = {"flightCode": "ACE1", "takeoffDate": "2099-01-01", "cost": 100, "remainingSeatsCount": 9}
WISH = {"customerId": 7, "flightId": 1, "seatQty": 1}
KEYED = "Idempotency-Key"
Asked = Mapping[str, str]
Open = Mapping[str, str | None]
"""A question whose filters with None have yet to get a value that some rows have."""


@dataclass(frozen=True)
class Sent:
    """A request: what werkzeug's EnvironBuilder takes, besides the method and the path."""

    method: str
    path: str
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """Something that a function does. `request` makes the next request of it, and whatever must be there before it."""

    group: str
    name: str
    service: str
    request: Callable[["Books"], Sent]


@dataclass
class Books:
    """An airline with so many reservations, and what is looked up in its databases, past the functions.

    `cpu`: seconds that its calls have taken so far.
    """

    airline: HostedAirline
    urls: Mapping[str, URL]
    cpu: Callable[[], float]
    known: dict[object, Any] = field(default_factory=dict)

    def look(self, folder: str, work: Callable[[Connection], Any]) -> Any:
        """What `work` finds in a database."""
        engine = create_engine(self.urls[folder])
        try:
            with engine.connect() as connection:
                return work(connection)
        finally:
            engine.dispose()

    def once(self, key: object, find: Callable[[], Any]) -> Any:
        """What `find` has found the first time."""
        if key not in self.known:
            self.known[key] = find()
        return self.known[key]

    def hear(self, service: str, type_: str, identity: str) -> None:
        """Delivers an event, before the clock starts."""
        answer = self.airline.function(service).hear(said(type_, identity))
        if answer.status_code >= 300:
            raise RuntimeError(f"{service} answers {type_} with {answer.status}: {answer.text}")

    def placed(self, *heard: tuple[str, str]) -> str:
        """The id of a new reservation, of which those functions have heard those events."""
        identity = ids.random_reservation_id()
        for service, type_ in heard:
            self.hear(service, type_, identity)
        return identity


def calls() -> Iterator[Call]:
    """Everything that is measured."""
    for listing in listings():
        if listing.resource.plural != "actions" or listing.app.name == "reserve":  # the same table everywhere
            yield from _pages(listing)
    for route in routes():
        if route.path not in LIFE_CYCLE and not isinstance(route.promised.answers, Collection):
            yield from _single(route) if route.method == "GET" else _command(route)
    yield from _deliveries()
    for service in sorted(functions()):
        if (wired := wiring(functions()[service])) and wired.wrapper == "tidy":
            yield Call("ticks", f"tick of {service}", service, lambda _: _event(tick()))


def _pages(listing: Listing) -> Iterator[Call]:
    for asked in _questions(listing.resource):
        shown = "&".join(f"{name}={'…' if value is None else value}" for name, value in asked.items())
        name = f"GET {listing.path}{'?' if shown else ''}{shown}"
        yield Call(f"GET {listing.path}", name, listing.app.name, functools.partial(_first_page, listing, asked))
        far = functools.partial(_far_page, listing, asked)
        yield Call(f"GET {listing.path}, far page", f"{name}, far page", listing.app.name, far)


def _first_page(listing: Listing, asked: Open, books: Books) -> Sent:
    return Sent("GET", listing.path, {"query_string": _values(books, listing, asked)})


def _far_page(listing: Listing, asked: Open, books: Books) -> Sent:
    key = listing.app.name, listing.path, *asked.items()
    pages = books.once(key, lambda: itertools.cycle(_far(books, listing, _values(books, listing, asked))))
    return Sent("GET", next(pages))


def _questions(resource: Resource) -> Iterator[dict[str, str | None]]:
    """Each order alone and with each filter, each value of a filter that has few, all pairs of filters; None: any."""
    orders = [f"{name},{direction}" for name in resource.sortable for direction in ("asc", "desc")]
    yield {}
    for order in orders:
        yield {"sort": order}
        for name in resource.filters:
            yield {name: None, "sort": order}
    for name, one in resource.filters.items():
        for value in one.field.read.schema.get("enum", ()):
            yield {name: value}
        for other in resource.filters:
            if other > name:
                yield {name: None, other: None}


def _values(books: Books, listing: Listing, asked: Open) -> Asked:
    """The question with values that some rows have."""
    open_ones = {name: listing.resource.filters[name] for name, value in asked.items() if value is None}
    found = {name: _sample(books, listing, name, one) for name, one in open_ones.items()}
    return {name: found[name] if value is None else value for name, value in asked.items()}


def _sample(books: Books, listing: Listing, name: str, one: Filter) -> str:
    if one.means is None:
        row = books.once((listing.path, "row"), lambda: _row_within(books, listing, {}))
        return str(row[listing.resource.columns[name].key])
    for value in SAMPLES:
        with contextlib.suppress(ValueError):
            one.field.read(value)
            return value
    raise LookupError(f"{listing.path}: no value is known for {name}")


def _row_within(books: Books, listing: Listing, asked: Asked) -> Mapping[str, Any] | None:
    """A row of the list with its columns: the middle one as the table has them, whatever the order."""
    resource = listing.resource
    columns = {one.key: one for one in (*resource.columns.values(), resource.key, *resource.ties)}
    request = Request(EnvironBuilder(query_string=asked).get_environ())
    conditions = resources._conditions(resources._wanted(request, resource), resource)
    (table,) = {one for column in columns.values() for one in column._from_objects if isinstance(one, FromClause)}

    def look(connection: Connection) -> Mapping[str, Any] | None:
        number = connection.execute(select(func.count()).select_from(table).where(*conditions)).scalar_one()
        row = connection.execute(select(*columns.values()).where(*conditions).limit(1).offset(number // 2)).first()
        return None if row is None else dict(row._mapping)

    found: Mapping[str, Any] | None = books.look(_folder(listing), look)
    return found


def _folder(listing: Listing) -> str:
    return "provider" if listing.path == "/ledger" else FOLDER_OF[listing.app.name]


def _far(books: Books, listing: Listing, asked: Asked) -> list[str]:
    """`next` links of pages that begin behind a row in the middle; the first page where a list has one page."""
    function, narrowed = books.airline.function(listing.app.name), {**asked}
    order = narrowed.pop("sort", None)
    row = books.once((listing.path, *narrowed.items()), lambda: _row_within(books, listing, narrowed))
    answer = function.get(listing.path, query_string={**asked, "size": FAR_SIZE})
    if row is not None and "next" in body_of(answer)["_links"]:
        request = Request(EnvironBuilder(query_string={"sort": order} if order else {}).get_environ())
        whole = paging.asked(request, listing.resource.sortable, listing.resource.ties).order
        cursor = cursors.text(Cursor(2, tuple(row[str(one.column.key)] for one in whole)))
        answer = function.get(listing.path, query_string={**asked, "size": FAR_SIZE, "after": cursor})
    found: list[str] = []
    while len(found) < PAGES and "next" in body_of(answer)["_links"]:
        found.append(href(body_of(answer), "next"))
        answer = function.get(found[-1])
    return found or [href(body_of(answer), "self")]


def _single(route: Route) -> Iterator[Call]:
    def request(books: Books) -> Sent:
        return Sent("GET", _filled_in(route, lambda name: books.once((route.path, name), lambda: _there(books, route))))

    yield Call("GET of one", f"GET {route.path}", route.app.name, request)


def _there(books: Books, route: Route) -> str:
    """What names something in an address of that route: a number, a letter or a reservation."""
    if "int:number" in route.path:
        return "7"
    if route.app.name == "dead-letters":
        query = "SELECT id FROM dead_letters WHERE status = 'OPEN'"
        return str(books.look("dead-letters", lambda found: found.exec_driver_sql(query).scalars().first()))
    return str(books.once("a reservation", lambda: _a_reservation(books)))


def _a_reservation(books: Books) -> str:
    query = "SELECT id FROM reservations WHERE status = 'SUCCEED' ORDER BY created_at LIMIT 1 OFFSET 100"
    return str(books.look("reserve", lambda found: found.exec_driver_sql(query).scalar_one()))


def _filled_in(route: Route, name_of: Callable[[str], str]) -> str:
    before, there, rest = route.path.partition("<")
    if not there:
        return route.path
    name, _, after = rest.partition(">")
    return f"{before}{name_of(name)}{after}"


def _command(route: Route) -> Iterator[Call]:
    name = f"{route.method} {route.path}"
    if name in SPARED:
        return
    if name not in BODIES:
        raise LookupError(f"{name} is a new command: what is sent to it?")
    yield Call("commands", name, route.app.name, BODIES[name])
    if route.promised.repeatable:
        yield Call("commands", f"{name} under a key", route.app.name, _keyed(BODIES[name]))


def _keyed(request: Callable[[Books], Sent]) -> Callable[[Books], Sent]:
    def with_key(books: Books) -> Sent:
        sent = request(books)
        return Sent(sent.method, sent.path, {**sent.more, "headers": {KEYED: ids.random_reservation_id()}})

    return with_key


def _new_flight(books: Books) -> str:
    return str(body_of(books.airline.function("flight-seats").post("/flights", json=FLIGHT))["flightId"])


def _letters(books: Books) -> Iterator[str]:
    query = "SELECT id FROM dead_letters WHERE status = 'OPEN' ORDER BY id LIMIT 50"
    # one that was decided may be decided again
    yield from itertools.cycle(books.look("dead-letters", lambda found: list(found.exec_driver_sql(query).scalars())))


def _open_letter(books: Books) -> str:
    return str(next(books.once("open letters", lambda: _letters(books))))


def _reservation(books: Books) -> str:
    return f"/reservations/{books.placed(('place-reservation', 'ReservationRequested'))}"


def _from_outside(_: Books) -> Sent:
    command = event("ReservationRequested", source="/agency/7") | {"id": ids.random_reservation_id()}
    command["data"] = WISH
    return _event({name: command[name] for name in ("specversion", "id", "source", "type", "data")}, "/events")


BODIES: Mapping[str, Callable[[Books], Sent]] = {
    "POST /reservations": lambda _: Sent("POST", "/reservations", {"json": WISH}),
    "PATCH /reservations/<identity>": lambda books: Sent(
        "PATCH", _reservation(books), {"json": {"status": "CANCELED"}}
    ),
    "DELETE /reservations/<identity>": lambda books: Sent("DELETE", _reservation(books)),
    "POST /events": _from_outside,
    "POST /flights": lambda _: Sent("POST", "/flights", {"json": FLIGHT}),
    "POST /flights/import": lambda _: Sent(
        "POST", "/flights/import", {"json": {"flights": [{"key": ids.random_reservation_id(), **FLIGHT}]}}
    ),
    "PATCH /flights/<int:number>": lambda _: Sent("PATCH", "/flights/7", {"json": {"cost": 100}}),
    "DELETE /flights/<int:number>": lambda books: Sent("DELETE", f"/flights/{_new_flight(books)}"),
    "POST /dead-letters/<string(length=32):identity>/replay": lambda books: Sent(
        "POST", f"/dead-letters/{_open_letter(books)}/replay", {"json": {}}
    ),
    "POST /dead-letters/<string(length=32):identity>/discard": lambda books: Sent(
        "POST", f"/dead-letters/{_open_letter(books)}/discard", {"json": {"note": "not needed"}}
    ),
}


PLACED = (("place-reservation", "ReservationRequested"),)
HELD = (*PLACED, ("decrease-seats", "ReservationPlaced"))
PAID = (*HELD, ("charge-payment", "RemainingSeatsDecreased"))
PROJECTED = (("project-dashboard", "ReservationPlaced"),)
BEFORE = {
    **dict.fromkeys(("Paid", "SeatsSoldOut", "PaymentFailed", "CancellationRequested", "SagasSettled"), PLACED),
    "ReservationCanceled": (*PAID, ("confirm-reservation", "Paid"), ("cancel-reservation", "CancellationRequested")),
}
"""What has been heard of a reservation before that event comes; nothing of those that are not here."""


def _deliveries() -> Iterator[Call]:
    """Each event to each function that hears it: for the first time, and once more."""
    heard = {(heard_by(found), type_) for found in triggers().values() for type_ in _types(heard_type(found))}
    for service, type_ in sorted(heard):
        before = PROJECTED if service == "project-dashboard" else BEFORE.get(type_, ())
        first, again = _delivery(type_, *before), _delivery(type_, *before, (service, type_))
        yield Call("policies", f"{service} hears {type_}", service, first)
        yield Call("policies", f"{service} hears {type_} again", service, again)
    yield Call("policies", "dead-letters keeps a letter", "dead-letters", _given_up)


def _delivery(type_: str, *before: tuple[str, str]) -> Callable[[Books], Sent]:
    return lambda books: _event(said(type_, books.placed(*before)))


def _given_up(_: Books) -> Sent:
    lost = said("Paid", ids.random_reservation_id())
    return _event(lost | {"knativeerrordest": "http://charge-payment.airline.svc", "knativeerrorcode": "503"})


def _types(named: str | None) -> tuple[str, ...]:
    return (named,) if named else tuple(OF_SAGAS)


def said(type_: str, identity: str) -> dict[str, Any]:
    """An event about that reservation; its flight and its customer are there."""
    known: dict[str, Any] = {"reservationId": identity, "reservationIds": [identity], "flightId": 1}
    known |= {"customerId": 7, "seatQty": 1, "status": "SUCCEED"}
    made = event(type_, **{name: value for name, value in known.items() if name in DATA[type_]})
    return made | {"id": AIRLINE.event_id(type_, identity)}


def _event(content: dict[str, Any], path: str = "/") -> Sent:
    return Sent("POST", path, {"json": content, "headers": CLOUD_EVENT})
