"""Mails to customers: one for each event that is news to them, by one row for each event, which is never deleted.

    (none) -> OWED -> SENDING -> SENT
                              -> OWED          the mail server is away, or says: later
                              -> GIVEN_UP      it refuses this mail for good, or the mail is too old
           -> NO_ADDRESS                       nobody knows the customer's address

The Message-ID is made of the event's id, so it is the same however often the event is heard. Sending is three steps, as
asking the provider is: commit SENDING, send outside any transaction, record. Who dies in between leaves SENDING; after
LEFT_ALONE it is sent again, with the same Message-ID, which receivers that look at it drop. Nobody can do better: SMTP
has no way to ask whether a mail was taken.

A broker gives up before a long outage ends. Housekeeping sends what is owed until GIVEN_UP_AFTER.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    and_,
    or_,
    select,
    tuple_,
    update,
)

from airline.events import PaymentRefunded, ReservationCanceled, ReservationConfirmed
from airline.settings import settings
from choreography import clock, events, store
from choreography.columns import Instant
from choreography.errors import Invalid, TryAgain
from choreography.logs import log

SOURCE = "/airline/notifications"
LONGEST_TEXT = 200
BATCH = 500
"""Rows in one page of housekeeping."""
LEFT_ALONE = timedelta(minutes=2)
"""A mail that has been SENDING, or OWED, for longer has no delivery at work on it any more."""
GIVEN_UP_AFTER = timedelta(days=3)
"""A mail that is older would tell the customer nothing new."""

News = ReservationConfirmed | ReservationCanceled | PaymentRefunded

metadata = MetaData()
CONTACTS = Table(
    "contacts",
    metadata,
    Column("customer_id", Integer, primary_key=True, autoincrement=False),
    Column("name", String(100), nullable=False),
    Column("address", String(254), nullable=False),
    Column("language", String(2), nullable=False),
)
MAILS = Table(
    "mails",
    metadata,
    Column("event_id", String(36), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("reservation_id", String(12), nullable=False),
    Column("customer_id", Integer, nullable=False),
    Column("flight_id", Integer),
    Column("seat_qty", Integer),
    Column("amount", BigInteger),
    Column("reason", String(LONGEST_TEXT)),
    Column("status", String(10), nullable=False),
    Column("problem", String(LONGEST_TEXT)),
    Column("made_at", Instant, nullable=False),
    Column("moved_at", Instant, nullable=False),
    Index("ix_mails_owed", "status", "moved_at"),
    Index("ix_mails_customer", "customer_id"),
)
_WITH_CONTACT = select(MAILS, CONTACTS.c.name, CONTACTS.c.address, CONTACTS.c.language).join(
    CONTACTS, CONTACTS.c.customer_id == MAILS.c.customer_id, isouter=True
)

Listed = Row[str, datetime]
"""The event of a mail that is owed, and when it moved."""


def are_sent() -> bool:
    """Whether there is a mail server at all."""
    return settings().smtp_url is not None


def begin(news: News, transaction: Connection) -> Row[Any] | None:
    """Commits the intent to send the mail of an event; None where it was sent, or never will be.

    Raises TryAgain where somebody else is sending it.
    """
    if not are_sent():
        return None
    now = clock.now()
    store.insert_if_absent(
        transaction,
        MAILS,
        event_id=events.identity(news),
        kind=type(news).__name__,
        reservation_id=news.reservation_id,
        customer_id=news.customer_id,
        flight_id=getattr(news, "flight_id", None),
        seat_qty=getattr(news, "seat_qty", None),
        amount=getattr(news, "amount", None),
        reason=(getattr(news, "reason", None) or "")[:LONGEST_TEXT] or None,
        status="OWED",
        made_at=now,
        moved_at=now,
    )
    return take_up(events.identity(news), transaction)


def take_up(event_id: str, transaction: Connection) -> Row[Any] | None:
    """An owed mail with its contact, to be sent now; None where there is nothing to send. Raises TryAgain."""
    free = or_(MAILS.c.status == "OWED", and_(MAILS.c.status == "SENDING", MAILS.c.moved_at < clock.now() - LEFT_ALONE))
    if not _move(event_id, "SENDING", None, transaction, free):
        status = transaction.execute(select(MAILS.c.status).where(MAILS.c.event_id == event_id)).scalar_one()
        if status == "SENDING":
            raise TryAgain("Somebody else is sending this mail; try again.")
        return None
    mail = transaction.execute(_WITH_CONTACT.where(MAILS.c.event_id == event_id)).one()
    if mail.address is None:
        _move(event_id, "NO_ADDRESS", None, transaction)
        return None
    if mail.made_at < clock.now() - GIVEN_UP_AFTER:
        _move(event_id, "GIVEN_UP", mail.problem or "it was too old to be news", transaction)
        return None
    return mail


def send(mail: Row[Any]) -> None:
    """Hands the mail to the mail server, outside any transaction.

    Raises Invalid where the server refuses this mail for good, which makes a dead letter, and TryAgain otherwise.
    """
    import smtp  # noqa: PLC0415 - the email package, which is not needed where nothing is sent

    try:
        smtp.deliver(mail)
    except smtp.Refused as error:
        _settle(mail.event_id, "GIVEN_UP", str(error))
        raise Invalid(f"The mail server refuses this mail: {error}") from error
    except smtp.Postponed as error:
        _settle(mail.event_id, "OWED", str(error))
        raise TryAgain(f"The mail server does not take mails now: {error}; try again.") from error


def record(mail: Row[Any], _: None, transaction: Connection) -> None:
    """Remembers that the mail was taken."""
    _move(mail.event_id, "SENT", None, transaction)


def owed(after: Listed | None, connection: Connection) -> Sequence[Listed]:
    """A page of the mails that nobody is at work on, oldest first."""
    left = (MAILS.c.status.in_(("OWED", "SENDING")), MAILS.c.moved_at < clock.now() - LEFT_ALONE)
    query = select(MAILS.c.event_id, MAILS.c.moved_at).where(*left)
    if after is not None:
        query = query.where(tuple_(MAILS.c.moved_at, MAILS.c.event_id) > (after.moved_at, after.event_id))
    return connection.execute(query.order_by(MAILS.c.moved_at, MAILS.c.event_id).limit(BATCH)).all()


def send_owed(event_id: str) -> None:
    """Sends one mail that is owed. Raises as `send` does."""
    mail = store.commit(lambda transaction: take_up(event_id, transaction))
    if mail is not None:
        send(mail)
        store.commit(lambda transaction: record(mail, None, transaction))


def owe_again(customer: int, transaction: Connection) -> None:
    """What could not be sent to a customer whose address is known now, and is still news, is owed."""
    young = MAILS.c.made_at >= clock.now() - GIVEN_UP_AFTER
    stuck = (MAILS.c.customer_id == customer, MAILS.c.status.in_(("GIVEN_UP", "NO_ADDRESS")), young)
    # housekeeping takes it at its next tick
    transaction.execute(update(MAILS).where(*stuck).values(status="OWED", moved_at=clock.now() - 2 * LEFT_ALONE))


def _settle(event_id: str, status: str, problem: str) -> None:
    log.warning("the mail of event %s is %s: %s", event_id, status, problem)
    store.commit(lambda transaction: _move(event_id, status, problem, transaction))


def _move(event_id: str, status: str, problem: str | None, transaction: Connection, *only: Any) -> int:
    values: dict[str, Any] = {"status": status, "moved_at": clock.now()}
    if status != "SENDING":  # what went wrong the last time stays until it goes well
        values["problem"] = problem and problem[:LONGEST_TEXT]
    return transaction.execute(update(MAILS).where(MAILS.c.event_id == event_id, *only).values(values)).rowcount
