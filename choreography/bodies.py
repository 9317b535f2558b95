"""The body of a request, which may not come: it is taken from the connection only when it is asked for.

functions-framework asks once more after the answer is made; a body that failed must not fail, or be waited for, again.
"""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from flask import Request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from choreography.errors import BrokenOff, Malformed, TooLarge, Unsupported

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class _Source(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class _FailsOnce:
    def __init__(self, source: _Source) -> None:
        self._source = source

    def read(self, size: int = -1, /) -> bytes:
        source, self._source = self._source, io.BytesIO()
        content = source.read(size)
        self._source = source
        return content


def guard(request: Request) -> None:
    """To be called before anybody reads; also for what is made of the same environment."""
    if is_there(request.environ):
        return
    request.environ["wsgi.input"] = _FailsOnce(request.environ["wsgi.input"])


def is_there(environ: "WSGIEnvironment") -> bool:
    """Whether all of it has come, so that to read it cannot fail."""
    return environ["wsgi.input"].__class__ is io.BytesIO


def whole(request: Request) -> bytes:
    """All of it. Raises BrokenOff, Malformed, Unsupported, and TooLarge where there is a bound."""
    return _complete(request, lambda: _bounded(request))


def of_an_event(request: Request) -> bytes:
    """As `whole`, of what a broker delivers, which bounds it; nobody else may read it afterwards."""
    if not request.environ.get("wsgi.input_terminated"):  # the test client of Flask does not say where it ends
        return whole(request)
    content = _complete(request, request.environ["wsgi.input"].read)
    request.environ["wsgi.input"] = io.BytesIO()  # there is no more
    return content


def _complete(request: Request, read: Callable[[], bytes]) -> bytes:
    encoding = request.environ.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if encoding not in ("", "identity"):
        raise Unsupported(f"A body with Content-Encoding {encoding} is not read here; send it unencoded.")
    try:
        content = read()
    except RequestEntityTooLarge as error:
        raise TooLarge(f"The body of a request may have at most {request.max_content_length} bytes here.") from error
    except (ClientDisconnected, OSError) as error:
        raise BrokenOff("This request ended, or stopped, before all of it had arrived.") from error
    except Exception as error:  # of the server's own classes: malformed chunks, bad trailers
        raise Malformed(f"The body of this request is broken: {error}") from error
    if len(content) < _announced(request):  # of the test client of Flask
        raise BrokenOff("This request ended before all of it had arrived.")
    return content


def _bounded(request: Request) -> bytes:
    # werkzeug ends a body that does not say its length at the bound, and what came so far can be whole JSON
    content = request.get_data()
    if content and len(content) == request.max_content_length and request.environ["wsgi.input"].read(1):
        raise RequestEntityTooLarge
    return content


def _announced(request: Request) -> int:
    length = request.environ.get("CONTENT_LENGTH", "")  # which request.content_length takes sixteen calls to find
    return int(length) if length.isdecimal() else 0
