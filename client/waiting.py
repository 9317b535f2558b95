"""Waiting for what happens by events."""

import time
from collections.abc import Callable
from typing import Any

from client import gateway
from client.errors import Broken
from client.gateway import Airline

ENDED = ("SUCCEED", "CANCELED")
PAUSE = 0.1
"""Seconds between two looks."""


def until(look: Callable[[], Any], what: str, within: float, pause: float = PAUSE) -> Any:
    """The first true answer of `look`, asked every `pause` seconds. Raises Broken after `within` seconds."""
    deadline = time.monotonic() + within
    while not (found := look()):
        if time.monotonic() >= deadline:
            raise Broken(f"Not within {within:g} s: {what}.")
        time.sleep(pause)
    return found


def outcome(airline: Airline, reservation: str, within: float, pause: float = PAUSE) -> Any:
    """The reservation once it is SUCCEED or CANCELED. Raises Broken."""

    def ended() -> Any:
        found = gateway.get(airline, f"/reservations/{gateway.segment(reservation)}")
        return found if found["status"] in ENDED else None

    return until(ended, f"reservation {reservation} ends", within, pause)
