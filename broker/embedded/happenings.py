"""What happens in the broker, for whoever watches (`GET /-/feed`).

    {"kind": "snapshot", "at", "triggers": {KEY: figures}, "events": the newest}
    {"kind": "changes", "at", "triggers": {KEY: figures} of those that changed, "events": [...], "deliveries": [...]}

An event is {"offset", "at", "saidBy", "triggers", "event"}: saidBy is the Trigger to whose delivery it was the reply,
or null; triggers are those that want it; event is in the CloudEvents JSON format. Data of more than MOST_DATA bytes are
left out, and "dataBytes" says how many there are.

A delivery is {"offset", "trigger", "type", "state", "attempt", "failure", "nextAt"}: state is retrying, delivered,
dead-lettered or kept. Times are ISO 8601. Changes that come within PAUSE are one message; with nobody watching nothing
is made of them.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from broker.embedded.delivery import Outcome
from broker.embedded.event import Event, to_structured
from broker.embedded.feed import Feed
from broker.embedded.log_records import Attempt, StoredEvent

PAUSE = 0.1  # seconds
MOST_IN_ONE = 500  # events and deliveries in one message
MOST_RECENT = 100  # events in a snapshot
MOST_DATA = 4096  # bytes of one event

Figures = Callable[[], dict[str, dict[str, int]]]


class _Accepted(NamedTuple):
    """at: seconds since 1970."""

    at: float
    offset: int
    said_by: str | None
    triggers: Sequence[str]
    event: Event
    data_bytes: int

    def document(self) -> dict[str, Any]:
        left_out = {"dataBytes": self.data_bytes} if self.data_bytes > MOST_DATA else {}
        return {
            "offset": self.offset,
            "at": _time(self.at),
            "saidBy": self.said_by,
            "triggers": self.triggers,
            "event": to_structured(self.event),
            **left_out,
        }


class Happenings:
    """figures: those of all Triggers by their keys."""

    def __init__(self, figures: Figures) -> None:
        self.feed = Feed(self._snapshot)
        self._figures = figures
        self._recent: deque[_Accepted] = deque(maxlen=MOST_RECENT)
        self._events: list[dict[str, Any]] = []
        self._deliveries: list[dict[str, Any]] = []
        self._touched: set[str] = set()
        self._due: asyncio.TimerHandle | None = None

    def accepted(self, stored: StoredEvent, triggers: Sequence[str], said_by: str | None) -> None:
        """An event is on disk."""
        size = len(stored.event.data or b"")
        event = Event(stored.event.attributes, None) if size > MOST_DATA else stored.event
        accepted = _Accepted(time.time(), stored.offset, said_by, triggers, event, size)
        self._recent.append(accepted)
        if self.feed.watchers:
            self._events.append(accepted.document())
            self._touch(*triggers)

    def failed(self, trigger: str, stored: StoredEvent, attempt: Attempt) -> None:
        """An attempt that was not the last one."""
        if self.feed.watchers:
            self._deliver(trigger, stored, "retrying", attempt)

    def ended(self, trigger: str, stored: StoredEvent, outcome: Outcome) -> None:
        """A delivery, and its end is on disk."""
        if self.feed.watchers:
            reason = outcome.failure.reason if outcome.failure else None
            self._deliver(trigger, stored, outcome.ending, outcome.last, reason)

    def _deliver(
        self, trigger: str, stored: StoredEvent, state: str, attempt: Attempt | None, reason: str | None = None
    ) -> None:
        self._deliveries.append(
            {
                "offset": stored.offset,
                "trigger": trigger,
                "type": stored.event.attributes["type"],
                "state": state,
                "attempt": attempt.number if attempt else 1,
                "failure": reason or (attempt.failure if attempt else None),
                "nextAt": _time(attempt.next_at) if attempt and attempt.next_at else None,
            }
        )
        self._touch(trigger)

    def _touch(self, *triggers: str) -> None:
        self._touched.update(triggers)
        if len(self._events) + len(self._deliveries) >= MOST_IN_ONE:
            self._tell()
        elif self._due is None:
            self._due = asyncio.get_running_loop().call_later(PAUSE, self._tell)

    def _tell(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
        figures = self._figures()
        changed = {key: figures[key] for key in sorted(self._touched)}
        self.feed.publish(
            {
                "kind": "changes",
                "at": _time(time.time()),
                "triggers": changed,
                "events": self._events,
                "deliveries": self._deliveries,
            }
        )
        self._events, self._deliveries = [], []
        self._touched.clear()

    def _snapshot(self) -> dict[str, Any]:
        events = [accepted.document() for accepted in self._recent]
        return {"kind": "snapshot", "at": _time(time.time()), "triggers": self._figures(), "events": events}


def _time(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
