"""Somebody who watches the live board: its feed, read by a thread for as long as they watch."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests

from testbed.airline_under_test import AirlineUnderTest

FEED = "/board/feed"
AGAIN_AFTER = 1.0


@dataclass
class Watcher:
    """What a watcher has received. `streams` counts how often the feed began, `refusals` are answers without one."""

    functions: dict[str, Any] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    streams: int = 0
    refusals: list[str] = field(default_factory=list)

    def types(self, reservation: str) -> set[str]:
        """The types of the events of a reservation."""
        return {one["event"]["type"] for one in self.events if one["event"].get("correlationid") == reservation}

    def hearers(self) -> set[str]:
        """The functions that an event was delivered to."""
        triggers = {trigger for one in self.events for trigger in one["triggers"]}
        return {name for name, function in self.functions.items() if triggers & {*function["triggers"]}}

    def hear(self, message: dict[str, Any]) -> None:
        """One message of the feed."""
        if message["kind"] == "snapshot":
            self.streams += 1
        self.functions |= message.get("functions", {})
        known = {one["offset"] for one in self.events}
        self.events += [one for one in message.get("events", ()) if one["offset"] not in known]


@contextmanager
def watching(airline: AirlineUnderTest) -> Iterator[Watcher]:
    """Watches until the block ends, and comes again whenever the board ends a stream, as the page does."""
    watcher, gone = Watcher(), threading.Event()
    thread = threading.Thread(target=_watch, args=(airline, watcher, gone), name="watcher")
    thread.start()
    try:
        yield watcher
    finally:
        gone.set()
        thread.join()


def _watch(airline: AirlineUnderTest, watcher: Watcher, gone: threading.Event) -> None:
    while not gone.is_set():
        try:
            _stream(airline, watcher, gone)
        except requests.RequestException as error:
            watcher.refusals.append(str(error))
            time.sleep(AGAIN_AFTER)


def _stream(airline: AirlineUnderTest, watcher: Watcher, gone: threading.Event) -> None:
    """One stream; the board's heartbeat comes every five seconds, so its end is never far."""
    with airline.ask("GET", FEED, stream=True, headers={"Accept": "text/event-stream"}) as answer:
        answer.raise_for_status()
        for line in answer.iter_lines(chunk_size=None):
            if line.startswith(b"data: "):
                watcher.hear(json.loads(line.removeprefix(b"data: ")))
            if gone.is_set():
                return
