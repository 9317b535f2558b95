"""One HTTP/1.1 request on a connection of its own.

Own code, because it costs a third of what aiohttp's client takes for a request with a new connection, and a delivery
always needs a new one: functions go to sleep at any time, and gunicorn's sync worker closes anyway. Redirects are not
followed, as in class Kafka. There is no TLS: on a laptop nobody serves it.
"""

import asyncio
import errno
import os
import socket
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from broker.embedded.deadlines import deadlines
from broker.embedded.readiness import readiness

MAX_BODY = 4 * 1_048_576  # far more than the broker stores; what comes after it is not read
_CHUNK = 65_536
_NONBLOCKING = getattr(socket, "SOCK_NONBLOCK", 0)  # macOS has none: there it takes one more call
_STREAM = socket.SOCK_STREAM | _NONBLOCKING
FINAL = 200  # the first status that is not an interim one

Headers = tuple[tuple[str, str], ...]
_Address = tuple[str, int] | str


class NoAnswerError(Exception):
    """No complete answer came: refused, reset, timed out, or not HTTP."""


class Response(NamedTuple):
    """headers: names in lower case, in the order they came."""

    status: int
    headers: Headers
    body: bytes


class _Target(NamedTuple):
    """short_way: the path of a Unix socket that is tried first, or nothing."""

    family: socket.AddressFamily
    address: tuple[str, int]
    short_way: str
    first_lines: bytes


async def post(url: str, head: bytes, body: bytes, timeout: float) -> Response:
    """POSTs the body with the header lines in head (each with CRLF). timeout: seconds for all of it.

    Behind a # in the URL may be the path of a Unix socket, by which the same server is called where it listens there:
    that takes the kernel half of what TCP takes. Raises NoAnswerError.
    """
    target = _target(url)
    request = b"%b%bContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (target.first_lines, head, len(body), body)
    try:
        return await _exchange(target, request, timeout)
    except TimeoutError as error:
        raise NoAnswerError(f"no answer within {timeout:g} s") from error
    except OSError as error:
        raise NoAnswerError(f"no connection: {error}") from error
    except ValueError as error:
        raise NoAnswerError(f"no HTTP answer: {error}") from error


async def _exchange(target: _Target, request: bytes, timeout: float) -> Response:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    connection, address = _call(target)
    try:
        sent = _send(connection, request)
        if sent < len(request):
            async with asyncio.timeout_at(deadline):
                await _send_rest(connection, address, request, sent)
        answer = _Answer(connection, loop)
        waiting = deadlines(loop)
        waiting.add(answer.is_late, deadline)
        try:
            return await answer.response
        finally:
            waiting.remove(answer.is_late)
            answer.forget()
    finally:
        connection.close()


class _Answer:
    """Reads it as it comes. `response`: fails with what the reading raises, and with TimeoutError when it is late.

    No transport, and no coroutine that waits for each piece: nearly every answer is one piece.
    """

    def __init__(self, connection: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        self.response: asyncio.Future[Response] = loop.create_future()
        self._connection = connection
        self._received = bytearray()
        self._fd = connection.fileno()
        self._readiness = readiness(loop)
        self._readiness.watch(self._fd, self._read)

    def forget(self) -> None:
        """No more is read. To be called before the connection is closed."""
        self._readiness.forget(self._fd)

    def is_late(self) -> None:
        """It is waited for no longer."""
        if not self.response.done():
            self.response.set_exception(TimeoutError())

    def _read(self) -> None:
        try:
            response = self._next_piece()
        except (OSError, ValueError, NoAnswerError) as error:
            response = error
        if response is None or self.response.done():
            return
        self.forget()
        if isinstance(response, Response):
            self.response.set_result(response)
        else:
            self.response.set_exception(response)

    def _next_piece(self) -> Response | Exception | None:
        try:
            chunk = self._connection.recv(_CHUNK)
        except BlockingIOError:
            return None
        self._received += chunk
        response = parse_response(self._received, ended=not chunk)
        if response is None and not chunk:
            raise NoAnswerError("the connection was closed before the answer was complete")
        return response


def _call(target: _Target) -> tuple[socket.socket, _Address]:
    """A connection, and where it leads: by the short way, unless nobody listens there. Raises OSError."""
    if target.short_way:
        with suppress(OSError):
            return _connect(socket.AF_UNIX, target.short_way), target.short_way
    return _connect(target.family, target.address), target.address


def _connect(family: socket.AddressFamily, address: _Address) -> socket.socket:
    """A connection that stands, or is under way. Raises OSError."""
    connection = socket.socket(family, _STREAM)
    try:
        _begin(connection, address)
    except BaseException:
        connection.close()
        raise
    return connection


def _begin(connection: socket.socket, address: _Address) -> None:
    if not _NONBLOCKING:
        connection.setblocking(False)
    refused = connection.connect_ex(address)  # which returns what `connect` would raise nearly each time
    if refused not in {0, errno.EINPROGRESS}:
        raise OSError(refused, os.strerror(refused))


def _send(connection: socket.socket, request: bytes) -> int:
    """Sends what can be sent at once; returns how much that was. Raises OSError.

    On this machine a connection stands as soon as it is asked for, although connect(2) says that it is under way: to
    send at once spares two turns of the loop.
    """
    try:
        return connection.send(request)
    except BlockingIOError:
        return 0
    except OSError as error:
        if error.errno == errno.ENOTCONN:  # macOS; Linux says BlockingIOError
            return 0
        raise


async def _send_rest(connection: socket.socket, address: _Address, request: bytes, sent: int) -> None:
    loop = asyncio.get_running_loop()
    if not sent:
        try:
            await loop.sock_connect(connection, address)
        except OSError as error:
            if error.errno != errno.EISCONN:  # macOS; it has become so meanwhile
                raise
    await loop.sock_sendall(connection, memoryview(request)[sent:])


def parse_response(received: bytearray, *, ended: bool) -> Response | None:
    """The response in what was received so far, None if more must come; interim (1xx) ones are taken off.

    ended: nothing more will come. Raises ValueError for what is not HTTP/1.
    """
    while (end := received.find(b"\r\n\r\n")) >= 0:
        status, headers = _parse_head(bytes(received[:end]))
        if status >= FINAL:
            body = _body(status, dict(headers), received, end + 4, ended=ended)
            return None if body is None else Response(status, headers, body)
        del received[: end + 4]
    if len(received) > MAX_BODY:
        raise ValueError("a header without end")
    return None


def _parse_head(head: bytes) -> tuple[int, Headers]:
    # As aiohttp's server does it: UTF-8, and what is not stays recoverable.
    first, *lines = head.decode("utf-8", "surrogateescape").split("\r\n")
    version, _, rest = first.partition(" ")
    if not version.startswith("HTTP/1.") or not rest[:3].isdigit():
        raise ValueError(f"{first[:40]!r}")
    headers = []
    for line in lines:
        name, _, value = line.partition(":")
        headers.append((name.strip().lower(), value.strip()))
    return int(rest[:3]), tuple(headers)


def _body(status: int, headers: dict[str, str], received: bytearray, start: int, *, ended: bool) -> bytes | None:
    if status in {204, 304}:
        return b""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return _chunked(received, start)
    available = len(received) - start
    if "content-length" in headers:
        length = min(int(headers["content-length"]), MAX_BODY)
        return bytes(received[start : start + length]) if available >= length else None
    return bytes(received[start : start + MAX_BODY]) if ended or available >= MAX_BODY else None


def _chunked(received: bytearray, at: int) -> bytes | None:
    body = bytearray()
    while (end := received.find(b"\r\n", at)) >= 0:
        size = int(received[at:end].split(b";")[0], 16)
        if size < 0:
            raise ValueError("a chunk of negative size")
        at = end + 2
        if size == 0 or len(body) > MAX_BODY:
            return bytes(body)
        if len(received) < at + size + 2:
            return None
        body += received[at : at + size]
        at += size + 2
    return None


@lru_cache(maxsize=512)
def _target(url: str) -> _Target:
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    family = socket.AF_INET6 if ":" in (parts.hostname or "") else socket.AF_INET
    first_lines = f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n".encode("ascii")
    return _Target(family, (parts.hostname or "", parts.port or 80), parts.fragment, first_lines)
