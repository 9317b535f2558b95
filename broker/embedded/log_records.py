"""What the log holds, as values: events with their place in it, attempts to deliver them, and what nobody took.

Those that each delivery makes are tuples: a frozen dataclass takes three times as long to make.
"""

import time
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from broker.embedded.event import Event, binary_head

Ending = Literal["delivered", "dead-lettered", "kept"]


@dataclass(slots=True)
class StoredEvent:
    """delivered: as class Kafka delivers it, with its position in the log; head: its header lines, for all Triggers."""

    offset: int
    partition: int
    event: Event
    delivered: Event = field(init=False)
    head: bytes = field(init=False)

    def __post_init__(self) -> None:
        where = {"knativekafkapartition": str(self.partition), "knativekafkaoffset": str(self.offset)}
        self.delivered = self.event.with_extensions(where)
        self.head = binary_head(self.delivered)


class Origin(NamedTuple):
    """Where an event comes from. said_by: the Trigger to whose delivery it is the reply; sent_under: the traceparent of
    the call that brought it, empty for none.
    """

    said_by: str | None = None
    sent_under: str = ""


_UNKNOWN = Origin()


@dataclass(slots=True)
class Appended:
    """A new event of the log and the Triggers that want it. came_at: seconds since 1970."""

    stored: StoredEvent
    trigger_ids: tuple[int, ...]
    origin: Origin = _UNKNOWN
    came_at: float = field(default_factory=time.time)


class Attempt(NamedTuple):
    """One call of a subscriber or of its dead-letter sink.

    number: from 1, of the calls to the same; failure: None where it was taken; next_at: when the retry is due, None for
    no more. Moments are seconds since 1970.
    """

    number: int
    to_sink: bool
    began_at: float
    ended_at: float
    failure: str | None
    next_at: float | None = None


@dataclass(frozen=True)
class KeptEvent:
    """An event that a Trigger gave up on and no dead-letter sink took; once, with how many times that happened.

    kept_at: the last time, seconds since 1970; event: as the sink would have got it.
    """

    id: int
    trigger: str
    offset: int
    kept_at: float
    times: int
    reason: str
    event: Event
