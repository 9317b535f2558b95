"""The body of a request, which may not come: gunicorn takes it from the connection only when it is asked for.

functions-framework asks once more after the answer is made; a body that failed must not fail, or be waited for, again.
"""

import io
from typing import Protocol

from flask import Request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from choreography.errors import BrokenOff, Malformed, Unsupported


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
    request.environ["wsgi.input"] = _FailsOnce(request.environ["wsgi.input"])


def whole(request: Request) -> bytes:
    """All of it. Raises BrokenOff, Malformed, Unsupported, and RequestEntityTooLarge where there is a bound."""
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise Unsupported(f"A body with Content-Encoding {encoding} is not read here; send it unencoded.")
    try:
        content = request.get_data()
    except RequestEntityTooLarge:
        raise
    except (ClientDisconnected, OSError) as error:
        raise BrokenOff("This request ended, or stopped, before all of it was here.") from error
    except Exception as error:  # of the server's own classes: malformed chunks, bad trailers
        raise Malformed(f"The body of this request is broken: {error}") from error
    if len(content) < (request.content_length or 0):  # gunicorn ends it where the sender left
        raise BrokenOff("This request ended before all of it was here.")
    return content
