"""What reserve remembers before there is a reservation: commands that it has accepted, and cancels that came too early.

The tables, and how a cancel and the placing of the same reservation keep out of each other's way.
"""

from datetime import timedelta

from sqlalchemy import Column, Connection, Index, MetaData, String, Table, Text, delete, select

from choreography import clock, store
from choreography.columns import Instant

LONGEST_REASON = 200
EARLY_CANCEL_KEPT = timedelta(days=7)
"""How long a cancel waits for its reservation; the longest outage that is thought of, and some days."""

ACCEPTED = Table(
    "accepted_commands",
    MetaData(),
    Column("key", String(12), primary_key=True),  # of source and id: the id that is promised to a ReservationRequested
    Column("reservation_id", String(12), nullable=False),
    Column("body", Text, nullable=False),  # the event, to repeat it
    Column("accepted_at", Instant, nullable=False),
    Column("owed_at", Instant),  # when it is repeated; null: it has taken effect
    Index("ix_accepted_commands_owed", "owed_at", "accepted_at"),
)
EARLY_CANCELS = Table(
    "early_cancels",
    MetaData(),
    Column("reservation_id", String(12), primary_key=True),
    Column("reason", String(LONGEST_REASON)),  # null only within the transaction that places the reservation
    Column("heard_at", Instant, nullable=False, index=True),
)


def remember_cancel(reservation_id: str, reason: str, transaction: Connection) -> None:
    """Keeps a cancel until its reservation is placed; the first reason stays. Waits for a placement in progress."""
    row = {"reservation_id": reservation_id, "reason": reason[:LONGEST_REASON], "heard_at": clock.now()}
    store.insert_if_absent(transaction, EARLY_CANCELS, **row)


def take_cancel(reservation_id: str, transaction: Connection) -> str | None:
    """The reason of a cancel that came before its reservation, which it is taken for; None where none came.

    A cancel that comes from now on waits until this transaction ends, and then finds the reservation.
    """
    mine = EARLY_CANCELS.c.reservation_id == reservation_id
    now = clock.now()
    if store.insert_if_absent(transaction, EARLY_CANCELS, reservation_id=reservation_id, heard_at=now):
        reason = None
    else:
        reason = transaction.execute(select(EARLY_CANCELS.c.reason).where(mine)).scalar_one()
    transaction.execute(delete(EARLY_CANCELS).where(mine))
    return reason


def forget_cancel(reservation_id: str, transaction: Connection) -> None:
    """Its reservation is there after all."""
    transaction.execute(delete(EARLY_CANCELS).where(EARLY_CANCELS.c.reservation_id == reservation_id))
