"""The board over HTTP: the feed (server-sent events, HTML Standard 9.2), and the deliveries that it is made of.

A stream ends after LONGEST and says so, and its reader comes again: it would otherwise hold on to the revision that it
began with, while the events go to a newer one. It also has to end before the timeoutSeconds of the Services that it
goes through, the gateway's among them.
"""

import functools
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http import HTTPStatus

from flask import Flask, Request, Response

from choreography import access, bodies, callers, logs, problems, tokens, wire
from choreography.contract import Access
from choreography.errors import Problem
from choreography.logs import log
from choreography.settings import cluster, settings
from following import Following, TooManyWatchers
from happenings import Happenings
from instances import Document

FEED = "/board/feed"
HEARTBEAT = 5.0  # seconds; one who has gone is noticed at the next one
PAUSE = 0.1  # seconds; what comes within is one message
LONGEST = 45.0  # seconds
OVER: Document = {"kind": "over"}
_app = Flask(__name__, static_folder=None)


def answer(request: Request) -> Response:
    """The feed, or an empty 204 for an event: whoever only looks on has nothing to say, and delays nobody."""
    logs.configure()
    bodies.guard(request)
    try:
        if request.method == "POST":
            return _heard(request)
        if request.path.rstrip("/") == FEED:
            return _feed(request)
        if request.path == callers.PROBE:
            return Response(status=HTTPStatus.NO_CONTENT)
        return problems.problem(HTTPStatus.NOT_FOUND, f"The board has nothing but {FEED}.")
    except Problem as error:
        return problems.refusal(error)
    except Exception as error:
        return problems.crash(error)


def _heard(request: Request) -> Response:
    callers.refuse_strangers(request)
    callers.refuse_forms(request)
    tokens.verify(request.headers)
    _following().happenings.heard(wire.read(request.headers, bodies.whole(request)))
    return Response(status=HTTPStatus.NO_CONTENT)


def _feed(request: Request) -> Response:
    callers.refuse_strangers(request)
    with _app.request_context(request.environ):  # where `access` keeps who asks
        access.admit(request, Access.OPERATORS)
    if request.method != "GET":
        refusal = problems.problem(HTTPStatus.METHOD_NOT_ALLOWED, "The feed can only be read.")
        refusal.headers["Allow"] = "GET"
        return refusal
    if request.query_string:
        return problems.problem(HTTPStatus.BAD_REQUEST, "The feed takes no parameters: everybody gets the same.")
    watching = ExitStack()
    try:
        happenings = watching.enter_context(_following().watching())
    except TooManyWatchers as error:
        return problems.problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
    log.info("GET %s", FEED)
    stream = Response(_messages(happenings), content_type="text/event-stream", headers={"Cache-Control": "no-store"})
    stream.call_on_close(watching.close)
    return stream


def _messages(happenings: Happenings) -> Iterator[bytes]:
    end = time.monotonic() + LONGEST
    number: int | None = None
    while (left := end - time.monotonic()) > 0:
        number, document = happenings.after(number, min(HEARTBEAT, left))
        yield _message(document) if document else b":\n\n"
        time.sleep(PAUSE)
    yield _message(OVER)


def _message(document: Document) -> bytes:
    """JSON has no line break outside of its strings, and escapes them inside."""
    return b"data: " + json.dumps(document, separators=(",", ":")).encode("ascii") + b"\n\n"


@functools.cache
def _following() -> Following:
    """Made at the first request, and not by an import."""
    return Following(cluster(), settings().service, Happenings())
