"""What Prometheus is told by the dashboard at each tick: it has heard of all services, and counts no repeat."""

from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import BigInteger, Connection, case, cast, func, select

from airline.events import EXPIRED, PaymentFailed, ReservationCanceled, SeatsSoldOut
from choreography import clock
from choreography.figures import Figure
from projection import EVENTS, OWED, RESERVATIONS

REASONS = ("no-seats", "not-paid", "expired", "customer")
"""Why reservations are canceled: who said so, as what a customer types is no label."""
OVERDUE = timedelta(minutes=10)
"""Longer than all retries of a Trigger take (about seven minutes)."""


def look(connection: Connection) -> Iterable[Figure]:
    """Cancels by reason, the money that was taken and given back, and compensations that are overdue."""
    why = {row.why: row.number for row in connection.execute(_CANCELED)}
    for reason in REASONS:
        about = "Reservations that were canceled, by why."
        yield Figure("airline_reservations_canceled", about, why.get(reason, 0), {"reason": reason})
    taken, refunded = connection.execute(_MONEY).one()
    yield Figure("airline_money_taken", "Money that was taken, whatever became of it.", float(taken))
    yield Figure("airline_money_refunded", "Money that was given back.", float(refunded))
    late = RESERVATIONS.c.canceled_at < clock.now() - OVERDUE
    number = connection.execute(select(func.count()).where(~RESERVATIONS.c.reported, late, OWED)).scalar_one()
    yield Figure("airline_uncompensated", "Canceled for ten minutes, and seats or money are not answered for.", number)


_CAUSE = EVENTS.alias("cause")
_WHY = case(
    (_CAUSE.c.type == SeatsSoldOut.__name__, REASONS[0]),
    (_CAUSE.c.type == PaymentFailed.__name__, REASONS[1]),
    (EVENTS.c.data.contains(f'"reason": "{EXPIRED}"', autoescape=True), REASONS[2]),
    else_=REASONS[3],
)
_CANCELED = (
    select(_WHY.label("why"), func.count().label("number"))
    .select_from(EVENTS.outerjoin(_CAUSE, _CAUSE.c.id == EVENTS.c.causation_id))
    .where(EVENTS.c.type == ReservationCanceled.__name__)
    .group_by("why")
)
_MONEY = select(
    cast(func.coalesce(func.sum(RESERVATIONS.c.paid_amount), 0), BigInteger),
    cast(func.coalesce(func.sum(RESERVATIONS.c.refunded_amount), 0), BigInteger),
)
