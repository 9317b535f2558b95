"""The window of one Trigger on its backlog: what is in flight, and where to read on.

An unordered Trigger has one lane with up to 50 events in flight, those that wait for a retry included (Kafka:
max.poll.records). An ordered one has a lane for each partition with one event in flight: the next starts when the
one before has ended with all its retries and its dead letter, and is on disk. As on a cluster, events of another
`partitionkey` wait as well if it falls into the same partition.
"""

import asyncio
from collections.abc import Callable

from broker.embedded.log import Log, StoredEvent

MAX_IN_FLIGHT = 50


class Lane:
    """New events go straight into flight while there is room; only a lane that fell behind reads the database."""

    def __init__(
        self, trigger_id: int, number: int, limit: int, log: Log, start: Callable[[StoredEvent], None]
    ) -> None:
        self.in_flight = 0
        self._trigger_id = trigger_id
        self._number = number
        self._limit = limit
        self._log = log
        self._start = start
        self._position = 0  # offset of the last event that went into flight
        self._behind = False
        self._refill_due = False

    def offer(self, stored: StoredEvent) -> None:
        """An event that was just written; events are offered in the order of the log."""
        if stored.offset <= self._position:
            return  # a refill has found it already
        if self._behind or self.in_flight >= self._limit:
            self._behind = True
            return
        self._take(stored)

    def catch_up(self) -> None:
        """Goes on with what the database holds."""
        self._behind = True
        self._refill()

    def ended(self) -> None:
        self.in_flight -= 1
        if self._behind and not self._refill_due:
            # Many deliveries end with one commit: one query is enough for all of them.
            self._refill_due = True
            asyncio.get_running_loop().call_soon(self._refill)

    def _refill(self) -> None:
        self._refill_due = False
        room = self._limit - self.in_flight
        if room <= 0:
            return
        events = self._log.next_deliveries(self._trigger_id, self._number, self._position, room)
        self._behind = len(events) == room
        for stored in events:
            self._take(stored)

    def _take(self, stored: StoredEvent) -> None:
        self._position = stored.offset
        self.in_flight += 1
        self._start(stored)
