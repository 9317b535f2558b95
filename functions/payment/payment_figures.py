"""The figures of payments for Prometheus, at each tick."""

from collections.abc import Iterable

from sqlalchemy import Connection, func, select

from choreography import figures
from choreography.figures import Figure
from payments import PAYMENTS, UNFINISHED


def look(connection: Connection) -> Iterable[Figure]:
    """Payments that wait for the provider's answer, and what is unsent."""
    which = PAYMENTS.c.status.in_(UNFINISHED)
    query = select(PAYMENTS.c.status, func.count(), func.min(PAYMENTS.c.moved_at)).where(which)
    by_status = {
        status: (number, oldest) for status, number, oldest in connection.execute(query.group_by(PAYMENTS.c.status))
    }
    for status in UNFINISHED:
        number, oldest = by_status.get(status, (0, None))
        labels = {"status": status}
        yield Figure("airline_payments_unfinished", "Payments whose provider has not answered.", number, labels)
        yield Figure(
            "airline_payment_oldest_seconds", "How long the oldest of them waits.", figures.age(oldest), labels
        )
    yield from figures.of_outbox("payment", connection)
