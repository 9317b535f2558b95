"""After the disturbances: everything comes to rest. Dead letters are replayed only if the run asks for it."""

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.reliability.restartable_laptop import RestartableLaptop

ADDED_BY_BROKERS = ("knativeerror", "knativekafka")


@dataclass
class Settled:
    """How it came to rest. letters counts by function and code what was given up on; rounds: how often it was sent
    again; not_at_rest is empty, if it did."""

    letters: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    seconds: float = 0.0
    not_at_rest: dict[str, int] = field(default_factory=dict)


def settle(laptop: RestartableLaptop, within: float, calm: float, *, replay: bool = True) -> Settled:
    """Waits until nothing was under way for `calm` seconds; with `replay`, dead letters are sent again."""
    settled, sent = Settled(), Counter[str]()
    began = quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < calm:
        if time.monotonic() - began > within:
            settled.not_at_rest = {what: count for what, count in under_way(laptop).items() if count}
            break
        busy = backlog(laptop) > 0
        letters = _unsent(laptop, sent) if replay and not busy else []
        if letters:
            settled.rounds += 1
            for name, event, where in letters:
                _send_again(laptop, event)
                sent[name] += 1
                settled.letters[where] += 1
        if busy or letters or any(under_way(laptop).values()):
            quiet_since = time.monotonic()
        time.sleep(0.2)
    settled.seconds = time.monotonic() - began - calm
    if not replay:
        settled.letters.update(where for _, _, where in _unsent(laptop, sent))
    return settled


def backlog(laptop: RestartableLaptop) -> int:
    """Deliveries that the broker still has to do."""
    status = requests.get(laptop.system.state["brokerStatus"], timeout=30).json()
    return sum(trigger["backlog"] for trigger in status["triggers"].values())


def latest_event(laptop: RestartableLaptop) -> int:
    """The offset of the newest event in the broker; 0 while the broker's log is away."""
    found = laptop.query("broker", "SELECT max(offset) FROM events")
    return int(found[0][0] or 0) if found else 0


def waiting(laptop: RestartableLaptop, until: int) -> int:
    """How many deliveries of events up to that offset have not ended."""
    found = laptop.query("broker", f"SELECT count(*) FROM deliveries WHERE offset <= {until}")
    return int(found[0][0]) if found else 0


def under_way(laptop: RestartableLaptop) -> dict[str, int]:
    """How much is not at its end in which table."""
    return {
        "deliveries": _count(laptop, "broker", "deliveries"),
        "reservations PENDING": _count(laptop, "reserve", "reservations WHERE status = 'PENDING'"),
        "reservations owed": _count(laptop, "reserve", "reservations WHERE owed_since IS NOT NULL"),
        "payments half done": _count(laptop, "payment", "payments WHERE status IN ('CHARGING', 'REFUNDING')"),
        "outbox of reserve": _count(laptop, "reserve", "outbox"),
        "outbox of payment": _count(laptop, "payment", "outbox"),
        # the next tick says so in an event, which may be on its way when the laptop is ended
        "settled, not reported": _count(laptop, "dashboard-projector", "reservations WHERE NOT reported"),
    }


def _count(laptop: RestartableLaptop, database: str, what: str) -> int:
    return int(laptop.query(database, f"SELECT count(*) FROM {what}")[0][0])


def _unsent(laptop: RestartableLaptop, sent: Counter[str]) -> list[tuple[str, dict[str, Any], str]]:
    """Dead letters, and events that not even the dead-letter sink took, since the last look."""
    found = []
    for identity, times, function, code, attributes, data in laptop.query(
        "dead-letters", "SELECT id, times, function, code, attributes, data FROM dead_letters"
    ):
        name = f"{identity} {times}"  # given up again is a new letter
        if not sent[name]:
            found.append(
                (
                    name,
                    json.loads(attributes) | {"data": json.loads(data)},
                    f"{laptop.names.get(function, function)} {code}",
                )
            )
    for identity, times, trigger, attributes, data in laptop.query(
        "broker", "SELECT id, times, trigger_key, attributes, data FROM kept"
    ):
        name = f"kept {identity} {times}"
        if not sent[name]:
            found.append((name, json.loads(attributes) | {"data": json.loads(data)}, f"kept {trigger}"))
    return found


def _send_again(laptop: RestartableLaptop, event: dict[str, Any]) -> None:
    original = {name: value for name, value in event.items() if not name.startswith(ADDED_BY_BROKERS)}
    headers = {"Content-Type": "application/cloudevents+json"}
    answer = requests.post(laptop.system.broker, json=original, headers=headers, timeout=30)
    assert answer.status_code == 202, f"the broker answered {answer.status_code} to a dead letter sent again"
