"""The story of one reservation: how long after its cause each event was said, and what the saga waits for now.

What it waits for follows from the events alone; nobody keeps a state of the saga.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from choreography import clock


@dataclass(frozen=True, slots=True)
class Wait:
    """The policy whose word is missing, and the moment of the event that it has to hear."""

    function: str
    since: datetime


def waits(said: Mapping[str, datetime]) -> list[Wait]:
    """What a saga waits for, from the types of its events and when each was said; nothing where it ended."""
    if "ReservationCanceled" in said:
        return list(_compensation(said))
    step = _next_step(said)
    return [step] if step else []


def _next_step(said: Mapping[str, datetime]) -> Wait | None:
    for refusal in ("SeatsSoldOut", "PaymentFailed"):
        if refusal in said:
            return Wait("cancel-reservation", said[refusal])
    if "ReservationConfirmed" in said:
        return None
    if "Paid" in said:
        return Wait("confirm-reservation", said["Paid"])
    if "RemainingSeatsDecreased" in said:
        return Wait("charge-payment", said["RemainingSeatsDecreased"])
    return Wait("decrease-seats", said["ReservationPlaced"]) if "ReservationPlaced" in said else None


def _compensation(said: Mapping[str, datetime]) -> Iterator[Wait]:
    answers = (
        ("restore-seats", {"RemainingSeatsIncreased", "SeatsNotHeld"}),
        ("refund-payment", {"PaymentRefunded", "PaymentNotTaken"}),
    )
    for function, answer in answers:
        if not answer & said.keys():
            yield Wait(function, said["ReservationCanceled"])


def story(events: Sequence[Row[Any]], now: datetime) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The events as JSON has them, and what the saga waits for; `for` is seconds."""
    at = {event.id: event.said_at for event in events}
    waiting = waits({event.type: event.said_at for event in events})
    told = [_as_json(event, at.get(event.causation_id)) for event in events]
    return told, [{"function": wait.function, "for": _seconds(wait.since, now)} for wait in waiting]


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
