"""What PostgreSQL reads for a page of a list, and for a tick: its plans go along an index, and through no whole table.

tests/unit/test_query_plans.py asks the same of SQLite.
"""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Column, Engine, MetaData, event

import flights
import letters
import payments
import projection
import provider
import reservations
import retention
from choreography import idempotency, store
from testbed.listings import Listing
from testbed.policies import housekeeping
from tests.databases.conftest import EMPTY, Make
from tests.unit.test_query_plans import BOUNDS, LISTINGS, SMALL, questions, read_empty_pages

pytestmark = pytest.mark.parametrize("server", ["postgresql"], indirect=True)

ROWS = 3000
"""Of each table: more than a few pages, so that PostgreSQL has a reason to look for an index."""
TABLES: dict[str, MetaData] = {
    "reserve": reservations.metadata,
    "flight-seats": flights.metadata,
    "payment": payments.metadata,
    "dashboard": projection.metadata,
    "dead-letters": letters.metadata,
}
CHEAP = 20.0
"""What it costs PostgreSQL to find a few rows in an index. To go through all rows of a table costs more than 100."""
NOT_WANTED = ("seqscan", "sort", "incremental_sort")
"""What PostgreSQL then does only where there is no other way."""
FEW = {"outbox", "settled_reservations", "settled_sums"}
"""Tables that stay small, and are read whole for the figures of a tick."""
Node = Mapping[str, Any]
Asked = list[tuple[str, Any]]
DAY = datetime(2026, 1, 1, tzinfo=UTC)


def value(column: "Column[Any]", number: int) -> Any:
    """What that row has there: something that few others have, on either side of what the lists are asked for."""
    wanted, longest = column.type.python_type, getattr(column.type, "length", None) or 40
    if wanted is bool:
        return number % 300 == 0
    if wanted is int:
        return number
    if column.name == "status" and not column.primary_key:
        return "PENDING"  # which no list here is asked for
    if wanted is str:
        return "0Z"[number % 2] + f"{number:011}"[1 - min(longest, 12) :]
    moment = DAY + timedelta(hours=2 * number)
    return moment if wanted is datetime else moment.date()


@pytest.fixture
def filled(databases: Make) -> Iterator[Callable[[MetaData], Engine]]:
    """Databases in which each table has ROWS rows, and PostgreSQL knows it."""
    used: dict[MetaData, Engine] = {}

    def fill(metadata: MetaData) -> Engine:
        engine = used[metadata] = databases(metadata)
        empty(engine, metadata)
        with engine.begin() as connection:
            for table in metadata.sorted_tables:
                rows = [{one.name: value(one, number) for one in table.c} for number in range(1, ROWS + 1)]
                connection.execute(table.insert(), rows)
                connection.exec_driver_sql(f"ANALYZE {table.name}")
        return engine

    yield fill
    for metadata, engine in used.items():
        empty(engine, metadata)


def empty(engine: Engine, metadata: MetaData) -> None:
    with engine.begin() as connection:
        for table in metadata.sorted_tables:
            connection.exec_driver_sql(EMPTY[engine.dialect.name].format(table.name))


def heard(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """What the functions ask of that database from now on."""
    asked: Asked = []
    read_empty_pages(monkeypatch)
    event.listen(engine, "before_cursor_execute", lambda *call: asked.append((call[2], call[3])))
    monkeypatch.setattr(store, "database", lambda: engine)
    return asked


def nodes(engine: Engine, statement: str, values: Any) -> list[Node]:
    """The plan of a statement where there is a better way than what is not wanted, from the top."""
    return plan(engine, statement, values, without=NOT_WANTED)


def plan(engine: Engine, statement: str, values: Any, without: Sequence[str] = ()) -> list[Node]:
    """The plan of a statement, from the top."""
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        for name in without:
            driver.execute(f"SET LOCAL enable_{name} = off")
        found = driver.execute(f"EXPLAIN (FORMAT JSON) {statement}", values).fetchone()[0]
    return list(below(found[0]["Plan"]))


def below(node: Node) -> Iterator[Node]:
    yield node
    yield from itertools.chain.from_iterable(map(below, node.get("Plans", ())))


def wrong(plan: list[Node], asked: Mapping[str, Any], listing: Listing) -> list[Node]:
    """The steps whose cost grows with the table."""
    filters = {name: one for name, one in listing.resource.filters.items() if name in asked}
    few_are_sorted = any(one.narrow or name in BOUNDS for name, one in filters.items())
    never = {"Seq Scan"} if few_are_sorted else {"Seq Scan", "Sort", "Incremental Sort"}
    read = [node for node in plan if node.get("Relation Name") not in SMALL]
    return [node for node in read if node["Node Type"] in never or (not few_are_sorted and sorts_out(node))]


def sorts_out(node: Node) -> bool:
    """Whether a step reads much more than it finds, by PostgreSQL's own estimate."""
    return "Filter" in node and node["Total Cost"] > CHEAP and node["Plan Rows"] < ROWS / 2


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda listing: listing.path)
def test_no_page_of_a_list_reads_or_sorts_the_whole_table(
    listing: Listing, filled: Callable[[MetaData], Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = filled(provider.metadata if listing.path == "/ledger" else TABLES[listing.app.name])
    asked = heard(engine, monkeypatch)
    monkeypatch.setattr("provider.ledger._database", lambda: engine)
    client, found, seen = listing.app.test_client(), [], set[str]()
    for question in questions(listing):
        asked.clear()
        assert client.get(listing.path, query_string=question).status_code == 200, question
        for statement, values in [one for one in asked if one[0].startswith("SELECT") and one[0] not in seen]:
            seen.add(statement)
            if bad := wrong(nodes(engine, statement, values), question, listing):
                found.append((question, statement, bad))

    assert seen
    assert not found, "\n".join(map(str, found))


def test_the_holds_of_a_flight_are_found_by_the_flight_and_not_met_along_the_order_of_the_list(
    filled: Callable[[MetaData], Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = filled(flights.metadata)
    with engine.begin() as connection:  # PostgreSQL would hope to meet 21 of a tenth among the first 210
        connection.exec_driver_sql("UPDATE holds SET flight_id = 7 WHERE seat_qty > 2700")
        connection.exec_driver_sql("ANALYZE holds")
    asked = heard(engine, monkeypatch)
    client = next(one.app for one in LISTINGS if one.path == "/holds").test_client()

    assert client.get("/holds", query_string={"flightId": 7, "sort": "amount"}).status_code == 200

    found = [node for one in asked if "FROM holds" in one[0] for node in plan(engine, *one) if "Relation Name" in node]
    assert found
    assert all("flight_id" in node.get("Index Cond", node.get("Recheck Cond", "")) for node in found), found


TICKS = {"reserve": "reserve", "payment": "payment", "dashboard-projector": "dashboard"}
"""The folders that have a housekeeping, and whose tables it keeps."""


@pytest.mark.parametrize("folder", TICKS)
def test_a_tick_reads_no_whole_table(folder: str, databases: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = databases(TABLES[TICKS[folder]])
    asked = heard(engine, monkeypatch)

    housekeeping(folder).keep_house()

    assert read_whole(engine, asked) <= FEW


@pytest.mark.parametrize(
    ("service", "removing"),
    [
        ("dead-letters", lambda: store.commit(retention._prune_some)),
        ("flight-seats", lambda: idempotency.prune(time.monotonic())),
    ],
    ids=["dead letters", "keys"],
)
def test_what_is_removed_is_found_by_its_age(
    service: str, removing: Callable[[], object], databases: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = databases(TABLES[service])
    asked = heard(engine, monkeypatch)

    removing()

    assert read_whole(engine, asked) == set()


def read_whole(engine: Engine, asked: Asked) -> set[str]:
    """The tables that statements go through from the first row to the last."""
    reading = [one for one in asked if one[0].startswith(("SELECT", "WITH", "UPDATE", "DELETE"))]
    assert reading
    return {node["Relation Name"] for one in reading for node in nodes(engine, *one) if is_whole(node)}


def is_whole(node: Node) -> bool:
    conditions = node.keys() & {"Index Cond", "Recheck Cond"}
    return "Relation Name" in node and not conditions and (node["Node Type"] == "Seq Scan" or "Filter" in node)
