"""What the board sends to those who watch: the state of everything, and what has changed since.

    {"kind": "snapshot", "at", "functions": {NAME: function}, "awake": [[MOMENT, NUMBER], ...], "runtime": BOOL,
        "broker": true, "triggers": {}, "events": [...]}
    {"kind": "changes", "at", ...}: of these, what has changed

These are the documents of a laptop's board (laptop/board), as far as a cluster can tell: it reports neither retries nor
backlogs nor dead letters, so `triggers` is empty and no message has `deliveries`. `runtime` is false while the
Kubernetes API does not answer. A function is as instances.py shows it. An event is {"offset", "at", "saidBy",
"triggers", "event"}: nobody says whose reply it was, so saidBy is null; `offset` only grows, also beyond the life of
this process. Data of more than MOST_DATA bytes are left out, and "dataBytes" says how many there are.
"""

import json
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from choreography import clock
from choreography.wire import Envelope
from hearers import wants
from instances import Document, Instances, Service, Thing, key_of

MOST_EVENTS = 100
MOST_MOMENTS = 600
MOST_CHANGES = 2000  # that a watcher may be behind, until another snapshot takes their place
MOST_DATA = 4096


class Happenings:
    """Fed by deliveries and by the Kubernetes API, read by all watchers: safe for threads."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._instances = Instances()
        self._triggers: tuple[Thing, ...] = ()
        self._events: deque[Document] = deque(maxlen=MOST_EVENTS)
        self._awake: deque[tuple[int, int]] = deque(maxlen=MOST_MOMENTS)
        self._runtime = False
        self._changes: deque[Document] = deque(maxlen=MOST_CHANGES)
        self._number = 0  # of changes ever
        self._offset = 0

    def heard(self, envelope: Envelope) -> None:
        """An event was delivered. Once more, after the first answer came too late, it is the same event."""
        with self._news:
            if any(_is_same(one["event"], envelope.attributes) for one in self._events):
                return
            self._offset = max(self._offset + 1, time.time_ns() // 1000)
            attributes = {name: value for name, value in envelope.attributes.items() if not name.startswith("knative")}
            hearers = sorted(key_of(one) for one in self._triggers if wants(one["spec"], attributes))
            event = {
                "offset": self._offset,
                "at": clock.text(clock.now()),
                "saidBy": None,
                "triggers": hearers,
                **_shown(attributes, envelope.data),
            }
            self._events.append(event)
            self._tell({"events": [event]})

    def looked(self, services: dict[str, Service], triggers: tuple[Thing, ...], pods: Iterable[Thing]) -> None:
        """The Kubernetes API has answered with everything."""
        with self._news:
            self._triggers = triggers
            self._say(self._instances.looked(services, pods), runtime=True)

    def pod(self, kind: str, pod: Thing) -> None:
        """One has come, changed or gone."""
        with self._news:
            self._say(self._instances.changed(kind, pod), runtime=True)

    def away(self) -> None:
        """The Kubernetes API does not answer."""
        with self._news:
            self._say({}, runtime=False)

    def after(self, number: int | None, patience: float) -> tuple[int, Document | None]:
        """What there is after change `number`, in one document, and its last number; None if nothing comes in time.

        None as `number`, and one that is too old, get the state of everything.
        """
        with self._news:
            if number is not None and not self._news.wait_for(lambda: self._number > number, patience):
                return number, None
            if number is None or self._number - number > len(self._changes):
                return self._number, self._snapshot()
            missed = list(self._changes)[number - self._number :]
            return self._number, _together(missed)

    def _say(self, functions: Mapping[str, Document], *, runtime: bool) -> None:
        change: Document = {"functions": dict(functions)} if functions else {}
        if runtime != self._runtime:
            self._runtime = change["runtime"] = runtime
        number = self._instances.awake()
        if functions and (not self._awake or self._awake[-1][1] != number):
            self._awake.append((time.time_ns() // 1_000_000, number))
            change["awake"] = [self._awake[-1]]
        if change:
            self._tell(change)

    def _tell(self, change: Document) -> None:
        self._changes.append(change)
        self._number += 1
        self._news.notify_all()

    def _snapshot(self) -> Document:
        return {
            "kind": "snapshot",
            "at": clock.text(clock.now()),
            "functions": self._instances.all(),
            "awake": list(self._awake),
            "runtime": self._runtime,
            "broker": True,
            "triggers": {},
            "events": list(self._events),
        }


def _is_same(event: Mapping[str, Any], attributes: Mapping[str, Any]) -> bool:
    return all(event[name] == attributes[name] for name in ("id", "source"))


def _together(changes: list[Document]) -> Document:
    """Several changes as one: lists are joined, of everything else the newest is kept."""
    made: Document = {"kind": "changes", "at": clock.text(clock.now())}
    for change in changes:
        for name, value in change.items():
            if isinstance(value, list):
                made[name] = made.get(name, []) + value
            elif isinstance(value, dict):
                made[name] = made.get(name, {}) | value
            else:
                made[name] = value
    return made


def _shown(attributes: Mapping[str, Any], data: Any) -> Document:
    """In the JSON format of CloudEvents, data that are not JSON left out like those that are too large."""
    if data is None:
        return {"event": dict(attributes)}
    size = len(data) if isinstance(data, bytes) else len(json.dumps(data, ensure_ascii=False).encode(errors="replace"))
    if isinstance(data, bytes) or size > MOST_DATA:
        return {"event": dict(attributes), "dataBytes": size}
    return {"event": {**attributes, "data": data}}
