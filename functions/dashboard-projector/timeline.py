"""The history of one reservation: how long after its cause each event came, and what the saga waits for now."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from airline.saga import waits
from choreography import clock


def story(events: Sequence[Row[Any]], now: datetime) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The events as JSON has them, and what the saga waits for; `for` is seconds."""
    at = {event.id: event.said_at for event in events}
    waiting = waits({event.type: event.said_at for event in events})
    shown = [_as_json(event, at.get(event.causation_id)) for event in events]
    return shown, [{"function": wait.function, "for": _seconds(wait.since, now)} for wait in waiting]


def _as_json(event: Row[Any], caused_at: datetime | None) -> dict[str, Any]:
    return {
        "id": event.id,
        "type": event.type,
        "source": event.source,
        "causationId": event.causation_id,
        "time": clock.text(event.said_at),
        "after": None if caused_at is None else _seconds(caused_at, event.said_at),
        "data": json.loads(event.data),
    }


def _seconds(start: datetime, end: datetime) -> float:
    return round((end - start).total_seconds(), 3)
