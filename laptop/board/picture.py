"""Everything that the board shows now: what a watcher gets first."""

import time
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

MOST_EVENTS = 100
MOST_WAKINGS = 20  # of one function
MOST_MOMENTS = 600  # of how many functions were awake

Document = dict[str, Any]

_STATES = {"starting": "waking"}
"""As people call them; the other names are those of laptop/lifecycle.py."""


class Picture:
    """Changed by what the sources report; each change is the document for watchers, or None if nothing changed."""

    def __init__(self) -> None:
        self._functions: dict[str, Document] = {}
        self._awake: deque[tuple[int, int]] = deque(maxlen=MOST_MOMENTS)
        self._triggers: dict[str, Document] = {}
        self._events: deque[Document] = deque(maxlen=MOST_EVENTS)
        self._broker = False

    def snapshot(self) -> Document:
        """The state of everything."""
        return {
            "kind": "snapshot",
            "at": _now(),
            "functions": self._functions,
            "awake": list(self._awake),
            "broker": self._broker,
            "triggers": self._triggers,
            "events": list(self._events),
        }

    def services(self, services: Mapping[str, Any]) -> Document | None:
        """What state.json says about the services."""
        found = {name: _function(service) for name, service in services.items()}
        changed = {name: function for name, function in found.items() if self._functions.get(name) != function}
        if not changed:
            return None
        self._functions = found
        change: Document = {"kind": "changes", "at": _now(), "functions": changed}
        number = sum(function["instances"] > 0 for function in found.values())
        if not self._awake or self._awake[-1][1] != number:
            self._awake.append((time.time_ns() // 1_000_000, number))
            change["awake"] = [self._awake[-1]]
        return change

    def broker(self, message: Document) -> Document:
        """A message of the broker's feed. A snapshot of it changes everything."""
        self._broker = True
        self._events.extend(message["events"])
        if message["kind"] == "snapshot":
            self._triggers = message["triggers"]
            known = {event["offset"]: event for event in self._events}
            self._events = deque(known.values(), maxlen=MOST_EVENTS)
            return self.snapshot()
        self._triggers |= message["triggers"]
        return message

    def broker_away(self) -> Document | None:
        """The broker's feed has ended."""
        was, self._broker = self._broker, False
        return {"kind": "changes", "at": _now(), "broker": False} if was else None


def _function(service: Mapping[str, Any]) -> Document:
    return {
        "folder": service["folder"],
        "state": _STATES.get(service["state"], service["state"]),
        "since": service["since"],
        "instances": 0 if service["pid"] is None else 1,
        "starts": service["starts"],
        "wakings": service["wakings"][-MOST_WAKINGS:],
        "triggers": service["triggers"],
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
