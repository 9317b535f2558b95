"""The broker itself: events come in, go to the log, and from there to every Trigger whose filter wants them."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from broker.embedded.delivery import Outcome, Post
from broker.embedded.event import MAX_BYTES, Event
from broker.embedded.event_log import Log
from broker.embedded.group_commit import GroupCommit
from broker.embedded.happenings import Happenings
from broker.embedded.log_records import Appended, Attempt, KeptEvent, Origin, StoredEvent
from broker.embedded.lookup import look_up
from broker.embedded.metrics import Types, exposition
from broker.embedded.subscription import Subscription
from broker.embedded.traces import Traces
from broker.embedded.triggers import Manifests

GRACE = 1.0  # seconds for deliveries under way when the broker stops, as class Kafka gives them at a rebalance
PRUNE_EVERY = 500  # new events
PRUNE_AT_MOST = 2000  # events in one transaction, which others wait for

logger = logging.getLogger(__name__)


class UnknownBrokerError(LookupError):
    """No Broker is served at this path."""


class TooLargeError(ValueError):
    """The event is larger than Kafka takes."""


class NotKeptError(LookupError):
    """No event is kept under this number, or its Trigger is gone."""


@dataclass(frozen=True)
class Retention:
    """How long, and how many, events stay that all Triggers are through with; as many failed attempts may stay.

    kept: how many events that nobody took are kept; of more, the oldest are lost, and the log says so.
    """

    milliseconds: int = 3_600_000
    events: int = 100_000
    kept: int = 10_000


class Engine:
    """All but the constructor needs a running event loop, and happens on its thread."""

    def __init__(
        self, manifests: Manifests, log: Log, post: Post, retention: Retention, traces: Traces | None = None
    ) -> None:
        self._log = log
        self._traces = traces
        self._retention = retention
        self._since_prune = 0
        self._types = Types()
        self._commit = GroupCommit(log, self._announce)
        self._happenings = Happenings(self._figures)
        self.feed = self._happenings.feed
        ids = log.register_triggers((trigger.key, trigger.ordered) for trigger in manifests.triggers)
        self._subscriptions = {
            ids[trigger.key]: Subscription(
                trigger, ids[trigger.key], log=log, post=post, finish=self._finish, note=self._note, traces=traces
            )
            for trigger in manifests.triggers
        }
        self._by_broker = {broker.path: self._by_type(broker.path) for broker in manifests.brokers}

    def _by_type(self, broker_path: str) -> dict[str | None, list[Subscription]]:
        """Those that may want an event, by its type; under None for any other type than these."""
        of_broker = [each for each in self._subscriptions.values() if each.trigger.broker_path == broker_path]
        types = {each.trigger.only_type for each in of_broker} | {None}
        return {type_: [each for each in of_broker if each.trigger.only_type in {type_, None}] for type_ in types}

    def start(self) -> None:
        """Goes on where the last run ended."""
        waiting: dict[int, dict[int, int]] = defaultdict(dict)
        for (trigger_id, lane), count in self._log.waiting().items():
            waiting[trigger_id][lane] = count
        kept = self._log.kept_counts()
        for trigger_id, subscription in self._subscriptions.items():
            subscription.kept = kept.get(subscription.trigger.key, 0)
            subscription.go_on(waiting[trigger_id])

    async def stop(self) -> None:
        await asyncio.gather(*(subscription.stop(GRACE) for subscription in self._subscriptions.values()))
        await self._commit.close()
        if self._traces:
            await asyncio.to_thread(self._traces.close)

    def serves(self, broker_path: str) -> bool:
        return broker_path in self._by_broker

    def publish(self, broker_path: str, event: Event, traceparent: str = "") -> asyncio.Future[None]:
        """Done when the event is on disk; fails with NotStoredError. `traceparent`: of the call that brings it.

        Raises UnknownBrokerError, TooLargeError.
        """
        if broker_path not in self._by_broker:
            raise UnknownBrokerError(broker_path)
        if event.record_bytes > MAX_BYTES:
            raise TooLargeError(f"{event.record_bytes} bytes, at most {MAX_BYTES} are taken")

        def change(log: Log) -> list[Appended]:
            log.check_room()
            return [self._append(broker_path, event, log, Origin(None, traceparent))]

        return self._commit.write(change)

    def status(self) -> dict[str, Any]:
        return {"triggers": self._figures(), "events": self._log.stored_events, "kept": self.kept_count()}

    def _figures(self) -> dict[str, dict[str, int]]:
        return {each.trigger.key: each.figures() for each in self._subscriptions.values()}

    def metrics(self) -> bytes:
        """What is counted, as Prometheus reads it."""
        oldest = self._log.oldest_waiting()
        return exposition(self._subscriptions.values(), oldest, self._types, self._log.stored_events)

    async def look_up(self, wanted: Mapping[str, str]) -> dict[str, Any]:
        """What became of the newest events with these attributes, see lookup."""
        return await asyncio.to_thread(look_up, self._log.path, wanted)

    def kept_count(self) -> int:
        """Of Triggers that are gone as well."""
        return sum(self._log.kept_counts().values())

    def kept_events(self, after: int, limit: int) -> list[KeptEvent]:
        return self._log.kept_events(after, limit)

    async def replay(self, kept_id: int) -> KeptEvent:
        """Delivers a kept event once more, to the Trigger that gave it up and to no other.

        It is kept until somebody takes it. Returns when the delivery is on disk. Raises NotKeptError, NotStoredError.
        """
        kept = next(iter(self.kept_events(kept_id - 1, 1)), None)
        if kept is None or kept.id != kept_id:
            raise NotKeptError(f"no event is kept under the number {kept_id}")
        of = next((each for each in self._subscriptions.values() if each.trigger.key == kept.trigger), None)
        if of is None:
            raise NotKeptError(f"the Trigger {kept.trigger} is gone, so the event cannot be delivered")

        def change(log: Log) -> list[Appended]:
            log.check_room()
            return [log.append(kept.event.as_published(), [(of.trigger_id, of.trigger.ordered)])]

        await self._commit.write(change)
        return kept

    def _append(self, broker_path: str, event: Event, log: Log, origin: Origin) -> Appended:
        attributes, by_type = event.attributes, self._by_broker[broker_path]
        wanted = [
            (each.trigger_id, each.trigger.ordered)
            for each in by_type.get(attributes["type"], by_type[None])
            if each.trigger.accepts(attributes)
        ]
        appended = log.append(event, wanted)
        appended.origin = origin
        return appended

    def _announce(self, appended: Appended) -> None:
        wanting = [self._subscriptions[trigger_id] for trigger_id in appended.trigger_ids]
        self._happenings.accepted(appended.stored, [each.trigger.key for each in wanting], appended.origin.said_by)
        self._types.add(appended.stored.event.attributes["type"])
        if self._traces:
            self._traces.accepted(appended)
        for each in wanting:
            each.offer(appended.stored)
        self._since_prune += 1
        if self._since_prune >= PRUNE_EVERY:
            self._since_prune = 0
            self._commit.begin_writing(self._prune)

    async def _finish(
        self, of: Subscription, lane: int, stored: StoredEvent, outcome: Outcome, traceparent: str
    ) -> None:
        """The end of a delivery and its reply are one transaction: the reply is in the log if and only if it ended."""

        def change(log: Log) -> list[Appended]:
            log.delivered(of.trigger_id, lane, stored.offset)
            if outcome.last is not None:
                log.attempted(of.trigger_id, stored.offset, outcome.last, outcome.ending)
            if outcome.kept_because is not None:
                log.keep(of.trigger.key, stored.offset, outcome.event, outcome.kept_because)
            elif of.kept:
                log.no_longer_kept(of.trigger.key, outcome.event)
            if outcome.reply is None:
                return []
            return [self._append(of.trigger.broker_path, outcome.reply, log, Origin(of.trigger.key, traceparent))]

        urgent = outcome.reply is not None or of.trigger.ordered
        await self._commit.write_surely(change, urgent=urgent)
        if of.kept or outcome.kept_because is not None:
            of.kept = self._log.kept_counts().get(of.trigger.key, 0)
        self._happenings.ended(of.trigger.key, stored, outcome)

    def _note(self, of: Subscription, stored: StoredEvent, attempt: Attempt) -> None:
        def change(log: Log) -> list[Appended]:
            log.attempted(of.trigger_id, stored.offset, attempt)
            return []

        self._commit.begin_writing(change)
        self._happenings.failed(of.trigger.key, stored, attempt)

    def _prune(self, log: Log) -> list[Appended]:
        log.prune(self._retention.milliseconds, self._retention.events, PRUNE_AT_MOST)
        if lost := log.prune_kept(self._retention.kept):
            logger.error("%d kept events were dropped: no more than %d are kept", lost, self._retention.kept)
        return []
