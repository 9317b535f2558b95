"""What the books come to, kept in a file while they are read: memory stays flat, and whoever is interrupted goes on.

The file has the sums by flight and by customer, what seats cost, which reservations each command has made, what seems
wrong so far, and the place up to which all of it was read. A window of the books is entered with that place, as a whole
or not at all.
"""

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from client import laws
from client.errors import Refused
from client.laws import Books, Difference, Item, Moment, Sums

_TABLES = """
CREATE TABLE IF NOT EXISTS flights (number INTEGER PRIMARY KEY, seats INTEGER);
CREATE TABLE IF NOT EXISTS customers (
  number INTEGER PRIMARY KEY, placed INTEGER, succeed INTEGER, canceled INTEGER, latest TEXT,
  charge INTEGER DEFAULT 0, refund INTEGER DEFAULT 0, unsettled INTEGER DEFAULT 0
);
CREATE TABLE IF NOT EXISTS commands (name BLOB, reservation TEXT, PRIMARY KEY (name, reservation)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS costs (flight INTEGER PRIMARY KEY, cost INTEGER);
CREATE TABLE IF NOT EXISTS suspects (law TEXT, kind TEXT, subject TEXT, detail TEXT, flight INTEGER);
CREATE TABLE IF NOT EXISTS totals (name TEXT PRIMARY KEY, number INTEGER);
CREATE TABLE IF NOT EXISTS place (name TEXT PRIMARY KEY, value TEXT);
"""
_COUNT = """
INSERT INTO customers (number, placed, succeed, canceled, latest) VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET placed = placed + excluded.placed, succeed = succeed + excluded.succeed,
  canceled = canceled + excluded.canceled, latest = max(latest, excluded.latest)
"""
_MOVE = "UPDATE customers SET charge = charge + ?, refund = refund + ? WHERE number = ?"
_HOLD = "INSERT INTO flights VALUES (?, ?) ON CONFLICT DO UPDATE SET seats = seats + excluded.seats"
_TOTAL = "INSERT INTO totals VALUES (?, ?) ON CONFLICT DO UPDATE SET number = number + excluded.number"
_MEMORY = -32_000
"""KiB of pages."""
Accounts = sqlite3.Connection


@contextmanager
def opened(file: Path | None) -> Iterator[Accounts]:
    """The accounts in that file, as they were left; without one, in a file that goes when this ends.

    Raises Refused for a file of something else.
    """
    with closing(sqlite3.connect(file or "", isolation_level=None)) as accounts:
        try:
            # after a power failure one starts again
            accounts.execute("PRAGMA synchronous = OFF")
            accounts.execute(f"PRAGMA cache_size = {_MEMORY}")
            accounts.executescript(_TABLES)
        except sqlite3.DatabaseError as error:
            raise Refused(f"{file} cannot keep the place of a check: {error}.") from error
        yield accounts


def place(accounts: Accounts) -> dict[str, Any]:
    """Where the reading of each list goes on, by its name; empty at the beginning."""
    return {name: json.loads(value) for name, value in accounts.execute("SELECT * FROM place")}


def keep_costs(accounts: Accounts, flights: Iterable[Item]) -> None:
    """Keeps what a seat of these flights costs."""
    costs = [(flight["flightId"], flight["cost"]) for flight in flights]
    accounts.executemany("INSERT OR REPLACE INTO costs VALUES (?, ?)", costs)


def flights(accounts: Accounts, window: Books) -> list[Item]:
    """The flights of the reservations of a window: their numbers, and what a seat costs."""
    named = json.dumps([*{reservation["flightId"] for reservation in window.reservations}])
    query = "SELECT flight, cost FROM costs WHERE flight IN (SELECT value FROM json_each(?))"
    return [{"flightId": number, "cost": cost} for number, cost in accounts.execute(query, [named])]


def enter(
    accounts: Accounts, window: Books, moment: Moment, suspects: Iterable[Difference], reached: Mapping[str, Any]
) -> None:
    """Adds a window of the books, what seems wrong in it, and the place behind it."""
    found = laws.sums(window, moment)
    accounts.execute("BEGIN")
    accounts.executemany(_HOLD, found.held.items())
    accounts.executemany(_COUNT, [(customer, *counted) for customer, counted in found.counted.items()])
    moved = [(money["charge"], money["refund"], customer) for customer, money in found.moved.items()]
    accounts.executemany(_MOVE, moved)
    accounts.executemany("UPDATE customers SET unsettled = 1 WHERE number = ?", [(one,) for one in found.unsettled])
    accounts.executemany("INSERT OR IGNORE INTO commands VALUES (?, ?)", _commands(window))
    seen = [(one.law, one.kind, one.subject, one.detail, one.flight) for one in suspects]
    accounts.executemany("INSERT INTO suspects VALUES (?, ?, ?, ?, ?)", seen)
    accounts.executemany(_TOTAL, laws.totals(window).items())
    kept = [(name, json.dumps(value)) for name, value in reached.items()]
    accounts.executemany("INSERT OR REPLACE INTO place VALUES (?, ?)", kept)
    accounts.execute("COMMIT")


def _commands(window: Books) -> Iterator[tuple[bytes, str]]:
    for reservation in window.reservations:
        for command in laws.spellings(reservation):
            yield hashlib.sha256(json.dumps(command).encode()).digest()[:16], reservation["reservationId"]


def suspects(accounts: Accounts) -> list[Difference]:
    """What seemed wrong in the windows."""
    return [Difference(*row) for row in accounts.execute("SELECT * FROM suspects")]


def totals(accounts: Accounts) -> Counter[str]:
    """The sums that an operator looks at, of what was entered."""
    return Counter(dict(accounts.execute("SELECT * FROM totals")))


def held(accounts: Accounts, after: int, last: int | None) -> Sums:
    """Of the flights behind that number, up to the last one; None: all behind it."""
    return Sums(held=dict(accounts.execute("SELECT * FROM flights WHERE number > ? AND number <= ?", _to(after, last))))


def of_customers(accounts: Accounts, after: int, last: int | None) -> Sums:
    """Of the customers behind that number, up to the last one; None: all behind it."""
    query = "SELECT * FROM customers WHERE number > ? AND number <= ?"
    rows = accounts.execute(query, _to(after, last)).fetchall()
    return Sums(
        counted={row[0]: row[1:5] for row in rows},
        moved={row[0]: {"charge": row[5], "refund": row[6]} for row in rows},
        unsettled={row[0] for row in rows if row[7]},
    )


def asked_twice(accounts: Accounts) -> Iterator[Sequence[str]]:
    """The reservations of each command that seems to have several."""
    query = "SELECT group_concat(reservation, ' ') FROM commands GROUP BY name HAVING count(*) > 1"
    yield from sorted({tuple(sorted(together.split())) for (together,) in accounts.execute(query)})


def _to(after: int, last: int | None) -> tuple[int, int]:
    return after, 2**63 - 1 if last is None else last
