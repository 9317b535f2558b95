"""The laws that hold at rest, read from the databases and the provider's ledger alone.

    python -m tests.reliability.laws_in_sql FOLDER        checks the data folder of a laptop run that has ended

The laws are written three times on purpose, each an oracle for the others; tests/model/model_laws.py says where. Each
law here is a query for what breaks it. `acknowledged` is what clients were promised: a harness keeps it in
acknowledged.db.
"""

import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

SCHEMAS = {
    "reserve": "reserve.db",
    "seats": "flight-seats.db",
    "payment": "payment.db",
    "provider": "provider.db",
    "dashboard": "dashboard-projector.db",
    "broker": "broker.db",
    "acknowledged": "acknowledged.db",
}
"""The name of each database in the queries, and its file in the data folder."""

ACKNOWLEDGED = """
CREATE TABLE placed (reservation_id TEXT, customer_id INTEGER, flight_id INTEGER, seat_qty INTEGER);
CREATE TABLE canceled (reservation_id TEXT);
"""

_BALANCES = (
    "SELECT key, sum(iif(kind = 'charge', amount, -amount)) AS kept FROM provider.ledger WHERE accepted GROUP BY key"
)
_RESERVED = """
SELECT customer_id, count(*), max(reserve_date), sum(status = 'SUCCEED'), sum(status = 'CANCELED')
FROM reserve.reservations GROUP BY customer_id"""
_SHOWN = """
SELECT customer_id, count(*), max(reserve_date), sum(confirmed AND canceled_at IS NULL), sum(canceled_at IS NOT NULL)
FROM dashboard.reservations WHERE placed GROUP BY customer_id"""
_COUNTED = """
SELECT customer_id, count(*), max(reserve_date), sum(confirmed AND canceled_at IS NULL), sum(canceled_at IS NOT NULL),
    coalesce(sum(paid_amount), 0), sum(paid AND paid_amount IS NULL),
    coalesce(sum(refunded_amount), 0), sum(refunded AND refunded_amount IS NULL)
FROM dashboard.reservations WHERE placed GROUP BY customer_id"""
_KEPT = """
SELECT customer_id, flight_count, recent_reserve_date, confirmed_count, canceled_count,
    paid_amount, paid_unknown, refunded_amount, refunded_unknown
FROM dashboard.customers"""

LAWS: Mapping[str, str] = {
    "every reservation is SUCCEED or CANCELED": """
        SELECT id, status FROM reserve.reservations WHERE status NOT IN ('SUCCEED', 'CANCELED')""",
    "every acknowledged reservation exists, once and as it was asked for": """
        SELECT t.reservation_id FROM acknowledged.placed t LEFT JOIN reserve.reservations r ON r.id = t.reservation_id
        WHERE (r.customer_id, r.flight_id, r.seat_qty) IS NOT (t.customer_id, t.flight_id, t.seat_qty)
        UNION ALL SELECT reservation_id FROM acknowledged.placed GROUP BY reservation_id HAVING count(*) > 1""",
    "every acknowledged cancel is CANCELED": """
        SELECT t.reservation_id, r.status FROM acknowledged.canceled t LEFT JOIN reserve.reservations r
        ON r.id = t.reservation_id WHERE r.status IS NOT 'CANCELED'""",
    "per flight, capacity = remaining + seats of HELD holds": """
        SELECT f.id, f.capacity, f.remaining_seats_count, sum(h.seat_qty)
        FROM seats.flights f LEFT JOIN seats.holds h ON h.flight_id = f.id AND h.status = 'HELD'
        GROUP BY f.id HAVING f.capacity <> f.remaining_seats_count + coalesce(sum(h.seat_qty), 0)""",
    "HELD holds = SUCCEED reservations": """
        SELECT r.id, r.status, h.status FROM reserve.reservations r LEFT JOIN seats.holds h ON h.reservation_id = r.id
        WHERE (r.status = 'SUCCEED')
            <> (coalesce(h.status, '') = 'HELD' AND (h.flight_id, h.seat_qty) = (r.flight_id, r.seat_qty))
        UNION ALL SELECT reservation_id, NULL, status FROM seats.holds
        WHERE status = 'HELD' AND reservation_id NOT IN (SELECT id FROM reserve.reservations)""",
    "the provider's taken - refunded = the value of SUCCEED reservations, one by one": f"""
        SELECT r.id, r.status, p.kept FROM reserve.reservations r
        LEFT JOIN seats.flights f ON f.id = r.flight_id LEFT JOIN ({_BALANCES}) p ON p.key = r.id
        WHERE coalesce(p.kept, 0) <> iif(r.status = 'SUCCEED', r.seat_qty * f.cost, 0)""",
    "nothing is charged or refunded twice, or for nothing": """
        SELECT key, kind FROM provider.ledger GROUP BY key, kind HAVING count(*) > 1
        UNION ALL SELECT key, kind FROM provider.ledger WHERE key NOT IN (SELECT id FROM reserve.reservations)
        UNION ALL SELECT back.key, back.kind FROM provider.ledger back LEFT JOIN provider.ledger taken
        ON taken.key = back.key AND taken.kind = 'charge' AND taken.accepted AND taken.amount = back.amount
        WHERE back.kind = 'refund' AND taken.key IS NULL""",
    "payments say what the provider's ledger says": """
        SELECT p.reservation_id, p.status FROM payment.payments p
        LEFT JOIN provider.ledger taken ON taken.key = p.reservation_id AND taken.kind = 'charge'
        LEFT JOIN provider.ledger back ON back.key = p.reservation_id AND back.kind = 'refund'
        WHERE p.status <> CASE WHEN back.key IS NOT NULL THEN 'REFUNDED' WHEN taken.accepted THEN 'PAID'
            WHEN taken.key IS NOT NULL THEN 'FAILED' ELSE 'CANCELED' END
        UNION ALL SELECT key, kind FROM provider.ledger
        WHERE key NOT IN (SELECT reservation_id FROM payment.payments)""",
    "customerInfos = reservations": f"""
        SELECT 'reserved', * FROM (SELECT * FROM ({_RESERVED}) EXCEPT SELECT * FROM ({_SHOWN}))
        UNION ALL SELECT 'shown', * FROM (SELECT * FROM ({_SHOWN}) EXCEPT SELECT * FROM ({_RESERVED}))""",
    "the counts of a customer are those of the reservations that were heard of": f"""
        SELECT 'counted', * FROM (SELECT * FROM ({_COUNTED}) EXCEPT SELECT * FROM ({_KEPT}))
        UNION ALL SELECT 'kept', * FROM (SELECT * FROM ({_KEPT}) EXCEPT SELECT * FROM ({_COUNTED}))""",
    "the dashboard owes nothing: what was held or paid and then canceled came back": """
        SELECT reservation_id FROM dashboard.reservations WHERE canceled_at IS NOT NULL
        AND (seats_held AND NOT seats_returned OR paid AND NOT refunded)""",
    "every reservation is settled: nothing is owed": """
        SELECT id, status, owed_since FROM reserve.reservations WHERE owed_since IS NOT NULL OR owed_at IS NOT NULL""",
    "outboxes are empty": """
        SELECT 'reserve', id FROM reserve.outbox UNION ALL SELECT 'payment', id FROM payment.outbox""",
    "every event in the broker was handled, dead-lettered or kept": """
        SELECT t.key, d.offset FROM broker.deliveries d JOIN broker.triggers t ON t.id = d.trigger_id""",
}


@contextmanager
def databases(data: Path) -> Iterator[sqlite3.Connection]:
    """All databases of a data folder in one connection that can only read."""
    with sqlite3.connect("file::memory:", uri=True) as connection:
        for schema, file in SCHEMAS.items():
            connection.execute(f"ATTACH ? AS {schema}", (f"file:{data / file}?mode=ro",))
        yield connection
    connection.close()


def violations(data: Path) -> dict[str, list[tuple[object, ...]]]:
    """Each broken law with the rows that break it; empty when all hold."""
    with databases(data) as connection:
        found = {law: connection.execute(query).fetchall() for law, query in LAWS.items()}
    return {law: rows for law, rows in found.items() if rows}


def verdict(data: Path, shown: int = 5) -> tuple[bool, list[str]]:
    """Whether all laws hold, and a line for each of them."""
    broken = violations(data)
    lines = []
    for law in LAWS:
        rows = broken.get(law, [])
        examples = f": {len(rows)}, such as {rows[:shown]}" if rows else ""
        lines.append(f"{'BROKEN' if rows else 'holds '}  {law}{examples}")
    return not broken, lines


if __name__ == "__main__":
    holds, lines = verdict(Path(sys.argv[1]))
    sys.stdout.write("\n".join([*lines, ""]))
    sys.exit(0 if holds else 1)
