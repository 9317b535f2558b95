"""What SQLite reads for a query: the cost of a tick, or of a page, must not grow with what is not its concern."""

import contextlib
import functools
import itertools
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from types import ModuleType
from typing import Any

import pytest
from flask import Request
from sqlalchemy import Engine, event
from werkzeug.test import EnvironBuilder

import dashboard_api
import dashboard_figures
import flights
import history_pruning
import letter_figures
import letters
import payment_figures
import payments
import provider
import replay
import reservations
import reserve_figures
import settled_letters
from airline.events import SagasSettled
from choreography import cursors, paging, store
from choreography.cursors import Cursor
from choreography.fields import Reader
from testbed.listings import Listing, listings
from tests.integration.test_bad_input import COLLECTIONS
from tests.unit.conftest import Service, in_memory


def test_a_tick_looks_at_no_event_that_is_young(dashboard_service: Service, noon: datetime) -> None:
    query = history_pruning._OLD.params(before=noon)
    words = str(query.compile(dashboard_service.engine, compile_kwargs={"literal_binds": True}))

    steps = dashboard_service.run(
        lambda transaction: [row[3] for row in transaction.exec_driver_sql(f"EXPLAIN QUERY PLAN {words}")]
    )

    assert any(step.startswith("SEARCH events USING INDEX ix_events_said_at") for step in steps), steps
    assert not any(step.startswith("SCAN events") for step in steps), steps


def questions(listing: Listing) -> Iterator[dict[str, Any]]:
    """Every order and every choice of filters, the first page of each and one behind it."""
    resource = listing.resource
    names = tuple(resource.filters)
    choices = itertools.chain.from_iterable(itertools.combinations(names, size) for size in range(len(names) + 1))
    orders = list(itertools.product(resource.sortable, ("asc", "desc")))
    for chosen, sort in ((chosen, sort) for chosen in choices for sort in orders):
        if any(resource.filters[name].narrow for name in chosen) and sort not in orders[-3:]:
            continue  # what is narrow is sorted when it is asked for, in every order alike
        asked = {name: sample(resource.filters[name].field.read) for name in chosen}
        asked["sort"] = ",".join(sort)
        yield asked
        yield asked | {"after": cursors.text(Cursor(2, place(listing, asked)))}


def place(listing: Listing, asked: Mapping[str, Any]) -> tuple[Any, ...]:
    """Values that a row may have, in that order."""
    request = Request(EnvironBuilder(query_string={"sort": asked["sort"]}).get_environ())
    order = paging.asked(request, listing.resource.sortable, listing.resource.ties).order
    return tuple(OF_TYPE[one.column.type.python_type] for one in order)


NOW = datetime(2026, 5, 1, tzinfo=UTC)
OF_TYPE: dict[type, Any] = {str: "A", int: 7, bool: True, date: NOW.date(), datetime: NOW}
BOUNDS = {"minSeats", "since"}
"""Filters by a bound, which no index has together with another order: a few rows are sorted, of many some come soon."""


def sample(reader: Reader[Any]) -> str:
    """A value that the reader takes."""
    for value in ("7", "SUCCEED", "HELD", "OPEN", "2026-05-01", "2026-05-01T00:00:00Z"):
        with contextlib.suppress(ValueError):
            reader(value)
            return value
    raise LookupError(reader.schema)


LISTINGS = [
    # what operators did is the same table everywhere
    *(one for one in listings() if one.resource.plural != "actions"),
    next(one for one in listings() if one.resource.plural == "actions"),
]


def test_every_list_of_the_airline_is_among_those_whose_plans_are_read() -> None:
    assert {one.path for one in LISTINGS if not one.path.startswith("/audit")} == set(COLLECTIONS)


@functools.cache
def empty() -> Engine:
    """All services but the dashboard, which has a table `reservations` of its own."""
    return in_memory(*(service.metadata for service in (reservations, flights, payments, provider, letters)))


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What is asked of the databases, which are empty; statistics would make a plan better, not worse."""
    read_empty_pages(monkeypatch)
    engine = empty().execution_options()
    asked: list[tuple[str, Any]] = []
    event.listen(engine, "before_cursor_execute", lambda *call: asked.append((call[2], call[3])))
    monkeypatch.setattr(store, "database", lambda: engine)
    monkeypatch.setattr("provider.ledger._database", lambda: engine)
    return asked


def read_empty_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an empty list only the count is asked; from now on its page is as well."""
    counted = paging._counted
    monkeypatch.setattr(paging, "_counted", lambda *asked: counted(*asked) or 1)


def plan(statement: str, values: Any) -> list[str]:
    """How SQLite goes about it."""
    with store.database().connect() as connection:
        driver: Any = connection.connection.driver_connection
        return [row[3] for row in driver.execute(f"EXPLAIN QUERY PLAN {statement}", values)]


SMALL = ("anon", "settled_reservations")
"""What a step may go through: what another one has found, and a table with a row for each status."""


def wrong(steps: list[str], asked: Mapping[str, Any], listing: Listing) -> list[str]:
    """The steps whose cost grows with the table."""
    filters = {name: one for name, one in listing.resource.filters.items() if name in asked}
    is_narrow = any(one.narrow or name in BOUNDS for name, one in filters.items())
    is_whole = not filters.keys() - BOUNDS and ("after" not in asked or bool(filters))
    return [
        step
        for step in steps
        if ("TEMP B-TREE" in step and not is_narrow)
        or (step.startswith("SCAN") and not any(small in step for small in SMALL) and not is_whole)
    ]


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda listing: listing.path)
def test_no_page_of_a_list_reads_or_sorts_the_whole_table(
    listing: Listing, statements: list[tuple[str, Any]], dashboard_service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    if listing.app is dashboard_api.app:  # it has a table `reservations` of its own
        monkeypatch.setattr(store, "database", lambda: dashboard_service.engine)
        event.listen(
            dashboard_service.engine, "before_cursor_execute", lambda *call: statements.append((call[2], call[3]))
        )
    client, found, seen = listing.app.test_client(), [], set[str]()
    for asked in questions(listing):
        statements.clear()
        assert client.get(listing.path, query_string=asked).status_code == 200, asked
        for statement, values in [one for one in statements if one[0].startswith("SELECT") and one[0] not in seen]:
            seen.add(statement)
            if bad := wrong(plan(statement, values), asked, listing):
                found.append((asked, statement, bad))

    assert seen
    assert not found, "\n".join(map(str, found))


def plans(statements: list[tuple[str, Any]], beginning: str) -> list[list[str]]:
    """How SQLite goes about each statement that begins so."""
    found = [plan(*one) for one in statements if one[0].startswith(beginning)]
    assert found
    return found


@pytest.mark.parametrize("sort", ["id", "flightId", "seatQty", "status", "amount"])
@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_the_holds_of_a_flight_lie_side_by_side_in_one_index_with_all_that_is_listed_of_them(
    statements: list[tuple[str, Any]], sort: str, direction: str
) -> None:
    (listing,) = [one for one in LISTINGS if one.path == "/holds"]
    asked = {"flightId": "7", "sort": f"{sort},{direction}"}
    client = listing.app.test_client()

    for page in (asked, asked | {"after": cursors.text(Cursor(2, place(listing, asked)))}):
        assert client.get("/holds", query_string=page).status_code == 200

    index = "ix_holds_flight_id_reservation_id_seat_qty_status_amount"
    there = f"SEARCH holds USING COVERING INDEX {index} (flight_id=?)"
    assert all(there in steps for steps in plans(statements, "SELECT")), plans(statements, "SELECT")


@pytest.mark.parametrize("more", [{}, {"status": "SUCCEED"}, {"owedBefore": NOW.isoformat()}], ids=str)
@pytest.mark.parametrize("sort", ["id", "customerId", "flightId", "seatQty", "reserveDate", "status", "createdAt"])
@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_only_the_reservations_of_a_page_are_read_whole_of_those_of_a_flight(
    statements: list[tuple[str, Any]], more: dict[str, str], sort: str, direction: str
) -> None:
    (listing,) = [one for one in LISTINGS if one.path == "/reservations"]
    asked = {"flightId": "7", **more, "sort": f"{sort},{direction}"}
    client = listing.app.test_client()

    for page in (asked, asked | {"page": "3"}, asked | {"after": cursors.text(Cursor(2, place(listing, asked)))}):
        assert client.get("/reservations", query_string=page).status_code == 200

    found = "SEARCH reservations USING COVERING INDEX ix_reservations_of_a_flight (flight_id=?)"
    whole = "SEARCH reservations USING INDEX sqlite_autoindex_reservations_1 (id=?)"
    read = [[step for step in steps if " reservations " in step] for steps in plans(statements, "SELECT")]
    assert read == [[found], [found, whole]] * 3


@pytest.mark.parametrize(
    ("path", "bound", "sort", "step"),
    [
        ("/audit/reserve", {"since": NOW.isoformat()}, "actor", "ix_actions_at (at>?)"),
        ("/audit/reserve", {"since": NOW.isoformat()}, "id,desc", "ix_actions_at (at>?)"),
        ("/flights", {"minSeats": "7"}, "cost", "ix_flights_remaining_seats_count_id (remaining_seats_count>?)"),
        ("/flights", {"minSeats": "7"}, "id,desc", "ix_flights_remaining_seats_count_id (remaining_seats_count>?)"),
    ],
)
def test_what_is_beyond_a_bound_and_is_little_is_found_by_the_bound_and_sorted(
    statements: list[tuple[str, Any]], path: str, bound: dict[str, str], sort: str, step: str
) -> None:
    (listing,) = [one for one in listings() if one.path == path]

    assert listing.app.test_client().get(path, query_string=bound | {"sort": sort}).status_code == 200

    assert all(any(step in one for one in steps) for steps in plans(statements, "SELECT")), statements


def test_what_is_beyond_a_bound_and_is_much_comes_in_the_order_of_the_list(
    statements: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "MOST_COUNTED", -1)
    (listing,) = [one for one in listings() if one.path == "/flights"]

    asked = {"minSeats": "7", "sort": "cost"}
    assert listing.app.test_client().get("/flights", query_string=asked).status_code == 200

    assert plans(statements, "SELECT flights") == [["SCAN flights USING INDEX ix_flights_cost_id"]]


def test_a_far_page_of_the_reservations_of_a_customer_is_one_statement(statements: list[tuple[str, Any]]) -> None:
    (listing,) = [one for one in LISTINGS if one.path == "/reservations"]
    asked = {"customerId": "7", "sort": "createdAt,desc"}
    far = asked | {"after": cursors.text(Cursor(2, place(listing, asked)))}

    assert listing.app.test_client().get(listing.path, query_string=far).status_code == 200

    assert len(plans(statements, "SELECT reservations")) == 1


def test_the_letters_of_a_function_that_have_one_status_are_one_place_in_an_index(
    statements: list[tuple[str, Any]],
) -> None:
    (listing,) = [one for one in LISTINGS if one.path == "/dead-letters"]

    asked = {"function": "charge-payment", "status": "OPEN"}
    assert listing.app.test_client().get("/dead-letters", query_string=asked).status_code == 200

    place_in_it = "ix_dead_letters_function_status_id (function=? AND status=?)"
    assert all(any(place_in_it in step for step in steps) for steps in plans(statements, "SELECT"))


def test_letters_are_settled_by_their_reservations_and_not_looked_for_among_all_that_are_open(
    statements: list[tuple[str, Any]],
) -> None:
    settled = SagasSettled(status="SUCCEED", reservation_ids=("7Q2M9XW4TBCK", "7Q2M9XW4TBCM"))

    store.commit(lambda transaction: settled_letters.settle_letters(settled, transaction))

    (steps,) = plans(statements, "UPDATE dead_letters")
    assert steps[0] == "SEARCH dead_letters USING INDEX ix_dead_letters_reservation_id (reservation_id=?)"


def test_letters_that_are_sent_again_are_found_by_their_ids_and_not_among_all_that_are_open(
    statements: list[tuple[str, Any]],
) -> None:
    replay._still_open(["1", "2"])

    (steps,) = plans(statements, "SELECT")
    assert steps[0].endswith("(id=?)"), steps


@pytest.mark.parametrize(
    "module", [reserve_figures, payment_figures, letter_figures], ids=lambda module: module.__name__
)
def test_the_figures_of_a_tick_read_no_whole_table(module: ModuleType, statements: list[tuple[str, Any]]) -> None:
    with store.reading() as connection:
        list(module.look(connection))

    assert read_whole(statements) <= {"settled_reservations", "outbox", "anon_1"}


def test_the_figures_of_the_dashboard_read_no_whole_table(
    dashboard_service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, Any]] = []
    monkeypatch.setattr(store, "database", lambda: dashboard_service.engine)
    event.listen(dashboard_service.engine, "before_cursor_execute", lambda *call: asked.append((call[2], call[3])))
    dashboard_service.run(lambda connection: list(dashboard_figures.look(connection)))

    assert read_whole(asked) <= {"settled_sums"}


def read_whole(asked: list[tuple[str, Any]]) -> set[str]:
    """The tables that statements go through from the first row to the last."""
    steps = [step for statement, values in asked if statement.startswith("SELECT") for step in plan(statement, values)]
    assert steps
    return {step.split()[1].strip("()") for step in steps if step.startswith("SCAN")}
