"""One Trigger at work: its lanes, its deliveries under way, its figures.

A lane is the window of the Trigger on its backlog: what is in flight, and where to read on.

An unordered Trigger has one lane with up to 50 events in flight, those that wait for a retry included (Kafka:
max.poll.records). An ordered one has a lane for each partition with one event in flight: the next starts when the
one before has ended with all its retries and its dead letter, and is on disk. As on a cluster, events of another
`partitionkey` wait as well if it falls into the same partition.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial

from broker.embedded.delivery import Outcome, Post, deliver
from broker.embedded.event_log import Log
from broker.embedded.http_post import Response
from broker.embedded.log_records import Attempt, StoredEvent
from broker.embedded.metrics import Durations
from broker.embedded.traces import Traces
from broker.embedded.triggers import Trigger

MAX_IN_FLIGHT = 50

logger = logging.getLogger(__name__)

# Writes what became of the delivery in (Trigger, lane), and the traceparent of its last attempt; returns when it is on
# disk.
Finish = Callable[["Subscription", int, StoredEvent, Outcome, str], Awaitable[None]]
# Has an attempt written down that was not the last one; returns at once.
Note = Callable[["Subscription", StoredEvent, Attempt], None]


class Lane:
    """New events are sent at once while there is room; only a lane that fell behind reads the database."""

    def __init__(
        self, trigger_id: int, number: int, limit: int, log: Log, start: Callable[[StoredEvent], None]
    ) -> None:
        self.in_flight = 0
        self._trigger_id = trigger_id
        self._number = number
        self._limit = limit
        self._log = log
        self._start = start
        self._position = 0  # offset of the last event that was sent
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


class Subscription:
    """Figures are counted since the start of the broker; only backlog and kept are what the database holds.

    Nobody but the engine changes kept.
    """

    def __init__(  # noqa: PLR0913 - what the engine lends it
        self,
        trigger: Trigger,
        trigger_id: int,
        *,
        log: Log,
        post: Post,
        finish: Finish,
        note: Note,
        traces: Traces | None = None,
    ) -> None:
        self.trigger = trigger
        self.trigger_id = trigger_id
        self.backlog = 0
        self.kept = 0
        self.durations = Durations()
        self._delivered = 0
        self._retries = 0
        self._dead_lettered = 0
        self._log = log
        self._post = post
        self._finish = finish
        self._note = note
        self._traces = traces
        self._lanes: dict[int, Lane] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self._stopping = False

    def go_on(self, waiting: dict[int, int]) -> None:
        """Starts with what is left from the last run; waiting: lane -> number of deliveries."""
        self.backlog = sum(waiting.values())
        for number in waiting:
            self._lane(number).catch_up()

    def offer(self, stored: StoredEvent) -> None:
        self.backlog += 1
        self._lane(stored.partition if self.trigger.ordered else 0).offer(stored)

    async def stop(self, grace: float) -> None:
        """Starts nothing more and gives up after grace seconds; the next run delivers what has not ended."""
        self._stopping = True
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    @property
    def labels(self) -> tuple[str, str]:
        """Of its metrics: the Trigger and its subscriber, by name."""
        return self.trigger.key, self.trigger.subscriber_name

    def figures(self) -> dict[str, int]:
        return {
            "backlog": self.backlog,
            "inFlight": sum(lane.in_flight for lane in self._lanes.values()),
            "delivered": self._delivered,
            "retries": self._retries,
            "deadLettered": self._dead_lettered,
            "kept": self.kept,
        }

    def _lane(self, number: int) -> Lane:
        if number not in self._lanes:
            limit = 1 if self.trigger.ordered else MAX_IN_FLIGHT
            self._lanes[number] = Lane(self.trigger_id, number, limit, self._log, partial(self._start, number))
        return self._lanes[number]

    def _start(self, lane: int, stored: StoredEvent) -> None:
        if self._stopping:
            return
        task = asyncio.create_task(self._deliver(lane, stored))
        self._under_way.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # A mistake in this program: the event stays in the log and is delivered again after the next start.
            logger.critical("%s: a delivery broke off", self.trigger.key, exc_info=error)

    async def _deliver(self, lane: int, stored: StoredEvent) -> None:
        key, name = self.trigger.key, self.trigger.subscriber_name
        trace = self._traces.delivery(stored, key, name) if self._traces else None
        outcome = await deliver(self.trigger, stored, self._measured, partial(self._failed, stored), trace)
        await self._finish(self, lane, stored, outcome, trace.latest if trace else "")
        if trace:
            trace.ended(time.time(), outcome.failure.reason if outcome.failure else None)
        self._count(outcome)
        self._lanes[lane].ended()

    async def _measured(self, url: str, head: bytes, body: bytes, timeout: float) -> Response:
        began = time.monotonic()
        try:
            return await self._post(url, head, body, timeout)
        finally:
            if url == self.trigger.subscriber:
                self.durations.add(time.monotonic() - began)

    def _failed(self, stored: StoredEvent, attempt: Attempt) -> None:
        self._retries += attempt.next_at is not None
        self._note(self, stored, attempt)

    def _count(self, outcome: Outcome) -> None:
        self.backlog -= 1
        if outcome.failure is None:
            self._delivered += 1
            return
        event_id = outcome.event.attributes["id"]
        if outcome.kept_because is None:
            self._dead_lettered += 1
            logger.warning("%s: %s dead-lettered: %s", self.trigger.key, event_id, outcome.failure.reason)
        else:
            logger.error("%s: %s kept: %s", self.trigger.key, event_id, outcome.kept_because)
