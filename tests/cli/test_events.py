"""`airline events`: what is printed of the feed, and what comes of one that breaks off, repeats itself, or is not."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from client import feed
from tests.cli.conftest import Output
from tests.cli.fake_airline import FakeAirline

Typed = Callable[..., Output]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(feed, "AGAIN_AFTER", 0.0)
    return iter(())


def event(offset: int, **more: Any) -> dict[str, Any]:
    about = {"id": f"e{offset}", "type": "Paid", "correlationid": "TRIP1", **more}
    return {
        "offset": offset,
        "at": "2026-11-28T09:00:00+00:00",
        "saidBy": None,
        "triggers": ["a/confirm"],
        "event": about,
    }


def snapshot(*offsets: int, broker: bool = True) -> dict[str, Any]:
    return {"kind": "snapshot", "broker": broker, "events": [event(offset) for offset in offsets]}


def change(*offsets: int) -> dict[str, Any]:
    return {"kind": "changes", "events": [event(offset) for offset in offsets]}


def offsets(said: Output) -> list[int]:
    return [json.loads(line)["offset"] for line in said.out.splitlines()]


def test_the_newest_events_are_listed_once_the_broker_has_reported_them(fake: FakeAirline, typed: Typed) -> None:
    fake.feeds = [[snapshot(broker=False), snapshot(1, 2), change(3)]]

    said = typed("events", "--json")

    assert (said.code, offsets(said)) == (0, [1, 2])


def test_a_feed_that_breaks_off_is_followed_further_and_no_event_is_printed_twice(
    fake: FakeAirline, typed: Typed
) -> None:
    fake.feeds = [[snapshot(1, 2), change(3)], [snapshot(2, 3, 4), change(), change(5)]]

    said = typed("events", "--follow", "--json")

    assert offsets(said) == [1, 2, 3, 4, 5]
    assert said.code == 2  # in the end nobody feeds any more


def test_a_line_shows_time_event_reservation_and_who_hears_it(fake: FakeAirline, typed: Typed) -> None:
    about = event(1, data={"seatQty": 2, "name": "민수"})
    fake.feeds = [
        [{"kind": "snapshot", "broker": True, "events": [about, {**event(2), "triggers": [], "dataBytes": 9000}]}]
    ]

    first, second = typed("events").out.splitlines()

    assert first.split("  ", 1)[1].split() == [
        "Paid",
        "TRIP1",
        '{"seatQty":',
        "2,",
        '"name":',
        '"민수"}',
        "->",
        "confirm",
    ]
    assert second.endswith("9000 bytes  -> nobody")


def test_an_event_cannot_steer_the_terminal(fake: FakeAirline, typed: Typed) -> None:
    fake.feeds = [[{"kind": "snapshot", "broker": True, "events": [event(1, type="\x1b[2JPaid")]}]]

    assert "\x1b" not in typed("events").out


def test_an_airline_without_a_board_says_so(fake: FakeAirline, typed: Typed) -> None:
    fake.answers["board/feed"] = (404, {"detail": "nothing feeds a live board here: only a laptop has one"})

    said = typed("events", "--follow")

    assert (said.code, said.out) == (3, "")
    assert "nothing feeds a live board here" in said.err
