"""Dead letters are replayed: sent to the broker again.

A replayed event is the one that failed, id and time included, so a function that had handled it recognizes it; only
what brokers add on the way is taken off. It goes to every Trigger that lets it pass, not just to the one that failed.
"""

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, bindparam, func, select, update

import letters
from airline.events import AIRLINE
from choreography import clock, logs, outbox, parallel, store, wire
from choreography.backlog import SENDERS
from choreography.columns import without_index
from choreography.errors import BrokerAway, Conflict, TryAgain
from choreography.logs import log
from letters import LETTERS

ADDED_BY_BROKERS = ("knativeerror", "knativekafka", "knativebrokerttl", "knativearrivaltime")
"""The prefix of the attributes that a broker adds (Knative: pkg/kncloudevents/attributes, the Kafka dispatcher)."""
MOST_AT_ONCE = 500
"""Letters of one call, which then takes seconds, not minutes."""
TOGETHER = 50
"""Letters that are decided by one commit once the broker has taken them; what is killed before sends them again."""
_OLDEST_FIRST = (LETTERS.c.last_at, LETTERS.c.id)


@dataclass(frozen=True, slots=True)
class Replay:
    """How many letters the broker took, and how many kept before `before` were not yet tried."""

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

    `before` is for the next call: it leaves out what came back since the first one, or the calls might never end.
    """
    before = before or clock.now()
    with store.reading() as connection:
        found = connection.execute(_open(wanted, before).limit(MOST_AT_ONCE)).scalars().all()
        total = connection.execute(select(func.count()).select_from(_open(wanted, before).subquery())).scalar_one()
    replayed = tried = 0
    refused: TryAgain | None = None
    for start in range(0, len(found), TOGETHER):
        some = found[start : start + TOGETHER]
        sending = _Sending(_still_open(some))
        sending.go()
        replayed += len(sending.sent)
        tried += len(some) - len(sending.letters)
        refused = sending.refused or refused
        if sending.away:  # and will be for the others
            break
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


@dataclass
class _Sending:
    """Letters that several threads send to the broker. Each takes the next of `letters`, and puts it into `sent`."""

    letters: list[Row[Any]]
    sent: list[Row[Any]] = field(default_factory=list)
    refused: TryAgain | None = None
    away: bool = False
    _one_by_one: threading.Lock = field(default_factory=threading.Lock)

    def go(self) -> None:
        """Sends as many as the broker takes, and decides them."""
        try:
            while not self.sent and self._send_next():  # one thread alone finds out whether the broker is there
                pass
            parallel.work(self._send_all, min(SENDERS, len(self.letters)))
        finally:
            _decide(self.sent)

    def _send_all(self) -> None:
        while self._send_next():
            pass

    def _send_next(self) -> bool:
        with self._one_by_one:
            letter = self.letters.pop(0) if self.letters and not self.away else None
        if letter is None:
            return False
        problem = _problem(letter)
        with self._one_by_one:
            self._note(letter, problem)
        return True

    def _note(self, letter: Row[Any], problem: Exception | None) -> None:
        if problem is None:
            self.sent.append(letter)
        elif isinstance(problem, BrokerAway):
            self.refused, self.away = problem, True
            self.letters.insert(0, letter)
        else:
            self.refused = problem if isinstance(problem, TryAgain) else self.refused
            trace = None if isinstance(problem, TryAgain) else problem
            log.warning("not replayed: %s", problem, extra={"fields": {"letter": letter.id}}, exc_info=trace)


def _problem(letter: Row[Any]) -> Exception | None:
    try:
        outbox.deliver(wire.pack(original(letter)))
    except Exception as error:  # a letter that cannot be read holds up none of those behind it
        return error
    return None


def _still_open(identities: Sequence[str]) -> list[Row[Any]]:
    is_open = without_index(LETTERS.c.status) == "OPEN"  # SQLite would look through all that are, as they are sorted
    query = select(LETTERS).where(LETTERS.c.id.in_(identities), is_open)
    with store.reading() as connection:
        return list(connection.execute(query.order_by(*_OLDEST_FIRST)))


def _send(letter: Row[Any]) -> None:
    outbox.deliver(wire.pack(original(letter)))
    _decide([letter])


_DECIDED = update(LETTERS).where(
    # by now it may have failed again: then it has come back as another time, and stays OPEN
    LETTERS.c.id == bindparam("letter"),
    LETTERS.c.times == bindparam("before"),
    LETTERS.c.status != "DISCARDED",
)


def _decide(sent: Sequence[Row[Any]]) -> None:
    if not sent:
        return
    same = [{"letter": letter.id, "before": letter.times} for letter in sent]
    decided = _DECIDED.values(status="REPLAYED", decided_at=clock.now())
    store.commit(lambda transaction: transaction.execute(decided, same))
    for letter in sent:
        with logs.about(**AIRLINE.about(letter.reservation_id), eventId=letter.event_id):
            log.info("replayed %s", letter.type)


def _open(wanted: Mapping[str, Any], before: datetime) -> Select[Any]:
    matching = [LETTERS.c[name] == value for name, value in wanted.items()]
    query = select(LETTERS.c.id).where(LETTERS.c.status == "OPEN", LETTERS.c.last_at <= before, *matching)
    return query.order_by(*_OLDEST_FIRST)
