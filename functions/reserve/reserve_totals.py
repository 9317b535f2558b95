"""How long the list of reservations is, all of them or those of one status, exactly and however many they are.

Those that are settled are counted already (reserve_tally.py), so only what is under way is looked at. Both are read by
one statement: between two of them a report could move a reservation from one to the other.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, ScalarSelect, Select, bindparam, case, func, select

from choreography import prepared
from reservations import RESERVATIONS
from reserve_tally import TALLY

# not "is not null", for which SQLite goes through the whole index
OWED = RESERVATIONS.c.owed_since > datetime(1970, 1, 1, tzinfo=UTC)
MOST_LOOKED_AT = 10_000
"""Reservations under way that one total looks at, in some milliseconds. After a long outage there are more."""

_UNDER_WAY = select(RESERVATIONS.c.status, RESERVATIONS.c.counted_as).where(OWED).limit(bindparam("most")).subquery()
_SETTLED = select(func.coalesce(func.sum(TALLY.c.reservations), 0))
_STATUS = bindparam("status", type_=RESERVATIONS.c.status.type)


def of_list(wanted: Mapping[str, Any], connection: Connection) -> int | None:
    """How long the list is that these filters make, None where that is not known without looking at more than that."""
    if wanted.keys() - {"status"}:
        return None
    values = {**wanted, "most": MOST_LOOKED_AT + 1}
    settled, looked_at, now, before = tuple(prepared.one(connection, _OF_STATUS if wanted else _OF_ALL, values))
    return None if looked_at > MOST_LOOKED_AT else int(settled) + now - before


def _query(settled: ScalarSelect[Any], now: ColumnElement[Any], counted_as: ColumnElement[Any]) -> Select[Any]:
    return select(settled, func.count(), func.count(now), func.count(counted_as)).select_from(_UNDER_WAY)


def _if_so(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return case((column == _STATUS, 1))


_OF_ALL = _query(_SETTLED.scalar_subquery(), _UNDER_WAY.c.status, _UNDER_WAY.c.counted_as)
_OF_STATUS = _query(
    _SETTLED.where(TALLY.c.status == _STATUS).scalar_subquery(),
    _if_so(_UNDER_WAY.c.status),
    _if_so(_UNDER_WAY.c.counted_as),
)
