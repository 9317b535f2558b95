"""What the reservations of each customer come to: how many, and the money.

A customer's counts change by the difference that an event makes to the row of its reservation, in the transaction that
changes this row, and while it is locked. So a repeated event, which changes no row, counts nothing, and any order of
the same events comes to the same counts. Locks are taken in one order, reservation then customer.

`counted` has the same rules as a query over all reservations: what a rebuild compares with.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    case,
    cast,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)

from choreography import prepared, store
from projected import CUSTOMERS, RESERVATIONS

Reservation = Mapping[str, Any]
"""A row of RESERVATIONS, or as much of it as is known, by column."""

_SUMS = tuple(column.name for column in CUSTOMERS.c if column.name not in ("customer_id", "recent_reserve_date"))
_COUNTED = (
    *("customer_id", "reserve_date", "placed", "confirmed", "canceled_at"),
    *("paid", "paid_amount", "refunded", "refunded_amount"),
)
"""The columns of a reservation that counts depend on."""
_NOTHING = dict.fromkeys(_SUMS, 0)
_RECENT = CUSTOMERS.c.recent_reserve_date
_ADD = (
    update(CUSTOMERS)
    .where(CUSTOMERS.c.customer_id == bindparam("whose"))
    .values({name: CUSTOMERS.c[name] + bindparam(f"more_{name}") for name in _SUMS})
    .values(recent_reserve_date=case((bindparam("latest") > _RECENT, bindparam("latest")), else_=_RECENT))
)
_LOCKED = (
    select(*(RESERVATIONS.c[name] for name in _COUNTED))
    .where(RESERVATIONS.c.reservation_id == bindparam("reservation"))
    .with_for_update()
)


def concern(facts: Reservation) -> bool:
    """Whether these facts about a reservation change what it counts for its customer."""
    return not facts.keys().isdisjoint(_COUNTED)


def locked(reservation_id: str, transaction: Connection) -> Reservation | None:
    """What counts of a reservation, locked until the end of the transaction; None where there is no row of it."""
    row = prepared.row(transaction, _LOCKED, {"reservation": reservation_id})
    return None if row is None else row._asdict()


def change(before: Reservation | None, after: Reservation, transaction: Connection) -> None:
    """Counts one reservation, whose row is locked, as it is now and no longer as it was; None: it is new."""
    if before and before["placed"] and _whose(before) != _whose(after):  # the latest date cannot be taken back
        recount({before["customer_id"], after["customer_id"]}, transaction)
        return
    was, now = _amounts(before or {}), _amounts(after)
    more = {name: now[name] - was[name] for name in _SUMS}
    if any(more.values()):
        _add(after, more, transaction)


def recount(customers: Iterable[int | None], transaction: Connection) -> None:
    """Counts these customers from their reservations again; one without any has no row afterwards."""
    for customer in sorted(one for one in customers if one is not None):
        theirs = CUSTOMERS.c.customer_id == customer
        # locks the row, so that whoever else counts for this customer does it afterwards
        store.insert_if_absent(transaction, CUSTOMERS, customer_id=customer, recent_reserve_date=date.min, **_NOTHING)
        fresh = transaction.execute(counted().where(RESERVATIONS.c.customer_id == customer)).one_or_none()
        if fresh is None:
            transaction.execute(delete(CUSTOMERS).where(theirs))
        else:
            transaction.execute(update(CUSTOMERS).where(theirs).values(fresh._asdict()))


def counted() -> Select[Any]:
    """What the table should have, counted from all reservations that were placed."""
    row = RESERVATIONS.c
    canceled = row.canceled_at.is_not(None)
    return (
        select(
            row.customer_id,
            _number_of(row.placed).label("flight_count"),
            func.max(row.reserve_date).label("recent_reserve_date"),
            _number_of(and_(row.confirmed, ~canceled)).label("confirmed_count"),
            _number_of(canceled).label("canceled_count"),
            _sum(row.paid_amount).label("paid_amount"),
            _number_of(and_(row.paid, row.paid_amount.is_(None))).label("paid_unknown"),
            _sum(row.refunded_amount).label("refunded_amount"),
            _number_of(and_(row.refunded, row.refunded_amount.is_(None))).label("refunded_unknown"),
        )
        .where(row.placed, row.customer_id.is_not(None))
        .group_by(row.customer_id)
    )


def last_of_page(after: int, size: int, connection: Connection) -> int | None:
    """The number of the customer that ends a page of `size` behind `after`; None if it is the last page."""
    whose = RESERVATIONS.c.customer_id
    query = select(whose).where(whose > after).distinct().order_by(whose).offset(size - 1).limit(1)
    return connection.execute(query).scalar_one_or_none()


def differing(after: int, last: int | None, connection: Connection) -> Sequence[int]:
    """Customers behind `after`, up to `last`, whose counts differ from those of their reservations."""
    queries, page = _differing(bounded=last is not None), {"after": after, "last": last}
    return sorted({customer for query in queries for customer in connection.execute(query, page).scalars()})


@functools.cache
def _differing(*, bounded: bool) -> tuple[Select[Any], Select[Any]]:
    """Those whose counts differ, and those without any reservation."""
    fresh = counted().where(*_between(RESERVATIONS.c.customer_id, bounded=bounded)).subquery()
    kept = CUSTOMERS.c
    other = [kept[name].is_distinct_from(fresh.c[name]) for name in (*_SUMS, _RECENT.name)]
    both = fresh.outerjoin(CUSTOMERS, kept.customer_id == fresh.c.customer_id)
    wrong = select(fresh.c.customer_id).select_from(both).where(or_(*other))
    has_any = exists().where(RESERVATIONS.c.customer_id == kept.customer_id, RESERVATIONS.c.placed)
    return wrong, select(kept.customer_id).where(*_between(kept.customer_id, bounded=bounded), ~has_any)


def _between(column: ColumnElement[int], *, bounded: bool) -> Sequence[ColumnElement[bool]]:
    beyond = column > bindparam("after")
    return [beyond, column <= bindparam("last")] if bounded else [beyond]


def _add(reservation: Reservation, more: Mapping[str, int], transaction: Connection) -> None:
    customer, latest = reservation["customer_id"], reservation["reserve_date"]
    added = {"whose": customer, "latest": latest, **{f"more_{name}": by for name, by in more.items()}}
    row = {"customer_id": customer, "recent_reserve_date": latest, **more}
    if not prepared.changed(transaction, _ADD, added) and not store.insert_if_absent(transaction, CUSTOMERS, **row):
        prepared.changed(transaction, _ADD, added)


def _whose(reservation: Reservation) -> tuple[Any, Any]:
    return reservation["customer_id"], reservation["reserve_date"]


def _amounts(reservation: Reservation) -> Mapping[str, int]:
    if not reservation.get("placed"):
        return _NOTHING
    known = reservation.get
    canceled = known("canceled_at") is not None
    paid, refunded = known("paid_amount"), known("refunded_amount")
    return {
        "flight_count": 1,
        "confirmed_count": int(bool(known("confirmed")) and not canceled),
        "canceled_count": int(canceled),
        "paid_amount": paid or 0,
        "paid_unknown": int(bool(known("paid")) and paid is None),
        "refunded_amount": refunded or 0,
        "refunded_unknown": int(bool(known("refunded")) and refunded is None),
    }


def _number_of(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return cast(func.sum(case((condition, 1), else_=0)), BigInteger)


def _sum(amount: ColumnElement[int]) -> ColumnElement[int]:
    return cast(func.coalesce(func.sum(amount), 0), BigInteger)
