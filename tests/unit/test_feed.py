"""The feed of the broker and of the live board: what a watcher gets, and what a slow one costs."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from broker.embedded.event import Event
from broker.embedded.feed import MOST_WAITING, MOST_WATCHERS, Feed, TooManyWatchersError
from broker.embedded.happenings import MOST_DATA, MOST_IN_ONE, MOST_RECENT, Happenings
from broker.embedded.log_records import Attempt, StoredEvent
from laptop.board.picture import MOST_EVENTS, Picture


def read(message: bytes) -> dict[str, Any]:
    assert message.startswith(b"data: ")
    assert message.endswith(b"\n\n")
    document: dict[str, Any] = json.loads(message.removeprefix(b"data: "))
    return document


async def next_of(messages: AsyncIterator[bytes]) -> dict[str, Any]:
    return read(await asyncio.wait_for(anext(messages), 10))


def test_whoever_comes_gets_a_snapshot_and_then_each_change() -> None:
    async def watch() -> list[dict[str, Any]]:
        feed = Feed(lambda: {"kind": "snapshot"})
        with feed.watching() as messages:
            first = await next_of(messages)
            feed.publish({"kind": "changes", "text": "two\nlines, 좌석"})
            return [first, await next_of(messages)]

    assert asyncio.run(watch()) == [{"kind": "snapshot"}, {"kind": "changes", "text": "two\nlines, 좌석"}]


def test_who_reads_too_slowly_gets_a_snapshot_in_place_of_what_was_missed() -> None:
    async def watch() -> list[dict[str, Any]]:
        number = 0
        feed = Feed(lambda: {"snapshot": number})
        with feed.watching() as messages:
            await next_of(messages)
            for number in range(1, 20 * MOST_WAITING):
                feed.publish({"change": number})
            after = [await next_of(messages)]
            feed.publish({"change": "next"})
            return [*after, await next_of(messages)]

    assert asyncio.run(watch()) == [{"snapshot": 20 * MOST_WAITING - 1}, {"change": "next"}]


def test_a_quiet_feed_says_that_it_is_alive() -> None:
    async def watch() -> bytes:
        with Feed(dict, heartbeat=0.01).watching() as messages:
            await anext(messages)
            return await anext(messages)

    assert asyncio.run(watch()) == b":\n\n"


def test_a_limited_number_watch_at_once_and_one_who_leaves_makes_room() -> None:
    feed = Feed(dict)
    streams = [feed.watching() for _ in range(MOST_WATCHERS)]
    for stream in streams:
        stream.__enter__()

    with pytest.raises(TooManyWatchersError, match=str(MOST_WATCHERS)), feed.watching():
        pass
    streams[0].__exit__(None, None, None)
    with feed.watching():
        assert feed.watchers == MOST_WATCHERS


def test_a_feed_that_ends_ends_its_streams() -> None:
    async def watch() -> list[bytes]:
        feed = Feed(dict)
        with feed.watching() as messages:
            await anext(messages)
            asyncio.get_running_loop().call_soon(feed.leave)
            return [message async for message in messages]

    assert asyncio.run(watch()) == []


def stored(offset: int, data: bytes = b"{}") -> StoredEvent:
    attributes = {"specversion": "1.0", "id": f"e{offset}", "source": "/test", "type": "Paid"}
    return StoredEvent(offset, 0, Event({**attributes, "datacontenttype": "application/json"}, data))


def figures() -> dict[str, dict[str, int]]:
    return {"airline/a": {"delivered": 3}, "airline/b": {"delivered": 0}}


async def news_of(happenings: Happenings, happen: Any) -> dict[str, Any]:
    """What a watcher hears of it."""
    with happenings.feed.watching() as messages:
        await next_of(messages)
        happen()
        return await next_of(messages)


def test_an_event_is_reported_with_its_source_and_its_triggers() -> None:
    async def watch() -> dict[str, Any]:
        happenings = Happenings(figures)
        return await news_of(
            happenings, lambda: happenings.accepted(stored(7, b'{"seats": 2}'), ("airline/b",), "airline/a")
        )

    change = asyncio.run(watch())

    assert change["triggers"] == {"airline/b": {"delivered": 0}}
    assert [(one["offset"], one["saidBy"], one["triggers"]) for one in change["events"]] == [
        (7, "airline/a", ["airline/b"])
    ]
    assert change["events"][0]["event"]["data"] == {"seats": 2}


def test_a_retry_is_reported_with_its_reason_and_the_next_attempt() -> None:
    async def watch() -> dict[str, Any]:
        happenings = Happenings(figures)
        attempt = Attempt(2, to_sink=False, began_at=1.0, ended_at=2.0, failure="status 500", next_at=60.0)
        return await news_of(happenings, lambda: happenings.failed("airline/a", stored(7), attempt))

    assert asyncio.run(watch())["deliveries"] == [
        {
            "offset": 7,
            "trigger": "airline/a",
            "type": "Paid",
            "state": "retrying",
            "attempt": 2,
            "failure": "status 500",
            "nextAt": "1970-01-01T00:01:00.000+00:00",
        }
    ]


def test_a_storm_comes_in_messages_of_bounded_size() -> None:
    async def watch() -> list[int]:
        happenings = Happenings(figures)

        def storm() -> None:
            for offset in range(2 * MOST_IN_ONE):
                happenings.accepted(stored(offset), ("airline/a",), None)

        with happenings.feed.watching() as messages:
            await next_of(messages)
            storm()
            return [len((await next_of(messages))["events"]) for _ in range(2)]

    assert asyncio.run(watch()) == [MOST_IN_ONE, MOST_IN_ONE]


def test_the_newest_events_are_remembered_without_their_large_data() -> None:
    async def watch() -> dict[str, Any]:
        happenings = Happenings(figures)
        for offset in range(3 * MOST_RECENT):
            happenings.accepted(stored(offset, b"1" * (MOST_DATA + 1)), (), None)
        with happenings.feed.watching() as messages:
            return await next_of(messages)

    events = asyncio.run(watch())["events"]

    assert [one["offset"] for one in events] == [*range(2 * MOST_RECENT, 3 * MOST_RECENT)]
    assert all("data" not in one["event"] and one["dataBytes"] == MOST_DATA + 1 for one in events)


def service(state: str, pid: int | None) -> Mapping[str, Any]:
    known = {"folder": "reserve", "since": "2026-11-28T09:00:00Z", "starts": 1, "wakings": [], "triggers": []}
    return {**known, "state": state, "pid": pid}


def test_the_picture_counts_who_is_awake_and_sends_only_what_has_changed() -> None:
    picture = Picture()

    picture.services({"reserve": service("asleep", None), "payment": service("asleep", None)})
    change = picture.services({"reserve": service("starting", 5), "payment": service("asleep", None)})
    again = picture.services({"reserve": service("starting", 5), "payment": service("asleep", None)})

    assert change is not None
    assert change["functions"].keys() == {"reserve"}
    assert (change["functions"]["reserve"]["state"], change["functions"]["reserve"]["instances"]) == ("waking", 1)
    assert again is None
    assert [number for _, number in picture.snapshot()["awake"]] == [0, 1]


def test_a_broker_that_comes_back_brings_no_event_twice() -> None:
    picture = Picture()
    events = [{"offset": offset} for offset in range(2 * MOST_EVENTS)]
    picture.broker({"kind": "snapshot", "triggers": {"a": {"retries": 1}}, "events": events[:50]})

    away, still = picture.broker_away(), picture.broker_away()
    back = picture.broker({"kind": "snapshot", "triggers": {"a": {"retries": 0}}, "events": events[40:60]})

    assert away is not None
    assert (away["broker"], still) == (False, None)
    assert (back["broker"], back["triggers"]) == (True, {"a": {"retries": 0}})
    assert [event["offset"] for event in back["events"]] == [*range(60)]
