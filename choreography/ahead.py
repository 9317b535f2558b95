"""Wake ahead: the functions that a saga will need start at the same time, and not one after the other.

Who begins sagas says so by an event of its own type (`Glossary.ahead`) when a saga begins. A policy says it as soon as
its process starts, too: nothing but the beginning of a saga starts it. What answers HTTP may be started by somebody who
only looks, and a look wakes nobody else. Triggers lead that event to those who are needed later: they answer 204
(policy.py), and are awake from then on.

It is only a hint. It is in no outbox, it is sent once, by a thread that nobody waits for, and at most once within the
setting WAKE_AHEAD. Where it is lost or comes twice, every function is still woken by the event that it works on.

A main.py calls `at_start` before its other imports. So nothing here imports SQLAlchemy or `requests`, which take most
of a start. Its thread holds no lock while it waits: with WORKERS above 1, gunicorn forks meanwhile.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from choreography import clock, logs, tokens, tracing, wire
from choreography.errors import BrokerAway
from choreography.events import Event, Glossary
from choreography.logs import log
from choreography.settings import Waking, traced, waking
from choreography.wire import Envelope

Word = Callable[[str, datetime], Event]
"""Makes the event, from the name of the Service that says it and the moment."""
TIMEOUT = 10.0
"""Seconds to connect and for each answer. Some brokers answer when their deliveries are over, which wake functions."""


@dataclass
class _Process:
    """When this process last announced that a saga is expected, by the monotonic clock."""

    said_at: float | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def takes_turn(self, pause: float) -> bool:
        """Whether it was not sent within the pause; then it counts as sent now."""
        with self.lock:
            now = time.monotonic()
            if self.said_at is not None and now - self.said_at < pause:
                return False
            self.said_at = now
            return True


_process = _Process()


def at_start(word: Word, *services: str) -> None:
    """Says that a saga is expected, if it is one of these Services that starts. Raises ValueError for a wrong setting.

    To be called before the other imports of main.py.
    """
    settings = waking()
    if settings.service in services:
        _say(word, settings)


def expect(word: Word) -> None:
    """Announces that a saga begins, unless it did so a moment ago or the broker is away. Returns at once."""
    from choreography import outbox  # noqa: PLC0415 - SQLAlchemy, see above

    if not outbox.is_away():
        _say(word, waking())


def only_wakes(envelope: Envelope, glossary: Glossary) -> bool:
    """Whether an event is there to wake whoever hears it, and asks for nothing else."""
    return envelope.type == glossary.ahead and envelope.source.startswith(glossary.sources)


def _say(word: Word, settings: Waking) -> None:
    if settings.sink is None or not settings.pause or not _process.takes_turn(settings.pause):
        return
    about = (word, settings.service, settings.sink, tracing.current())
    thread = threading.Thread(target=_send, args=about, name="ahead", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:  # no thread is available; the saga begins anyway
        _regret(error)


def _send(word: Word, service: str, sink: str, traceparent: str) -> None:
    try:
        expected = word(service, clock.now())
        event = wire.say(expected, f"{expected.glossary.sources}{service}", traceparent=traceparent)
        if not traceparent and traced():  # at the start of a process nothing is traced yet: the broker begins the trace
            del event["traceparent"]
        with tracing.sending(event) as added:
            headers, body = wire.message(event)
            status = _post(sink, {**headers, **added, **tokens.own()}, body)
    except (OSError, HTTPException, BrokerAway) as error:
        _regret(error)
    else:
        if status != HTTPStatus.ACCEPTED:
            _regret(f"the broker answered {status}")


def _post(sink: str, headers: dict[str, str], body: bytes) -> int:
    address = urlsplit(sink)
    connect = HTTPSConnection if address.scheme == "https" else HTTPConnection
    connection = connect(address.netloc, timeout=TIMEOUT)
    try:
        connection.request("POST", address.path or "/", body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def _regret(reason: object) -> None:
    logs.configure()
    log.warning("nobody was woken ahead, so each function of the saga wakes when it is needed: %s", reason)
