"""The board's side of HTTP: `GET /board/feed` and `GET /metrics`, for programs and for the gateway of this machine.

421 for a host that is not a name of this machine: a page could come by a name that leads here (DNS rebinding).
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler

from broker.embedded.feed import Feed, answer
from broker.embedded.problems import problem
from laptop.board.metrics import CONTENT_TYPE

PATH = "/board/feed"
METRICS = "/metrics"
OWN_NAMES = ("localhost", "127.0.0.1")


async def _nothing() -> bytes:
    return b""


def application(feed: Feed, measured: Callable[[], Awaitable[bytes]] = _nothing) -> web.Application:
    """Answers GET on PATH with the feed and on METRICS with what is `measured`, all else with problems (RFC 9457)."""

    async def watch(request: web.Request) -> web.StreamResponse:
        return await answer(feed, request)

    async def measure(_: web.Request) -> web.Response:
        return web.Response(body=await measured(), headers={"content-type": CONTENT_TYPE})

    made = web.Application(middlewares=[_refuse])
    made.router.add_get(PATH, watch, allow_head=False)
    made.router.add_get(METRICS, measure)
    return made


@web.middleware
async def _refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.host.partition(":")[0].lower() not in OWN_NAMES:
        return problem(HTTPStatus.MISDIRECTED_REQUEST, "this feed answers to localhost and 127.0.0.1")
    try:
        return await handler(request)
    except web.HTTPMethodNotAllowed:
        refusal = problem(HTTPStatus.METHOD_NOT_ALLOWED, "the feed can only be read")
        refusal.headers["allow"] = "GET"
        return refusal
    except web.HTTPNotFound:
        return problem(HTTPStatus.NOT_FOUND, f"the board has nothing but {PATH} and {METRICS}")
