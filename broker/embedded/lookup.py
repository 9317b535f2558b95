"""What became of events: the Triggers that wanted each, and every attempt that was not at once the last.

| state | |
|---|---|
| waiting | not tried yet, or the first attempt is under way |
| retrying | an attempt failed; nextAt: when the next is due, or was if it is under way; null: the sink is tried |
| delivered | taken; without attempts: at the first one |
| dead-lettered | the dead-letter sink took it |
| kept | nobody took it |

Read from the log's file through a connection of its own, in any thread: no delivery waits for it. Events are found by
`correlationid` through an index, by other attributes by going through the whole log.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from broker.embedded.event_log import CORRELATION
from broker.embedded.log_records import Attempt

MOST_EVENTS = 500

_EVENTS = "SELECT offset, stored_at, attributes FROM events"
_WANTED = """
SELECT e.offset, t.id, t.key, EXISTS (
    SELECT 1 FROM deliveries d
    WHERE d.trigger_id = t.id AND d.lane = CASE WHEN t.ordered THEN e.partition ELSE 0 END AND d.offset = e.offset)
FROM events e JOIN json_each(e.wanted) w JOIN triggers t ON t.id = w.value"""
_ATTEMPTS = "SELECT offset, trigger_id, ending, number, to_sink, began_at, ended_at, failure, next_at FROM attempts"


def look_up(log: Path, wanted: Mapping[str, str]) -> dict[str, Any]:
    """The newest MOST_EVENTS with these attributes, oldest first, and whether there are more.

    The same event taken twice is there twice. Times are ISO 8601.
    """
    with closing(sqlite3.connect(f"{log.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)) as connection:
        connection.execute("BEGIN")  # everything as it was at one moment
        rows = _events(connection, wanted)
        deliveries = _deliveries(connection, [offset for offset, _, _ in rows])
    found = [_event(*row, deliveries[row[0]]) for row in reversed(rows[:MOST_EVENTS])]
    return {"events": found, "more": len(rows) > MOST_EVENTS}


def _events(connection: sqlite3.Connection, wanted: Mapping[str, str]) -> list[tuple[int, int, str]]:
    tests, values = [], []
    for name, value in wanted.items():
        tests.append("correlation = ?" if name == CORRELATION else "json_extract(attributes, ?) = ?")
        values += [value] if name == CORRELATION else [f"$.{name}", value]
    where = f" WHERE {' AND '.join(tests)}" if tests else ""
    query = f"{_EVENTS}{where} ORDER BY offset DESC LIMIT ?"
    return connection.execute(query, (*values, MOST_EVENTS + 1)).fetchall()


def _deliveries(connection: sqlite3.Connection, offsets: list[int]) -> dict[int, list[dict[str, Any]]]:
    these = f" WHERE offset IN ({','.join(map(str, offsets))})"
    attempts = defaultdict(list)
    for offset, trigger_id, ending, *attempt in connection.execute(f"{_ATTEMPTS}{these} ORDER BY began_at"):
        attempts[offset, trigger_id].append((ending, Attempt(*attempt)))
    deliveries = defaultdict(list)
    for offset, trigger_id, trigger, waits in connection.execute(f"{_WANTED}{these} ORDER BY t.key"):
        deliveries[offset].append({"trigger": trigger, **_delivery(waits, attempts[offset, trigger_id])})
    return deliveries


def _event(offset: int, stored_at: int, attributes: str, deliveries: Sequence[Any]) -> dict[str, Any]:
    event = json.loads(attributes)
    names = {name: event[name] for name in ("id", "source", "type")}
    return {**names, "offset": offset, "storedAt": _time(stored_at / 1000), "deliveries": deliveries}


def _delivery(waits: bool, attempts: Sequence[tuple[str | None, Attempt]]) -> dict[str, Any]:
    reported = [_attempt(attempt) for _, attempt in attempts]
    if waits:
        last = {"state": "retrying", "nextAt": reported[-1]["nextAt"]} if reported else {"state": "waiting"}
        return {**last, "attempts": reported}
    # without an ending: the broker was killed between two attempts, and the first one of its next run was the last
    ending = attempts[-1][0] if attempts else None
    return {"state": ending or "delivered", "attempts": reported}


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "to": "dead-letter sink" if attempt.to_sink else "subscriber",
        "at": _time(attempt.began_at),
        "seconds": round(attempt.ended_at - attempt.began_at, 3),
        "failure": attempt.failure,
        "nextAt": _time(attempt.next_at),
    }


def _time(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
