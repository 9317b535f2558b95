"""The broker's HTTP side: the ingress `POST /<namespace>/<broker>` and what the broker reports about itself.

Programs are answered and pages are not: any page in a browser of this machine can send to its port, and by a name that
leads here (DNS rebinding) it would be at home. 421 for a host that is not a name of this machine, 403 for a change that
a page asks for, 415 for what a form can send to /-/.

Ingress, as class Kafka: 202 the event is on disk; 400 no CloudEvent; 404 unknown broker; 405 not POST; 408 the body
does not come; 503 too large, or the disk does not take it. It never says 100 Continue: a client that waits for that
goes on after a wait of its own. What is plain has been taken in door before it comes here.

    GET /-/status                 {"triggers": {"<namespace>/<name>": {figures}}, "events": number stored}
    GET /-/feed                   what happens, as it happens: server-sent events; see happenings
    GET /-/deliveries?ATTRIBUTE=VALUE&...
        {"events": [{"id", "source", "type", "offset", "storedAt", "deliveries": [{"trigger", "state", "attempts"}]}],
        "more": whether there are older ones}; see lookup
    GET /-/kept?after=ID&limit=N
        {"kept": [{"id", "trigger", "offset", "keptAt", "times", "reason", "event"}], "total": how many there are},
        oldest first, at most 1000
    POST /-/kept/ID/replay        202 with {"id", "trigger", "event"}: the event is delivered once more to the Trigger
        that gave it up, and kept until it is taken; 404 nothing is kept under this number, or the Trigger is gone
    GET /metrics                  what is counted, for Prometheus; see metrics
    GET /healthz                  204
"""

import asyncio
import json
import logging
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from broker.embedded import feed
from broker.embedded.engine import Engine, NotKeptError, TooLargeError
from broker.embedded.event import NotAnEvent, is_attribute_name, parse, to_structured
from broker.embedded.group_commit import NotStoredError
from broker.embedded.log_records import KeptEvent
from broker.embedded.metrics import CONTENT_TYPE
from broker.embedded.problems import problem

MAX_BODY = 4 * 1_048_576  # structured mode may take more than the event itself
OWN_NAMES = ("localhost", "127.0.0.1", "[::1]")
OF_A_FORM = ("text/plain", "multipart/form-data", "application/x-www-form-urlencoded")
LINGER = 2.0  # seconds for the rest of a body that was refused
BODY_WITHIN = 10.0  # seconds; after a broken chunk in a later packet aiohttp 3.14 would wait for ever
MOST_KEPT = 1000  # in one answer
MOST_WANTED = 16  # attributes in one question
LONGEST_WANTED = 1024  # characters of a name or a value
LONGEST_REASON = 200  # characters in the log
_NUMBER = re.compile(r"[0-9]{1,18}")  # what SQLite takes as a number
_REPLAY = re.compile(r"/-/kept/([0-9]{1,18})/replay")

logger = logging.getLogger(__name__)


def http_server(engine: Engine) -> web.Server:
    """To be given to `loop.create_server`. The low-level server: no routes, no middleware, half the time."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if refused := _stranger(request):
            return refused
        if replay := _REPLAY.fullmatch(path):
            return await _replay(engine, replay[1]) if request.method == "POST" else _not_allowed("POST")
        if path.startswith("/-/") or path in {"/healthz", "/metrics"}:
            return await _tell(engine, request) if request.method in {"GET", "HEAD"} else _not_allowed("GET, HEAD")
        if request.method != "POST":
            return web.Response(status=405)
        if not engine.serves(path):
            return web.Response(status=404)
        return await _publish(engine, request)

    logging.getLogger("aiohttp.server").addFilter(_in_one_line)
    # The body is kept as it was sent: as in Knative's, nothing is unpacked.
    return web.Server(handle, request_factory=_request, access_log=None, auto_decompress=False, lingering_time=LINGER)


def _in_one_line(record: logging.LogRecord) -> bool:
    """What cannot be read is its sender's mistake, of which aiohttp would log a traceback."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError):
        reason = " ".join(error.message.split())[:LONGEST_REASON]
        record.msg, record.args, record.exc_info = "a request could not be read: %s", (reason,), None
        record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
    return True


def comes_by_an_own_name(host: str) -> bool:
    """Whether that is a name of this machine, with or without a port."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdecimal() else host).lower() in OWN_NAMES


def _stranger(request: web.BaseRequest) -> web.Response | None:
    """The refusal of a page of a browser: it comes by a name that leads here, or it wants to change something."""
    if not comes_by_an_own_name(request.host):
        return web.Response(status=421, text="this broker answers to localhost and 127.0.0.1")
    of_a_page = "Origin" in request.headers or request.headers.get("Sec-Fetch-Site", "none") != "none"
    if of_a_page and request.method not in {"GET", "HEAD", "OPTIONS"}:
        return web.Response(status=403, text="no page may change anything here")
    if request.path.startswith("/-/") and request.content_type in OF_A_FORM:
        return web.Response(status=415, text="what a form sends is not taken here")
    return None


async def _publish(engine: Engine, request: web.BaseRequest) -> web.Response:
    try:
        async with asyncio.timeout(BODY_WITHIN):
            body = await request.read()
        event = parse(request.headers.items(), body)
        await engine.publish(request.path, event, request.headers.get("traceparent", ""))
    except NotAnEvent as error:
        return web.Response(status=400, text=str(error))
    except TimeoutError:
        return web.Response(status=408, headers={"connection": "close"})
    except ConnectionResetError:
        return web.Response(status=400)  # the publisher is gone before its body was here
    except (web.HTTPRequestEntityTooLarge, TooLargeError, NotStoredError) as error:
        logger.warning("refused an event for %s: %s", request.path, error)
        return web.Response(status=503, text=str(error))
    return web.Response(status=202)


async def _tell(engine: Engine, request: web.BaseRequest) -> web.StreamResponse:
    match request.path:
        case "/-/feed":
            return await feed.answer(engine.feed, request)
        case "/-/status":
            return _json(engine.status())
        case "/-/deliveries":
            return await _deliveries(engine, request)
        case "/-/kept":
            return _kept(engine, request)
        case "/healthz" | "/metrics" as path:
            return _plainly(engine, path)
    return problem(HTTPStatus.NOT_FOUND, "the broker has nothing at this address")


def _plainly(engine: Engine, path: str) -> web.Response:
    if path == "/healthz":
        return web.Response(status=204)
    return web.Response(body=engine.metrics(), headers={"content-type": CONTENT_TYPE})


async def _deliveries(engine: Engine, request: web.BaseRequest) -> web.Response:
    wanted = dict(request.query)
    if len(request.query) > MOST_WANTED or len(wanted) < len(request.query):
        return problem(HTTPStatus.BAD_REQUEST, f"at most {MOST_WANTED} attributes can be asked for, each once")
    if any(len(name) > LONGEST_WANTED or len(value) > LONGEST_WANTED for name, value in wanted.items()):
        return problem(HTTPStatus.BAD_REQUEST, f"an attribute is asked for with at most {LONGEST_WANTED} characters")
    if not all(map(is_attribute_name, wanted)):
        return problem(HTTPStatus.BAD_REQUEST, "events are looked up by attributes, whose names have only a-z and 0-9")
    return _json(await engine.look_up(wanted))


def _kept(engine: Engine, request: web.BaseRequest) -> web.Response:
    after, limit = request.query.get("after", "0"), request.query.get("limit", "100")
    if not (_NUMBER.fullmatch(after) and _NUMBER.fullmatch(limit)):
        return problem(HTTPStatus.BAD_REQUEST, "after and limit must be whole numbers from 0 on")
    found = engine.kept_events(int(after), min(int(limit), MOST_KEPT))
    return _json({"kept": list(_kept_documents(found)), "total": engine.kept_count()})


async def _replay(engine: Engine, number: str) -> web.Response:
    if number.startswith("0"):  # each has one address, and the first is 1
        return problem(HTTPStatus.NOT_FOUND, f"no event is kept under the number {number}")
    try:
        kept = await engine.replay(int(number))
    except NotKeptError as error:
        return problem(HTTPStatus.NOT_FOUND, str(error))
    except NotStoredError as error:
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
    said = {"id": kept.id, "trigger": kept.trigger, "event": to_structured(kept.event)}
    return _json(said, HTTPStatus.ACCEPTED)


def _kept_documents(kept: Iterable[KeptEvent]) -> Iterable[dict[str, Any]]:
    for each in kept:
        yield {
            "id": each.id,
            "trigger": each.trigger,
            "offset": each.offset,
            "keptAt": datetime.fromtimestamp(each.kept_at, UTC).isoformat(),
            "times": each.times,
            "reason": each.reason,
            "event": to_structured(each.event),
        }


def _json(document: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    return web.Response(status=status, text=json.dumps(document), content_type="application/json")


def _not_allowed(methods: str) -> web.Response:
    answer = problem(HTTPStatus.METHOD_NOT_ALLOWED, f"only {methods} is answered here")
    answer.headers["allow"] = methods
    return answer


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MAX_BODY)
