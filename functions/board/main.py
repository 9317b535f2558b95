"""The function of board: wiring only. board_http.py answers, following.py asks Kubernetes, happenings.py remembers."""

from choreography import serving

serving.begin()
# ruff: noqa: E402 - what follows is most of a start

import functions_framework
from flask import Request
from flask.typing import ResponseReturnValue

import board_http

serving.prepare()


@functions_framework.http
def board(request: Request) -> ResponseReturnValue:
    """GET /board/feed -> what happens, as it happens; every event, delivered to any other path -> nothing."""
    return board_http.answer(request)
