"""Dead letters are replayed: sent to the broker again.

A replayed event is the one that failed, id and time included, so a function that had handled it recognizes it; only
what brokers add on the way is taken off. It goes to every Trigger that lets it pass, not just to the one that failed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, func, select, update

import letters
from airline.events import AIRLINE
from choreography import clock, logs, outbox, store, wire
from choreography.errors import BrokerAway, Conflict, TryAgain
from choreography.logs import log
from letters import LETTERS

ADDED_BY_BROKERS = ("knativeerror", "knativekafka", "knativebrokerttl", "knativearrivaltime")
"""What the attributes begin with that a broker adds (Knative: pkg/kncloudevents/attributes, the Kafka dispatcher)."""
MOST_AT_ONCE = 500
"""Letters of one call, which then takes seconds, not minutes."""


@dataclass(frozen=True, slots=True)
class Replay:
    """How many letters the broker took, and how many were not yet tried that were kept before `before`."""

    replayed: int
    remaining: int
    before: datetime


def one(identity: str) -> Row[Any]:
    """Sends one event again and returns its letter. Raises NotFound, Conflict where it is DISCARDED, TryAgain."""
    with store.reading() as connection:
        letter = letters.find(identity, connection)
    if letter.status == "DISCARDED":
        raise Conflict("This letter was discarded.")
    _send(letter)
    with store.reading() as connection:
        return letters.find(identity, connection)


def all_open(wanted: Mapping[str, Any], before: datetime | None = None) -> Replay:
    """Sends what is OPEN and has these values, oldest first, MOST_AT_ONCE of them. Raises TryAgain if none went.

    `before` is for the next call: it leaves out what came back since the first one, or there might be no end.
    """
    before = before or clock.now()
    with store.reading() as connection:
        found = connection.execute(_open(wanted, before).limit(MOST_AT_ONCE)).scalars().all()
        total = connection.execute(select(func.count()).select_from(_open(wanted, before).subquery())).scalar_one()
    replayed = tried = 0
    refused: TryAgain | None = None
    for identity in found:
        try:
            replayed += _send_if_open(identity)
        except BrokerAway as error:
            refused = error
            break  # and will be for the others
        except TryAgain as error:
            refused = error
            log.warning("not replayed: %s", error, extra={"fields": {"letter": identity}})
        tried += 1
    if refused is not None and not replayed:
        raise refused
    return Replay(replayed, total - tried, before)


def original(letter: Row[Any]) -> wire.CloudEvent:
    """The event as it was before brokers added to it."""
    attributes = json.loads(letter.attributes)
    event = {name: value for name, value in attributes.items() if not name.startswith(ADDED_BY_BROKERS)}
    data = json.loads(letter.data)
    if letter.in_base64:
        return event | {"data_base64": data}
    return event if data is None else event | {"data": data}


def _send_if_open(identity: str) -> bool:
    with store.reading() as connection:
        letter = letters.find(identity, connection)
    if letter.status == "OPEN":
        _send(letter)
    return bool(letter.status == "OPEN")


def _send(letter: Row[Any]) -> None:
    outbox.deliver(wire.pack(original(letter)))
    # by now it may have failed again: then it has come back as another time, and stays OPEN
    same = (LETTERS.c.id == letter.id, LETTERS.c.times == letter.times, LETTERS.c.status != "DISCARDED")
    decision = {"status": "REPLAYED", "decided_at": clock.now()}
    store.commit(lambda transaction: transaction.execute(update(LETTERS).where(*same).values(decision)))
    with logs.about(**AIRLINE.about(letter.reservation_id), eventId=letter.event_id):
        log.info("replayed %s", letter.type)


def _open(wanted: Mapping[str, Any], before: datetime) -> Select[Any]:
    matching = [LETTERS.c[name] == value for name, value in wanted.items()]
    query = select(LETTERS.c.id).where(LETTERS.c.status == "OPEN", LETTERS.c.last_at <= before, *matching)
    return query.order_by(LETTERS.c.last_at, LETTERS.c.id)
