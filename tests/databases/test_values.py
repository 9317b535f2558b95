"""What a database keeps comes back as it was, and what it cannot keep is refused and not cut."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import IntegrityError

import flights
import letters
import payments
import provider
import reservations
import sink
from choreography import idempotency, outbox, store, wire
from choreography.errors import Invalid
from testbed.database_servers import Server
from testbed.sample_events import NOON
from tests.unit.conftest import Database

ON_A_SERVER = pytest.mark.parametrize("server", ["postgresql", "mariadb"], indirect=True, scope="session")
HOLD = {"reservation_id": "R1", "flight_id": 1, "seat_qty": 1, "status": "HELD"}
PAYMENT = {"reservation_id": "R1", "customer_id": 7, "amount": 600, "status": "CHARGING", "moved_at": NOON}
FLIGHT = {"id": 1, "flight_code": "X", "takeoff_date": date(2027, 1, 1), "cost": 1, "capacity": 5}


def added(engine: Engine, table: Any, **row: Any) -> bool:
    return store.commit(lambda transaction: store.insert_if_absent(transaction, table, **row), engine)


def kept(engine: Engine, *columns: Any) -> list[Any]:
    with store.reading(engine) as connection:
        return [tuple(row) for row in connection.execute(select(*columns))]


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 5, 1, 12, 0, 0, 123000, UTC),
        datetime(2026, 5, 1, 12, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999000, UTC),
    ],
    ids=str,
)
def test_an_instant_is_kept_to_the_millisecond(database: Database, moment: datetime) -> None:
    engine = database(payments.metadata)
    added(engine, payments.PAYMENTS, **PAYMENT | {"moved_at": moment})
    assert kept(engine, payments.PAYMENTS.c.moved_at) == [(moment,)]


@pytest.mark.parametrize("day", [date.min, date(2025, 12, 25), date.max], ids=str)
def test_a_date_is_kept(database: Database, day: date) -> None:
    engine = database(flights.metadata)
    added(engine, flights.FLIGHTS, **FLIGHT | {"takeoff_date": day, "remaining_seats_count": 5})
    assert kept(engine, flights.FLIGHTS.c.takeoff_date) == [(day,)]


@pytest.mark.parametrize(
    "text", ["", " blank at the end ", "한국어 🛫", 'it\'s 100% \\ "quoted" :name %s %(x)s', "a\nb"]
)
def test_a_text_is_kept_as_it_is(database: Database, text: str) -> None:
    engine = database(payments.metadata)
    added(engine, payments.PAYMENTS, **PAYMENT, reason=text)
    assert kept(engine, payments.PAYMENTS.c.reason) == [(text,)]


def test_the_largest_amount_is_kept(database: Database) -> None:
    engine = database(payments.metadata)
    added(engine, payments.PAYMENTS, **PAYMENT | {"amount": 2**53 - 1})
    assert kept(engine, payments.PAYMENTS.c.amount) == [(2**53 - 1,)]


@pytest.mark.parametrize("other", ["ABC", "abc ", "äbc", "abc\u200b"])
def test_keys_that_are_not_the_same_are_different(database: Database, other: str) -> None:
    seats, reserve_service, payment_service = (
        database(each) for each in (flights.metadata, reservations.metadata, payments.metadata)
    )
    claim = {"fingerprint": "f", "claim": "c", "claimed_at": NOON}
    for key in ("abc", other):
        assert added(seats, flights.HOLDS, **HOLD | {"reservation_id": key})
        assert added(seats, idempotency.KEYS, key=key, **claim)
        assert added(reserve_service, outbox.OUTBOX, id=key, body="{}", created_at=NOON)
        assert added(payment_service, payments.PAYMENTS, **PAYMENT | {"reservation_id": key})
    query = select(flights.HOLDS.c.reservation_id).where(flights.HOLDS.c.reservation_id == other)
    with store.reading(seats) as connection:
        assert connection.execute(query).scalars().all() == [other]


@pytest.mark.parametrize("other", ["ABC", "äbc"])
def test_the_provider_distinguishes_keys_as_well(database: Database, other: str) -> None:
    provider_service = database(provider.metadata)
    row = {"kind": "charge", "accepted": True, "amount": 1, "at": NOON}
    assert added(provider_service, provider.LEDGER, key="abc", **row)
    assert added(provider_service, provider.LEDGER, key=other, **row)


def test_the_longest_key_is_kept_whole(database: Database) -> None:
    engine = database(flights.metadata)
    keys = ["k" * (idempotency.LONGEST_KEY - 1) + last for last in "ab"]
    for key in keys:
        assert added(engine, idempotency.KEYS, key=key, fingerprint="f", claim="c", claimed_at=NOON)
    assert sorted(kept(engine, idempotency.KEYS.c.key)) == [(key,) for key in keys]


@ON_A_SERVER
@pytest.mark.parametrize(
    "wrong",
    [{"reservation_id": "R" * 13}, {"status": "much too long"}, {"seat_qty": 2**31}, {"reservation_id": None}],
    ids=["key too long", "text too long", "number too large", "no key"],
)
def test_what_does_not_fit_is_refused_and_not_cut(server: Server, database: Database, wrong: dict[str, Any]) -> None:
    engine = database(flights.metadata)
    with pytest.raises((Invalid, IntegrityError)):
        added(engine, flights.HOLDS, **HOLD | wrong)
    assert kept(engine, flights.HOLDS) == []


def test_a_row_that_breaks_a_rule_is_not_taken_for_one_that_is_there(database: Database) -> None:
    engine = database(flights.metadata)
    with pytest.raises(IntegrityError, match="a_party_has_somebody"):
        added(engine, flights.HOLDS, **HOLD | {"seat_qty": 0})
    assert kept(engine, flights.HOLDS) == []


def test_a_row_is_inserted_once_and_stays_as_it_was(database: Database) -> None:
    seats, payment_service = database(flights.metadata), database(payments.metadata)
    assert [added(seats, flights.HOLDS, **HOLD | {"seat_qty": seats_}) for seats_ in (1, 2, 1)] == [True, False, False]
    assert kept(seats, flights.HOLDS.c.seat_qty) == [(1,)]
    assert [added(payment_service, payments.PAYMENTS, **PAYMENT | {"amount": n}) for n in (1, 2, 1)] == [
        True,
        False,
        False,
    ]
    assert kept(payment_service, payments.PAYMENTS.c.id, payments.PAYMENTS.c.amount) == [(1, 1)]


def test_an_update_returns_the_row_that_it_changed_or_that_there_was_none(database: Database) -> None:
    engine = database(flights.metadata)
    added(engine, flights.FLIGHTS, **FLIGHT, remaining_seats_count=5)
    wanted = {"flight": 1, "seats": 2, "earliest": date.min}

    def take(transaction: Connection) -> Any:
        return store.updated(transaction, flights._TAKE, wanted, flights._FLIGHT)

    assert [row and row.remaining_seats_count for row in (store.commit(take, engine) for _ in range(3))] == [3, 1, None]


def test_an_update_that_changes_nothing_found_its_row_all_the_same(database: Database) -> None:
    engine = database(flights.metadata)
    added(engine, flights.FLIGHTS, **FLIGHT, remaining_seats_count=5)
    wanted = {"flight": 1, "seats": 0, "earliest": date.min}
    row = store.commit(lambda tx: store.updated(tx, flights._TAKE, wanted, flights._FLIGHT), engine)
    assert row is not None
    assert row.remaining_seats_count == 5


def test_a_dead_letter_of_a_mebibyte_is_kept(database: Database) -> None:
    engine = database(letters.metadata)
    headers = {
        "id": "1",
        "source": "/airline/x",
        "type": "T",
        "specversion": "1.0",
        "knativeerrordata": "why?" * 50_000,
    }
    letter = wire.read({f"ce-{name}": value for name, value in headers.items()}, b"\xff" * 2**20)
    store.commit(lambda tx: sink.keep(letter, tx), engine)
    [(data, reason)] = kept(engine, letters.LETTERS.c.data, letters.LETTERS.c.reason)
    assert len(data) > 2**20
    assert len(reason) == 200_000
