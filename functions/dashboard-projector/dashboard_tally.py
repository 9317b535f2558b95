"""What settled reservations come to: money, and cancels by reason. Counted when they are reported, not at each tick.

A reservation whose end was reported is in these sums as that end. One that has something to report is there as its
`counted_as` says: as nothing while it is new, as SUCCEED where it was canceled after that was reported. So only what
has yet to be reported, which is little, has to be looked at to know the sums of all.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, bindparam, case, func, or_, select, update

from airline.events import EXPIRED, PaymentFailed, ReservationCanceled, SeatsSoldOut
from choreography import store
from projected import EVENTS, RESERVATIONS, TALLY

REASONS = ("no-seats", "not-paid", "expired", "customer")
"""Why reservations are canceled: who said so, as what a customer types cannot be a label."""
TAKEN, REFUNDED = "taken", "refunded"

_CAUSE = EVENTS.alias("cause")
_WHY = case(
    (_CAUSE.c.type == SeatsSoldOut.__name__, REASONS[0]),
    (_CAUSE.c.type == PaymentFailed.__name__, REASONS[1]),
    (EVENTS.c.data.contains(f'"reason": "{EXPIRED}"', autoescape=True), REASONS[2]),
    else_=REASONS[3],
)
_CANCEL = and_(EVENTS.c.reservation_id == RESERVATIONS.c.reservation_id, EVENTS.c.type == ReservationCanceled.__name__)
_UNCOUNTED_CANCEL = and_(
    RESERVATIONS.c.canceled_at.is_not(None),
    or_(RESERVATIONS.c.counted_as.is_(None), RESERVATIONS.c.counted_as != "CANCELED"),
)
_ADD = update(TALLY).where(TALLY.c.name == bindparam("of")).values(number=TALLY.c.number + bindparam("more"))
COUNTED_AS = case(
    (~RESERVATIONS.c.reported, RESERVATIONS.c.counted_as),
    (RESERVATIONS.c.canceled_at.is_(None), "SUCCEED"),
    else_="CANCELED",
)
"""What a reservation is counted as; `counted_as` has it where there is something to report again."""


def settle(which: Iterable[ColumnElement[bool]], status: str, transaction: Connection) -> None:
    """Counts the reservations that meet this, and have this end to report."""
    mine = (*which, ~RESERVATIONS.c.reported)
    columns = RESERVATIONS.c.paid_amount, RESERVATIONS.c.refunded_amount, RESERVATIONS.c.counted_as
    rows = transaction.execute(select(*columns).where(*mine).order_by(RESERVATIONS.c.reservation_id).with_for_update())
    more = Counter[str]()
    for row in rows.all():
        if row.counted_as is None:
            more[TAKEN] += row.paid_amount or 0
        if status == "CANCELED" != row.counted_as:
            more[REFUNDED] += row.refunded_amount or 0
    if status == "CANCELED":
        more.update(_canceled(mine, transaction))
    _add(more, transaction)


def forget(row: Row[Any], transaction: Connection) -> None:
    """Takes what was counted of a reservation, whose row is locked, out of the sums; it is to be reported again."""
    of = RESERVATIONS.c
    status = transaction.execute(select(COUNTED_AS).where(of.reservation_id == row.reservation_id)).scalar_one()
    less = Counter[str]()
    if status is not None:
        less[TAKEN] = row.paid_amount or 0
    if status == "CANCELED":
        less[REFUNDED] = row.refunded_amount or 0
        why = select(_WHY).select_from(_with_cause()).where(of.reservation_id == row.reservation_id)
        less[transaction.execute(why.limit(1)).scalar() or REASONS[3]] += 1
    _add({name: -number for name, number in less.items()}, transaction)
    changed = update(RESERVATIONS).where(of.reservation_id == row.reservation_id)
    transaction.execute(changed.values(reported=False, counted_as=None))


def sums(connection: Connection) -> Mapping[str, int]:
    """The money that was taken and refunded, and how many were canceled, by reason."""
    found = Counter[str]({row.name: row.number for row in connection.execute(select(TALLY))})
    of, unreported = RESERVATIONS.c, ~RESERVATIONS.c.reported
    taken = func.coalesce(func.sum(case((of.counted_as.is_(None), of.paid_amount), else_=0)), 0)
    refunded = func.coalesce(func.sum(case((_UNCOUNTED_CANCEL, of.refunded_amount), else_=0)), 0)
    money = connection.execute(select(taken, refunded).where(unreported)).one()
    found.update({TAKEN: int(money[0]), REFUNDED: int(money[1])})
    found.update(_canceled([unreported], connection))
    return found


def _canceled(which: Iterable[ColumnElement[bool]], connection: Connection) -> Mapping[str, int]:
    """Of those that are not counted as canceled yet: how many are, by reason."""
    query = _by_why().where(*which, _UNCOUNTED_CANCEL)
    return {row.why: row.number for row in connection.execute(query)}


def _by_why() -> Select[Any]:
    number = func.count(RESERVATIONS.c.reservation_id.distinct()).label("number")
    return select(_WHY.label("why"), number).select_from(_with_cause()).group_by("why")


def _with_cause() -> Any:
    return RESERVATIONS.outerjoin(EVENTS, _CANCEL).outerjoin(_CAUSE, _CAUSE.c.id == EVENTS.c.causation_id)


def _add(more: Mapping[str, int], transaction: Connection) -> None:
    for of in sorted(name for name, number in more.items() if number):  # in one order
        store.insert_if_absent(transaction, TALLY, name=of, number=0)
        transaction.execute(_ADD, {"of": of, "more": more[of]})
