"""What a process does while the broker is away: no request waits for it, and a thread sends what the outbox holds.

An event is in the outbox before it is sent, so a request loses nothing by not sending it:

    closed  --a send fails-->  open  --the broker takes an event-->  closed

While it is open, and while a send takes longer than SLOW, requests leave their events to the thread. It is started
then, tries again with growing pauses, and ends when nothing waits. It is a daemon: it delays no SIGTERM. Where it dies,
or gets no CPU because its function fell asleep, housekeeping sends instead; a new process looks once for what is left.

It is made at the first send, never by an import: with WORKERS above 1, gunicorn forks after the import of main.py, and
threads do not survive a fork.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from choreography.logs import log

SLOW = 0.1
"""Seconds after which a send is slow: the requests that come then do not join it."""
SLOT = 0.05
"""Seconds that a request waits for one of the places to send from."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0
"""Seconds until the thread tries again; doubled each time, give or take a quarter."""
FRUITLESS = 8
"""Rounds in a row without success after which rows that fail while the broker takes others are left to housekeeping."""
TELL_EVERY = 10.0
"""Seconds between two lines in the log. On a laptop they keep the function awake meanwhile."""


class Round(NamedTuple):
    """What one round of the thread has sent, and whether something is left to be tried again."""

    sent: int
    waiting: bool


@dataclass
class Relay:
    """The circuit of one process for one broker and one outbox; `work` is one round, called by the thread alone."""

    work: Callable[["Relay"], Round]
    places: int
    """Requests that may be sending at the same time: fewer than there are threads, or all could hang at once."""
    is_open: bool = False
    handed_over: set[str] = field(default_factory=set)
    """The events that requests have left to the thread."""
    _logged_at: float = 0.0
    has_looked: bool = False
    """Whether this process has looked for what an earlier one left behind."""
    _begun: float = field(default_factory=time.monotonic)
    _sending: dict[object, tuple[str, float]] = field(default_factory=dict)
    _wanted: bool = False
    _thread: threading.Thread | None = None
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _ending: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def turn(self, identity: str) -> Iterator[bool]:
        """Whether the caller sends this event itself. If not, the thread does, whose start may raise RuntimeError."""
        token = object()
        with self._changed:
            self._changed.wait_for(lambda: len(self._sending) < self.places or self._passes_by(), SLOT)
            goes = len(self._sending) < self.places and not self._passes_by()
            if goes:
                self._sending[token] = (identity, time.monotonic())
            else:
                self.handed_over.add(identity)
        if not goes:
            self.want()
        try:
            yield goes
        finally:
            with self._changed:
                self._sending.pop(token, None)
                self._changed.notify()

    def failed(self, identity: str | None = None) -> None:
        """The broker takes nothing, not even this event: opens the circuit, and starts the thread."""
        self.is_open = True
        if identity is not None:
            self.handed_over.add(identity)
        self.want()

    def accepted(self, identity: str) -> None:
        """The broker has taken this event."""
        self.is_open = False
        self.handed_over.discard(identity)

    def tell(self, sentence: str) -> None:
        """Logs what the thread is doing, every now and then."""
        if time.monotonic() - self._logged_at > TELL_EVERY:
            self._logged_at = time.monotonic()
            log.warning(sentence)

    def want(self) -> None:
        """Something waits: the thread is to make another round."""
        with self._changed:
            self._wanted = True
            if self._thread is None and not self._ending.is_set():
                thread = threading.Thread(target=self._run, name="relay", daemon=True)
                thread.start()  # may fail, and then the next one who wants it tries again
                self._thread = thread

    def sending(self) -> set[str]:
        """The events that requests are sending at this moment."""
        with self._changed:
            return {identity for identity, _ in self._sending.values()}

    @property
    def age(self) -> float:
        """Seconds since this process first had to do with the outbox."""
        return time.monotonic() - self._begun

    @property
    def ending(self) -> bool:
        """Whether the process is about to end."""
        return self._ending.is_set()

    def end(self, patience: float = 0.2) -> None:
        """Asks the thread to end, before the interpreter takes the streams away from it. It is not waited for long."""
        self._ending.set()
        thread = self._thread
        if thread is not None:
            thread.join(patience)

    def _passes_by(self) -> bool:
        now = time.monotonic()
        return self.is_open or any(now - since > SLOW for _, since in self._sending.values())

    def _run(self) -> None:
        pause, fruitless = FIRST_PAUSE, 0
        while not self._ending.is_set():
            with self._changed:
                self._wanted, handed_over = False, set(self.handed_over)
            done = self._round()
            if not done.waiting:  # what of them it has not sent itself, housekeeping has
                self.handed_over -= handed_over
            fruitless = 0 if done.sent or self.is_open else fruitless + 1
            if self._has_ended(done.waiting and fruitless < FRUITLESS):
                return
            pause = FIRST_PAUSE if done.sent else min(2 * pause, LONGEST_PAUSE)
            if self.is_open:
                self.tell("the broker is away: what the outbox holds is sent when it is back")
            self._ending.wait(pause * random.uniform(0.75, 1.25))  # noqa: S311 - no secret

    def _round(self) -> Round:
        try:
            return self.work(self)
        except Exception:  # whatever it is, the next round may do better
            log.exception("the outbox could not be sent")
            return Round(0, waiting=True)

    def _has_ended(self, waiting: bool) -> bool:
        # under the lock, so that no request counts on a thread that has just looked for the last time
        with self._changed:
            if waiting or self._wanted:
                return False
            self._thread, self.is_open = None, False
            return True
