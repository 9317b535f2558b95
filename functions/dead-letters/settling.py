"""Letters whose cause has meanwhile been finished: their saga has ended, and nobody is owed anything.

The dashboard says so of many reservations at once (SagasSettled), perhaps before a letter of them arrives, so it is
remembered for KEPT. A SUCCEED one may still be canceled: what is said of a cancel is settled by the cancel's own end
only. A command that was refused stays OPEN, as no end of a saga does what it asked for.
"""

from datetime import timedelta

from sqlalchemy import ColumnElement, Connection, and_, exists, not_, or_, update

from airline import clock, outbox, store
from airline.events import SagasSettled
from letters import LETTERS, SETTLED_SAGAS

SOURCE = f"{outbox.OURS}dead-letters"
KEPT = timedelta(days=7)
"""Longer than a broker tries to deliver, and a weekend."""
LEADING_TO_SUCCESS = (
    *("ReservationRequested", "ReservationPlaced", "RemainingSeatsDecreased"),
    *("Paid", "ReservationConfirmed"),
)
COMMANDS = ("ReservationRequested", "CancellationRequested")
REFUSALS = (400, 403, 413, 415, 422)
"""What a function answers to an event that it will never process."""

_ITS_SAGA = and_(
    SETTLED_SAGAS.c.reservation_id == LETTERS.c.reservation_id,
    or_(SETTLED_SAGAS.c.status == "CANCELED", LETTERS.c.type.in_(LEADING_TO_SUCCESS)),
)
_REFUSED_COMMAND = and_(LETTERS.c.type.in_(COMMANDS), LETTERS.c.code.is_not(None), LETTERS.c.code.in_(REFUSALS))


def settle_letters(settled: SagasSettled, transaction: Connection) -> None:
    """OPEN letters of these reservations become SETTLED; those that arrive later will be."""
    for identity in sorted(settled.reservation_ids):  # in one order, or two of them could wait for each other
        row = {"status": settled.status, "settled_at": clock.now()}
        store.insert_if_absent(transaction, SETTLED_SAGAS, reservation_id=identity, **row)
    if settled.status == "CANCELED":  # which is the end, whatever is heard in which order
        theirs = SETTLED_SAGAS.c.reservation_id.in_(settled.reservation_ids)
        transaction.execute(update(SETTLED_SAGAS).where(theirs).values(status="CANCELED", settled_at=clock.now()))
    settle(transaction, LETTERS.c.reservation_id.in_(settled.reservation_ids))


def settle(transaction: Connection, which: ColumnElement[bool]) -> None:
    """Of those letters, what is OPEN and belongs to a saga that is settled becomes SETTLED."""
    finished = (LETTERS.c.status == "OPEN", exists().where(_ITS_SAGA), not_(_REFUSED_COMMAND))
    decision = {"status": "SETTLED", "decided_at": clock.now()}
    transaction.execute(update(LETTERS).where(which, *finished).values(decision))
