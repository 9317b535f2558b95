"""The feed of the live board: everything that happens, as it happens (server-sent events, HTML Standard 9.2)."""

import json
import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import requests

from client.errors import Refused, Unreachable
from client.gateway import Airline, answered

PATH = "/board/feed"
AGAIN_AFTER = 1.0
"""Seconds until a feed that broke off is asked for again."""
TRIES = 5
"""In a row without an answer, until the airline is given up."""


def messages(airline: Airline) -> Iterator[dict[str, Any]]:
    """The messages, for ever: one with the state of everything, then each change, and the same again after a break.

    Raises Refused where nothing feeds a board, and Unreachable.
    """
    failures = 0
    while True:
        try:
            for message in _stream(airline):
                failures = 0
                yield message
        except Unreachable:
            failures += 1
            if failures == TRIES:
                raise
        time.sleep(AGAIN_AFTER)


def _stream(airline: Airline) -> Iterator[dict[str, Any]]:
    with answered(airline, "GET", PATH, {}, stream=True, headers={"Accept": "text/event-stream"}) as answer:
        if answer.status_code != HTTPStatus.OK:
            raise Refused(f"{PATH} is not a feed.", answer.status_code)
        try:
            for line in answer.iter_lines(chunk_size=None):
                if line.startswith(b"data: "):
                    yield json.loads(line.removeprefix(b"data: "))
        except requests.RequestException as error:
            raise Unreachable(f"The feed of {airline.url} broke off ({type(error).__name__}).") from error
