"""The projection rebuilt from the history of events, and compared with the live one.

The fresh projection is one aggregating SELECT over the events, not a replay: facts are dates and flags that are only
ever set, so the greatest of each is the fact. Only rows that differ are written, one by one: each is locked, and made
from the events that there are at that moment. An event that arrives meanwhile is either among them, or its own
transaction waits for the lock and then adds its fact to the repaired row. So nothing has to stand still and there are
no tables to swap.

The history is gone through page by page, in the order of reservations, then the counts of customers in theirs. Where
the time of a call is over, its answer names the place, and the next call goes on there. So a call reads one page
at a time, however long the history is, and whoever is interrupted loses nothing.

A row without events, or with some pruned (history_pruning.py), is left alone: its history cannot tell what it should
be.

An event takes about 440 bytes in SQLite and PostgreSQL and 820 in MariaDB, indexes included (measured over 92,000 in
random order); a reservation that succeeds has four events, one that is canceled after that seven.
"""

import functools
import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, case, exists, func, literal, or_, select, update

import counts
import dashboard_tally
from choreography import store
from choreography.errors import Invalid
from choreography.logs import log
from projection import CANCELED, EVENTS, FACTS, RESERVATIONS

SECONDS = 20.0
"""How long one call goes on: the caller still waits for the answer. The next call goes on."""
MOST_EXAMPLES = 20
PAGE = 2000
"""Reservations, or customers, that are compared at once: a statement stays far below the limits of the store."""
AMONG_CUSTOMERS = "customer-"
"""What the name of a place among customers begins with, which no reservation's id does."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How many events and reservations the history has, and the reservations whose live row is another or missing."""

    events: int
    reservations: int
    without_history: int
    differing: Sequence[str]


def compare(connection: Connection, after: str = "", last: str | None = None) -> Comparison:
    """Compares the live projection with a fresh one, for the reservations behind `after`, up to `last`."""
    here = _between(EVENTS.c.reservation_id, after, last)
    fresh = _fresh().where(*here).subquery()
    live = RESERVATIONS.c
    other = [live[name].is_distinct_from(fresh.c[name]) for name in _facts()]
    both = fresh.outerjoin(RESERVATIONS, live.reservation_id == fresh.c.reservation_id)
    missing = live.reservation_id.is_(None)
    differing = select(fresh.c.reservation_id).select_from(both).where(or_(missing, ~live.pruned & or_(*other)))
    has_events = exists().where(EVENTS.c.reservation_id == live.reservation_id)
    rows = select(func.count()).select_from(RESERVATIONS).where(*_between(live.reservation_id, after, last))
    numbers = select(func.count(), func.count(EVENTS.c.reservation_id.distinct())).select_from(EVENTS).where(*here)
    events, reservations = connection.execute(numbers).one()
    return Comparison(
        events,
        reservations,
        connection.execute(rows.where(or_(live.pruned, ~has_events))).scalar_one(),
        connection.execute(differing.order_by(fresh.c.reservation_id)).scalars().all(),
    )


def repair(identity: str, transaction: Connection) -> bool:
    """Makes one row from its events, and counts it so; False if the history is not enough."""
    # a row to lock, where there is none; on SQLite this write is what locks
    store.insert_if_absent(transaction, RESERVATIONS, reservation_id=identity)
    row = RESERVATIONS.c.reservation_id == identity
    before = transaction.execute(select(RESERVATIONS).where(row).with_for_update()).one()
    if before.pruned:
        return False
    fresh = transaction.execute(_fresh().where(EVENTS.c.reservation_id == identity)).one_or_none()
    if fresh is not None:
        dashboard_tally.forget(before, transaction)
        transaction.execute(update(RESERVATIONS).where(row).values(fresh._asdict()))
        counts.recount({before.customer_id, fresh.customer_id}, transaction)
    return fresh is not None


@dataclass
class Figures:
    """What a call has found and done."""

    events: int = 0
    reservations: int = 0
    without_history: int = 0
    differing: int = 0
    repaired: int = 0
    customers: int = 0
    """Those whose counts differed from those of their reservations."""
    examples: list[str] = field(default_factory=list)

    def add(self, found: Comparison) -> None:
        """Adds a page."""
        self.events += found.events
        self.reservations += found.reservations
        self.without_history += found.without_history
        self.differing += len(found.differing)
        self.examples = [*self.examples, *found.differing][:MOST_EXAMPLES]


def rebuild(after: str = "", dry_run: bool = False) -> tuple[Figures, str | None]:
    """Compares, and repairs unless it is a dry run, from that place on, for SECONDS at most.

    Returns what was found, and the place where the next call has to go on; None at the end. Raises Invalid for a place
    that no call has named.
    """
    until, figures = time.monotonic() + SECONDS, Figures()
    place: str | None = after
    while place is not None:
        if place.startswith(AMONG_CUSTOMERS):
            place = _customers(place, dry_run, figures)
        else:
            place = _reservations(place, dry_run, figures, until)
        if time.monotonic() > until:
            break
    log.info("compared the projection with its history", extra={"fields": asdict(figures)})
    return figures, place


def _reservations(after: str, dry_run: bool, figures: Figures, until: float) -> str:
    with store.reading() as connection:
        last = _last_of_page(after, connection)
        found = compare(connection, after, last)
    figures.add(found)
    repaired = 0 if dry_run else _repair_some(found.differing, until)
    figures.repaired += repaired
    if not dry_run and repaired < len(found.differing):
        return found.differing[repaired - 1] if repaired else after
    return last or f"{AMONG_CUSTOMERS}0"


def _customers(place: str, dry_run: bool, figures: Figures) -> str | None:
    after = _number_in(place)
    with store.reading() as connection:
        last = counts.last_of_page(after, PAGE, connection)
        found = counts.differing(after, last, connection)
    figures.customers += len(found)
    if not dry_run:
        for customer in found:
            store.commit(functools.partial(counts.recount, [customer]))
    return None if last is None else f"{AMONG_CUSTOMERS}{last}"


def _number_in(place: str) -> int:
    number = place.removeprefix(AMONG_CUSTOMERS)
    if not re.fullmatch("[0-9]{1,10}", number, re.ASCII):
        wrong = "must be taken unchanged from a `next` link"
        raise Invalid(f"after {wrong}", {"after": wrong})
    return int(number)


def _last_of_page(after: str, connection: Connection) -> str | None:
    whose = EVENTS.c.reservation_id
    query = select(whose).where(whose > after).distinct().order_by(whose).offset(PAGE - 1).limit(1)
    return connection.execute(query).scalar_one_or_none()


def _repair_some(identities: Sequence[str], until: float) -> int:
    repaired = 0
    for identity in identities:
        repaired += store.commit(functools.partial(repair, identity))
        if time.monotonic() > until:
            break
    return repaired


def _between(column: ColumnElement[str], after: str, last: str | None) -> Sequence[ColumnElement[bool]]:
    return [column > after] if last is None else [column > after, column <= last]


def _fresh() -> Select[Any]:
    facts = [fact.label(name) for name, fact in _facts().items()]
    return select(EVENTS.c.reservation_id, *facts).group_by(EVENTS.c.reservation_id)


def _facts() -> dict[str, ColumnElement[Any]]:
    ever = {fact.flag: _said(event.__name__, literal(1)) == 1 for event, fact in FACTS.items()}
    copied = {name: func.max(EVENTS.c[name]) for fact in FACTS.values() for name in fact.copied}
    return {**ever, **copied, "canceled_at": _said(CANCELED, EVENTS.c.said_at, None)}


def _said(type_: str, value: ColumnElement[Any], otherwise: int | None = 0) -> ColumnElement[Any]:
    return func.max(case((EVENTS.c.type == type_, value), else_=otherwise))
