"""How many reservations there are in all, by status, exactly and however many they are.

Those that are settled are counted already (reserve_tally.py), so only what is under way is looked at. Both are read by
one statement: between two of them a report could move a reservation from one to the other.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, func, literal, null, select, union_all

from reservations import RESERVATIONS
from reserve_tally import TALLY

STATUSES = ("PENDING", "SUCCEED", "CANCELED")
# not "is not null", for which SQLite goes through the whole index
OWED = RESERVATIONS.c.owed_since > datetime(1970, 1, 1, tzinfo=UTC)
MOST_LOOKED_AT = 10_000
"""Reservations under way that the total of a list looks at: some milliseconds. After a long outage there are more."""


def by_status(connection: Connection) -> dict[str, tuple[int, int]]:
    """Reservations and seats."""
    return _totals(connection, None)[0]


def of_list(wanted: Mapping[str, Any], connection: Connection) -> int | None:
    """How long the list is that these filters make, None where that is not known without looking at more than that."""
    if wanted.keys() - {"status"}:
        return None
    found, looked_at = _totals(connection, MOST_LOOKED_AT)
    if looked_at > MOST_LOOKED_AT:
        return None
    return sum(found[status][0] for status in ([wanted["status"]] if wanted else STATUSES))


def _totals(connection: Connection, most: int | None) -> tuple[dict[str, tuple[int, int]], int]:
    """The totals, and how many of them are under way; they are right if these are at most `most`."""
    found, looked_at = dict.fromkeys(STATUSES, (0, 0)), 0
    for status, counted_as, under_way, number, seats in connection.execute(_query(most)):
        looked_at += under_way
        for one, sign in ((status, 1), (counted_as, -1)):
            if one is not None:
                found[one] = found[one][0] + sign * number, found[one][1] + sign * int(seats)
    return found, looked_at


def _query(most: int | None) -> Any:
    of = RESERVATIONS.c
    owed = select(of.status, of.counted_as, of.seat_qty).where(OWED)
    some = (owed if most is None else owed.limit(most + 1)).subquery()
    # by an expression, or SQLite goes through the whole index of status, to have the groups in their order
    now = func.coalesce(some.c.status, "")
    number = func.count()
    under_way = select(now, some.c.counted_as, number, number, func.sum(some.c.seat_qty))
    settled = select(TALLY.c.status, null(), literal(0), TALLY.c.reservations, TALLY.c.seats)
    return union_all(settled, under_way.group_by(now, some.c.counted_as))
