"""The short way to SQLite says what the long way through SQLAlchemy says."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert, make_url, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import IntegrityError, NoResultFound, OperationalError

import flights
import projection
from choreography import connections, prepared

FLIGHT = {"id": 1, "flight_code": "KE081", "takeoff_date": date(2027, 1, 1), "cost": 9, "capacity": 5}
TAKE = flights._TAKE.returning(*flights.FLIGHTS.c)
WISH: dict[str, Any] = {"flight": 1, "seats": 2, "earliest": date(2026, 12, 31)}


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    """A flight with five seats, and no reservation."""
    engine = connections.engine_of_migrations(make_url(f"sqlite:///{tmp_path}/flights.db"))
    flights.metadata.create_all(engine)
    projection.metadata.create_all(engine)
    with engine.connect() as connection, connection.begin():
        connection.execute(insert(flights.FLIGHTS).values(remaining_seats_count=5, **FLIGHT))
        yield connection
    engine.dispose()


def test_seats_are_taken_and_the_flight_is_read_as_through_sqlalchemy(connection: Connection) -> None:
    with connection.begin_nested() as undone:
        expected = connection.execute(TAKE, WISH).one()
        undone.rollback()

    taken = prepared.row(connection, TAKE, WISH)

    assert taken == expected
    assert taken is not None
    assert taken._mapping[flights.FLIGHTS.c.takeoff_date] == taken.takeoff_date == date(2027, 1, 1)
    assert taken.remaining_seats_count == 3


def test_a_flight_without_enough_seats_is_not_found_and_keeps_them(connection: Connection) -> None:
    assert prepared.row(connection, TAKE, WISH | {"seats": 6}) is None
    assert prepared.one(connection, flights._FLIGHT, {"flight": 1}).remaining_seats_count == 5
    with pytest.raises(NoResultFound):
        prepared.one(connection, flights._FLIGHT, {"flight": 2})


def test_what_a_reservation_is_at_first_is_written_although_nobody_says_it(connection: Connection) -> None:
    new = sqlite.insert(projection.RESERVATIONS).inline()

    assert prepared.changed(connection, new, {"reservation_id": "R1", "placed": True}) == 1

    row = connection.execute(select(projection.RESERVATIONS)).one()
    assert (row.placed, row.paid, row.confirmed, row.canceled_at) == (True, False, False, None)


def test_a_second_flight_of_the_same_number_is_refused_in_the_words_of_sqlalchemy(connection: Connection) -> None:
    with pytest.raises(IntegrityError, match="UNIQUE"):
        prepared.changed(connection, insert(flights.FLIGHTS), FLIGHT | {"remaining_seats_count": 5})
    connection.exec_driver_sql("DROP TABLE holds")
    with pytest.raises(OperationalError, match="no such table"):
        prepared.row(connection, flights._HOLD, {"reservation": "R1"})


def test_a_value_that_is_missing_is_a_defect_and_named(connection: Connection) -> None:
    with pytest.raises(KeyError, match="seats"):
        prepared.row(connection, TAKE, {"flight": 1, "earliest": date.min})


def test_a_statement_whose_text_depends_on_its_values_goes_the_long_way(connection: Connection) -> None:
    some = update(flights.FLIGHTS).where(flights.FLIGHTS.c.id.in_((1, 2))).values(cost=7)

    assert prepared.changed(connection, some, {}) == 1
    assert prepared.one(connection, flights._FLIGHT, {"flight": 1}).cost == 7


def test_who_listens_to_statements_hears_all_of_them(connection: Connection) -> None:
    heard: list[str] = []
    event.listen(connection, "before_cursor_execute", lambda *call: heard.append(call[2]))

    prepared.row(connection, TAKE, WISH)

    assert [statement.split()[0] for statement in heard] == ["UPDATE"]
