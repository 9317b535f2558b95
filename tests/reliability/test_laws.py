"""The laws see what they are there to see: each one is broken once on databases that are right otherwise."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import make_url

from broker.embedded.event_log import Log
from choreography.migrations import upgrade
from testbed.running_system import ROOT
from tests.reliability.laws_in_sql import ACKNOWLEDGED, LAWS, SCHEMAS, violations

EXPIRY = "'2026-01-01 00:00:00', '2026-01-01 00:15:00'"
LEDGER = "CREATE TABLE ledger (key, kind, accepted, amount, at)"
AT_REST = {
    "reserve": f"""
        INSERT INTO reservations (id, customer_id, flight_id, seat_qty, reserve_date, payment_method, status, reason,
            created_at, expires_at) VALUES
        ('PAID', 1, 7, 2, '2026-05-01', 'accept', 'SUCCEED', NULL, {EXPIRY}),
        ('REFUNDED', 1, 7, 3, '2026-05-02', 'accept', 'CANCELED', 'ill', {EXPIRY}),
        ('DECLINED', 2, 7, 1, '2026-05-03', 'decline', 'CANCELED', 'declined', {EXPIRY})""",
    "seats": """
        INSERT INTO flights (id, flight_code, takeoff_date, cost, capacity, remaining_seats_count)
        VALUES (7, 'ACE1', '2027-01-01', 100, 10, 8);
        INSERT INTO holds (reservation_id, flight_id, seat_qty, status) VALUES
        ('PAID', 7, 2, 'HELD'), ('REFUNDED', 7, 3, 'RELEASED'), ('DECLINED', 7, 1, 'RELEASED')""",
    "payment": """
        INSERT INTO payments (id, reservation_id, customer_id, amount, payment_method, status, reason, moved_at)
        VALUES (1, 'PAID', 1, 200, 'accept', 'PAID', NULL, '2026-01-01'),
        (2, 'REFUNDED', 1, 300, 'accept', 'REFUNDED', 'ill', '2026-01-01'),
        (3, 'DECLINED', 2, 100, 'decline', 'FAILED', 'declined', '2026-01-01')""",
    "provider": f"""
        {LEDGER};
        INSERT INTO ledger VALUES ('PAID', 'charge', 1, 200, ''), ('REFUNDED', 'charge', 1, 300, ''),
        ('REFUNDED', 'refund', 1, 300, ''), ('DECLINED', 'charge', 0, 100, '')""",
    "dashboard": """
        INSERT INTO reservations (reservation_id, customer_id, reserve_date, placed, seats_held, seats_returned, paid,
            refunded, confirmed, pruned, canceled_at) VALUES
        ('PAID', 1, '2026-05-01', 1, 1, 0, 1, 0, 1, 0, NULL),
        ('REFUNDED', 1, '2026-05-02', 1, 1, 1, 1, 1, 1, 0, '2026-01-01'),
        ('DECLINED', 2, '2026-05-03', 1, 1, 1, 0, 0, 0, 0, '2026-01-01');
        UPDATE reservations SET paid_amount = 200 WHERE reservation_id = 'PAID';
        INSERT INTO customers (customer_id, flight_count, recent_reserve_date, confirmed_count, canceled_count,
            paid_amount, paid_unknown, refunded_amount, refunded_unknown) VALUES
        (1, 2, '2026-05-02', 1, 1, 200, 1, 0, 1), (2, 1, '2026-05-03', 0, 1, 0, 0, 0, 0)""",
    "broker": "INSERT INTO triggers VALUES (1, 'airline/one', 0)",
    "acknowledged": f"""
        {ACKNOWLEDGED};
        INSERT INTO placed VALUES ('PAID', 1, 7, 2), ('REFUNDED', 1, 7, 3);
        INSERT INTO canceled VALUES ('REFUNDED')""",
}
Change = Callable[[str, str], None]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data folder of a run in which one reservation succeeded, one was refunded and one declined."""
    for folder in ("reserve", "flight-seats", "payment", "dashboard-projector"):
        upgrade(ROOT / "functions" / folder, make_url(f"sqlite:///{tmp_path / folder}.db"))
    Log(tmp_path / "broker.db", partitions=10).close()
    for schema, statements in AT_REST.items():
        run(tmp_path, schema, statements)
    return tmp_path


def run(data: Path, schema: str, statements: str) -> None:
    with sqlite3.connect(data / SCHEMAS[schema]) as connection:
        connection.executescript(statements)
    connection.close()


def test_all_laws_hold_at_rest(data: Path) -> None:
    assert violations(data) == {}


OUTBOX_ROW = "INSERT INTO outbox (id, body, created_at) VALUES ('id', '{}', '2026-01-01')"
BREACHES = {
    "every reservation is SUCCEED or CANCELED": [
        ("reserve", "UPDATE reservations SET status = 'PENDING' WHERE id = 'DECLINED'")
    ],
    "every acknowledged reservation exists, once and as it was asked for": [
        ("acknowledged", "INSERT INTO placed VALUES ('LOST', 1, 7, 2)"),
        ("acknowledged", "INSERT INTO placed VALUES ('PAID', 1, 7, 2)"),
        ("acknowledged", "UPDATE placed SET seat_qty = 4 WHERE reservation_id = 'PAID'"),
    ],
    "every acknowledged cancel is CANCELED": [
        ("acknowledged", "INSERT INTO canceled VALUES ('PAID')"),
        ("acknowledged", "INSERT INTO canceled VALUES ('LOST')"),
    ],
    "per flight, capacity = remaining + seats of HELD holds": [
        ("seats", "UPDATE flights SET remaining_seats_count = 9 WHERE id = 7")
    ],
    "HELD holds = SUCCEED reservations": [
        ("seats", "UPDATE holds SET status = 'RELEASED' WHERE reservation_id = 'PAID'"),
        ("seats", "UPDATE holds SET status = 'HELD' WHERE reservation_id = 'REFUNDED'"),
        ("seats", "DELETE FROM holds WHERE reservation_id = 'PAID'"),
        ("seats", "INSERT INTO holds (reservation_id, flight_id, seat_qty, status) VALUES ('NOBODY', 7, 1, 'HELD')"),
    ],
    "the provider's taken - refunded = the value of SUCCEED reservations, one by one": [
        ("provider", "DELETE FROM ledger WHERE kind = 'refund'"),
        ("provider", "DELETE FROM ledger WHERE key = 'PAID'"),
        ("provider", "UPDATE ledger SET amount = 199 WHERE key = 'PAID'"),
    ],
    "nothing is charged or refunded twice, or for nothing": [
        ("provider", "INSERT INTO ledger SELECT * FROM ledger WHERE kind = 'refund'"),
        ("provider", "INSERT INTO ledger VALUES ('PAID-2', 'charge', 1, 200, '')"),
        ("provider", "INSERT INTO ledger VALUES ('DECLINED', 'refund', 1, 100, '')"),
    ],
    "payments say what the provider's ledger says": [
        ("payment", "UPDATE payments SET status = 'CHARGING' WHERE reservation_id = 'PAID'"),
        ("payment", "UPDATE payments SET status = 'PAID' WHERE reservation_id = 'REFUNDED'"),
        ("payment", "DELETE FROM payments WHERE reservation_id = 'DECLINED'"),
    ],
    "customerInfos = reservations": [
        ("dashboard", "UPDATE reservations SET placed = 0 WHERE reservation_id = 'PAID'"),
        ("dashboard", "UPDATE reservations SET confirmed = 0 WHERE reservation_id = 'PAID'"),
        ("dashboard", "UPDATE reservations SET reserve_date = '2026-06-01' WHERE reservation_id = 'PAID'"),
    ],
    "the counts of a customer are those of the reservations that were heard of": [
        ("dashboard", "UPDATE customers SET canceled_count = 2 WHERE customer_id = 1"),
        ("dashboard", "UPDATE customers SET paid_amount = 199 WHERE customer_id = 1"),
        ("dashboard", "DELETE FROM customers WHERE customer_id = 2"),
        ("dashboard", "UPDATE reservations SET refunded_amount = 300 WHERE reservation_id = 'REFUNDED'"),
    ],
    "the dashboard owes nothing: what was held or paid and then canceled came back": [
        ("dashboard", "UPDATE reservations SET seats_returned = 0"),
        ("dashboard", "UPDATE reservations SET refunded = 0"),
    ],
    "every reservation is settled: nothing is owed": [
        ("reserve", "UPDATE reservations SET owed_since = '2026-01-01', owed_at = '2026-01-02' WHERE id = 'REFUNDED'")
    ],
    "outboxes are empty": [("reserve", OUTBOX_ROW), ("payment", OUTBOX_ROW)],
    "every event in the broker was handled, dead-lettered or kept": [
        ("broker", "INSERT INTO deliveries VALUES (1, 0, 1)")
    ],
}


def test_every_law_has_a_breach_here() -> None:
    assert BREACHES.keys() == LAWS.keys()


@pytest.mark.parametrize(
    ("law", "schema", "breach"), [(law, *breach) for law, breaches in BREACHES.items() for breach in breaches]
)
def test_a_breach_is_found(data: Path, law: str, schema: str, breach: str) -> None:
    run(data, schema, breach)
    assert law in violations(data)
