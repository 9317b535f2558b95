"""The projection rebuilt from the history of events, and compared with the live one.

The fresh projection is one aggregating SELECT over the events, not a replay: facts are dates and flags that are only
ever set, so the greatest of each is the fact. Only rows that differ are written, one by one: each is locked, and made
from the events that there are at that moment. An event that arrives meanwhile is either among them, or its own
transaction waits for the lock and then adds its fact to the repaired row. So nothing has to stand still and there are
no tables to swap.

A row without events, or with some pruned (history_pruning.py), is left alone: its history cannot tell what it should
be.

An event takes about 440 bytes in SQLite and PostgreSQL and 820 in MariaDB, indexes included (measured over 92,000 in
random order); a reservation that succeeds has four events, one that is canceled after that seven.
"""

import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, case, exists, func, literal, or_, select, update

from choreography import store
from choreography.logs import log
from projection import CANCELED, EVENTS, FACTS, RESERVATIONS

SECONDS = 20.0
"""How long one call goes on repairing: who called still waits for the answer. The next call goes on."""
MOST_EXAMPLES = 20


@dataclass(frozen=True, slots=True)
class Comparison:
    """How many events and reservations the history has, and the reservations whose live row is another or missing."""

    events: int
    reservations: int
    without_history: int
    differing: Sequence[str]


def compare(connection: Connection) -> Comparison:
    """Compares the live projection with a fresh one."""
    fresh = _fresh().subquery()
    live = RESERVATIONS.c
    other = [live[name].is_distinct_from(fresh.c[name]) for name in _facts()]
    both = fresh.outerjoin(RESERVATIONS, live.reservation_id == fresh.c.reservation_id)
    missing = live.reservation_id.is_(None)
    differing = select(fresh.c.reservation_id).select_from(both).where(or_(missing, ~live.pruned & or_(*other)))
    told = exists().where(EVENTS.c.reservation_id == live.reservation_id)
    untold = select(func.count()).select_from(RESERVATIONS).where(or_(live.pruned, ~told))
    counts = select(func.count(), func.count(EVENTS.c.reservation_id.distinct())).select_from(EVENTS)
    events, reservations = connection.execute(counts).one()
    return Comparison(
        events,
        reservations,
        connection.execute(untold).scalar_one(),
        connection.execute(differing.order_by(fresh.c.reservation_id)).scalars().all(),
    )


def repair(identity: str, transaction: Connection) -> bool:
    """Makes one row from its events; False if the history is not enough."""
    row = RESERVATIONS.c.reservation_id == identity
    # a row to lock, where there is none; on SQLite this write is what locks
    store.insert_if_absent(transaction, RESERVATIONS, reservation_id=identity)
    pruned = transaction.execute(select(RESERVATIONS.c.pruned).where(row).with_for_update()).scalar_one()
    if pruned:
        return False
    fresh = transaction.execute(_fresh().where(EVENTS.c.reservation_id == identity)).one_or_none()
    if fresh is not None:
        transaction.execute(update(RESERVATIONS).where(row).values(fresh._asdict()))
    return fresh is not None


def rebuild(dry_run: bool = False) -> dict[str, Any]:
    """Compares, repairs unless it is a dry run, and returns the figures, named as JSON has them."""
    start = time.monotonic()
    with store.reading() as connection:
        found = compare(connection)
    repaired = 0 if dry_run else _repair_some(found.differing, start + SECONDS)
    figures = {
        "events": found.events,
        "reservations": found.reservations,
        "withoutHistory": found.without_history,
        "differing": len(found.differing),
        "repaired": repaired,
        "examples": found.differing[:MOST_EXAMPLES],
        "seconds": round(time.monotonic() - start, 3),
    }
    log.info("compared the projection with its history", extra={"fields": figures})
    return figures


def _repair_some(identities: Sequence[str], until: float) -> int:
    repaired = 0
    for identity in identities:
        repaired += store.commit(functools.partial(repair, identity))
        if time.monotonic() > until:
            break
    return repaired


def _fresh() -> Select[Any]:
    facts = [fact.label(name) for name, fact in _facts().items()]
    return select(EVENTS.c.reservation_id, *facts).group_by(EVENTS.c.reservation_id)


def _facts() -> dict[str, ColumnElement[Any]]:
    ever = {fact.flag: _said(event.__name__, literal(1)) == 1 for event, fact in FACTS.items()}
    copied = {name: func.max(EVENTS.c[name]) for fact in FACTS.values() for name in fact.copied}
    return {**ever, **copied, "canceled_at": _said(CANCELED, EVENTS.c.said_at, None)}


def _said(type_: str, value: ColumnElement[Any], otherwise: int | None = 0) -> ColumnElement[Any]:
    return func.max(case((EVENTS.c.type == type_, value), else_=otherwise))
