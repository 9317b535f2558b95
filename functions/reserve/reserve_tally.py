"""How many reservations are settled, by status, and their seats: counted when they are reported, not at each tick.

A reservation that is owed nothing is in these counts as what it is. One that is owed something is there as its
`counted_as` says: as nothing while it is new, as SUCCEED where it was canceled after that was reported. So only what is
under way, which is little, has to be looked at to know the numbers of all.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    MetaData,
    Row,
    String,
    Table,
    bindparam,
    case,
    func,
    select,
    update,
)

from choreography import clock, store
from choreography.columns import Instant

TALLY = Table(
    "settled_reservations",
    MetaData(),
    Column("status", String(8), primary_key=True),
    Column("reservations", BigInteger, nullable=False),
    Column("seats", BigInteger, nullable=False),
    Column("heard_until", Instant),  # the latest move of one that was reported
    Column("reported_at", Instant),
)

_HEARD = bindparam("heard", type_=Instant)
_ADD = (
    update(TALLY)
    .where(TALLY.c.status == bindparam("of"))
    .values(
        reservations=TALLY.c.reservations + bindparam("more"),
        seats=TALLY.c.seats + bindparam("more_seats"),
        heard_until=case((TALLY.c.heard_until > _HEARD, TALLY.c.heard_until), else_=_HEARD),
        reported_at=bindparam("now", type_=Instant),
    )
)


def settle(rows: Iterable[Row[Any]], status: str, transaction: Connection) -> None:
    """Counts reservations, whose rows are locked, as that; those that were counted as something else, no longer so.

    Remembers how far the dashboard has come.
    """
    owed = [row for row in rows if row.owed_since is not None]
    report = {"heard": max((row.owed_since for row in owed), default=None), "now": clock.now()}
    changes: dict[str, list[int]] = {}
    for row in owed:
        if row.counted_as != status:
            changes.setdefault(status, []).append(row.seat_qty)
            if row.counted_as is not None:
                changes.setdefault(row.counted_as, []).append(-row.seat_qty)
    for of in sorted(changes):  # in one order, or two reports could wait for each other
        seats = changes[of]
        more = sum(1 if each > 0 else -1 for each in seats)
        store.insert_if_absent(transaction, TALLY, status=of, reservations=0, seats=0)
        transaction.execute(_ADD, {"of": of, "more": more, "more_seats": sum(seats), **report})


def heard_until(since: datetime, connection: Connection) -> datetime | None:
    """Up to which move the dashboard has heard of reservations, nearly in their order; None: no report since."""
    heard = select(func.max(TALLY.c.heard_until)).where(TALLY.c.reported_at > since)
    found: datetime | None = connection.execute(heard).scalar()
    return found


def settled(connection: Connection) -> dict[str, tuple[int, int]]:
    """Reservations and seats, by status."""
    return {row.status: (row.reservations, row.seats) for row in connection.execute(select(TALLY))}
