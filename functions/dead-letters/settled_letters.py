"""Letters whose cause has meanwhile been resolved: their saga has ended, and nobody is owed anything.

The dashboard says so of many reservations at once (SagasSettled), perhaps before a letter of them arrives, so it is
remembered for KEPT. A SUCCEED one may still be canceled: a letter about a cancel is settled only by the cancel's own
end. A command that was refused stays OPEN, as no end of a saga does what it asked for.

A report itself may be given up on as well. It is made again until reserve has heard of each of its reservations, and
the first one that names some of them again settles the letter.
"""

import json
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, exists, not_, or_, select, update

from airline import saga
from airline.events import AIRLINE, ReservationRequested, SagasSettled
from choreography import clock, store
from choreography.columns import without_index
from letters import LETTERS, SETTLED_SAGAS

SOURCE = f"{AIRLINE.sources}dead-letters"
KEPT = timedelta(days=7)
"""Longer than a broker tries to deliver, and a weekend."""
LEADING_TO_SUCCESS = (ReservationRequested.__name__, *(event.__name__ for event in saga.SUCCESS))
COMMANDS = tuple(event.__name__ for event in saga.SPEAKERS[saga.OUTSIDE])
REPORT = SagasSettled.__name__
MOST_REPORTS = 100
"""Letters of reports that are looked through for one; there are few, and the next one looks again."""
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
    _settle_reports(settled, transaction)


def settle(transaction: Connection, which: ColumnElement[bool]) -> None:
    """Of those letters, what is OPEN and belongs to a saga that is settled becomes SETTLED."""
    _decide(transaction, which, exists().where(_ITS_SAGA), not_(_REFUSED_COMMAND))


def _settle_reports(settled: SagasSettled, transaction: Connection) -> None:
    lost = select(LETTERS.c.id, LETTERS.c.data).where(LETTERS.c.status == "OPEN", LETTERS.c.type == REPORT)
    letters = transaction.execute(lost.order_by(LETTERS.c.last_at).limit(MOST_REPORTS)).all()
    made_again = [letter.id for letter in letters if not _named(letter).isdisjoint(settled.reservation_ids)]
    if made_again:
        _decide(transaction, LETTERS.c.id.in_(made_again))


def _named(letter: Row[Any, Any]) -> set[str]:
    data = json.loads(letter.data)  # of anybody who called it a report
    named = data.get("reservationIds") if isinstance(data, dict) else None
    return {each for each in named if isinstance(each, str)} if isinstance(named, list) else set()


def _decide(transaction: Connection, *which: ColumnElement[bool]) -> None:
    is_open = without_index(LETTERS.c.status) == "OPEN"  # SQLite would look through all that are, whose number grows
    decision = {"status": "SETTLED", "decided_at": clock.now()}
    transaction.execute(update(LETTERS).where(*which, is_open).values(decision))
