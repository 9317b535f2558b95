"""A payment provider as a server of its own, on a free port, with faults between it and whoever calls."""

import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from testbed.listening import serving

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Fault = Callable[[Request, Callable[[], Response]], Response]
"""What happens instead of an answer: it is given the request, and what does the work and answers it."""


class BrokenOff(ConnectionError):
    """The connection is lost."""


def _break_off(request: Request) -> BrokenOff:
    request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    return BrokenOff()


def lost_before(request: Request, _: Callable[[], Response]) -> Response:
    """The provider never hears of it."""
    raise _break_off(request)


def lost_after(request: Request, work: Callable[[], Response]) -> Response:
    """The provider does it, and nobody hears of that."""
    work()
    raise _break_off(request)


def fails_before(_: Request, __: Callable[[], Response]) -> Response:
    """500, and nothing was done."""
    return Response("<h1>Oops</h1>", 500)


def fails_after(_: Request, work: Callable[[], Response]) -> Response:
    """502 of a proxy, although it was done."""
    work()
    return Response("<h1>Bad Gateway</h1>", 502)


def answers(status: int, body: bytes = b"{}") -> Fault:
    """That, whatever is asked, without doing anything."""
    return lambda _, __: Response(body, status, content_type="application/json")


@dataclass
class FaultyProvider:
    """`faults` are what happens to the next calls, in their order; then all goes well. `asked` is every call."""

    url: str = ""
    faults: list[Fault | None] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)

    def paths_of(self, method: str) -> list[str]:
        """The paths of all calls by one method."""
        return [call.partition(" ")[2] for call in self.asked if call.startswith(method)]


@contextmanager
def served(app: "WSGIApplication") -> Iterator[FaultyProvider]:
    """Serves an application on 127.0.0.1 until the end."""
    provider = FaultyProvider()

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        request = Request(environ)
        provider.asked.append(f"{request.method} {request.path}")
        provider.keys.append(request.headers.get("Idempotency-Key"))

        def work() -> Response:
            return Response.from_app(app, environ, buffered=True)

        fault = provider.faults.pop(0) if provider.faults else None
        return (fault(request, work) if fault else work())(environ, start_response)

    server = make_server("127.0.0.1", 0, answer, threaded=True, request_handler=_Silent)
    provider.url = f"http://127.0.0.1:{server.port}"
    with serving(server):
        yield provider


class _Silent(WSGIRequestHandler):
    def log(self, *_: Any) -> None:
        """Writes nothing."""
