"""Every collection is read on every database, in every order that it offers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, select

import flights
import letters
import payments
import projection
import provider
import reservations
from choreography import cursors, paging
from choreography.cursors import Order
from choreography.paging import Found, Page
from testbed.hosting import Function, HostedAirline, isolated
from tests.databases.conftest import Make
from tests.integration.test_bad_input import COLLECTIONS

TABLES = {
    "reserve": reservations.metadata,
    "flight-seats": flights.metadata,
    "payment": payments.metadata,
    "dashboard": projection.metadata,
    "dead-letters": letters.metadata,
}


@pytest.fixture(params=COLLECTIONS)
def path(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def function(path: str, databases: Make, tmp_path: Path) -> Iterator[Function]:
    """The function that has the collection, on a migrated database of this server."""
    urls = {"DATABASE_URL": databases(TABLES[COLLECTIONS[path]]).url}
    urls["PROVIDER_DATABASE_URL"] = databases(provider.metadata).url
    settings = {name: url.render_as_string(hide_password=False) for name, url in urls.items()}
    with isolated():
        for name in TABLES | {"provider": None, "dashboard-projector": None}:
            (tmp_path / f"{name}.db").touch()  # or migrated ones would be looked for
        yield HostedAirline(tmp_path, tmp_path, "", settings).function(COLLECTIONS[path])


KEYS = {"short": (), "short, first its keys": (flights.HOLDS.c.reservation_id,)}


def test_a_collection_comes_in_every_order_that_it_offers(function: Function, path: str) -> None:
    refused = function.get(f"{path}?sort=nothing")
    orders = refused.get_json()["detail"].removeprefix("sort must be one of ").split(", optionally")[0].split(", ")

    assert "id" in orders or "customerId" in orders
    for order in orders:
        assert function.get(f"{path}?sort={order},desc").status_code == 200, order


@pytest.mark.parametrize("of_list", ["long", "short", "short, first its keys"])
def test_the_rows_behind_any_row_are_found_in_every_order(databases: Make, of_list: str) -> None:
    engine = filled(databases, HELD)
    columns = flights.HOLDS.c
    for one in (columns.flight_id, columns.amount, columns.status):
        for descending in (False, True):
            page = Page(0, 1, (Order(one, descending), Order(columns.reservation_id, descending)))
            page = page if of_list == "long" else page.sorted_here(KEYS[of_list])
            with engine.connect() as connection:
                assert following(connection, page) == whole(connection, page), (one, descending)


@pytest.mark.parametrize(("descending", "of_the_page"), [(False, ["0", "1"]), (True, ["4", "3"])])
@pytest.mark.parametrize("flight", [lambda number: number, lambda _number: 1], ids=["different flights", "one flight"])
def test_a_page_is_one_statement_in_either_direction_wherever_it_ends(
    databases: Make, flight: Callable[[int], int], descending: bool, of_the_page: list[str]
) -> None:
    engine = filled(databases, [HELD[0] | {"flight_id": flight(number)} for number in range(5)])
    columns = flights.HOLDS.c
    page = Page(0, 2, (Order(columns.flight_id, descending), Order(columns.reservation_id, descending)))

    found, asked = read(engine, page)

    assert [row.reservation_id for row in found.rows] == of_the_page
    assert len([one for one in asked if "count" not in one]) == 1


def test_of_an_empty_list_only_the_count_is_asked(databases: Make) -> None:
    found, asked = read(filled(databases, []), Page(0, 2, (Order(flights.HOLDS.c.reservation_id),)))

    assert (found.rows, found.total, len(asked)) == ([], 0, 1)


def read(engine: Engine, page: Page) -> tuple[Found, list[str]]:
    """A page of holds, and the statements that it took."""
    asked: list[str] = []
    with engine.connect() as connection:
        event.listen(connection, "before_cursor_execute", lambda *call: asked.append(call[2]))
        return paging.rows(connection, select(flights.HOLDS), page), asked


def filled(databases: Make, holds: Sequence[Mapping[str, Any]]) -> Engine:
    """A database with these holds and no others."""
    engine = databases(flights.metadata)
    with engine.begin() as connection:
        connection.execute(flights.HOLDS.delete())
        for number, hold in enumerate(holds):
            connection.execute(flights.HOLDS.insert(), {"reservation_id": f"{number}", **hold})
    return engine


HELD: list[dict[str, Any]] = [
    {"flight_id": flight, "seat_qty": 1, "status": status, "amount": amount}
    for flight, status, amount in [(1, "HELD", 200), (2, "REFUSED", None), (1, "REFUSED", None), (2, "HELD", 100)]
]


def whole(connection: Connection, page: Page) -> list[str]:
    found = paging.rows(connection, select(flights.HOLDS), replace(page, size=len(HELD)))
    return [row.reservation_id for row in found.rows]


def following(connection: Connection, page: Page) -> list[str]:
    found = paging.rows(connection, select(flights.HOLDS), page)
    seen = [row.reservation_id for row in found.rows]
    while found.next:
        after = cursors.read(found.next, page.order)
        found = paging.rows(connection, select(flights.HOLDS), replace(page, after=after))
        seen += [row.reservation_id for row in found.rows]
    return seen
