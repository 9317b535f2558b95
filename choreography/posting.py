"""POSTs over connections that stay open, with no more around them than sending an event to a broker needs.

urllib3 takes 540 function calls in Python and C for one of them, a twentieth of a whole saga's. llhttp reads the
answer, by way of httptools. Neither proxies nor redirects are followed: none lie between a function and its broker.
"""

import functools
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from choreography.waiting import has_come

if TYPE_CHECKING:
    import ssl

MOST_KEPT = 16
"""Connections to one address that stay open while nobody uses them."""
_CHUNK = 65_536
_HEADERS = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+: [^\r\n\0]*\r\n)*")


@dataclass(frozen=True)
class _Address:
    """What an http or https URL comes to, and the connections there that nobody uses at the moment."""

    host: str
    port: int
    is_safe: bool
    """Whether TLS is spoken there."""
    first_lines: str
    kept: list[socket.socket] = field(default_factory=list)


@dataclass(slots=True)
class _Answer:
    """As much of an answer as has come. httptools calls what begins with on_."""

    parser: HttpResponseParser = field(init=False)
    status: int = 0
    is_whole: bool = False
    stays_open: bool = False
    """Whether the connection does."""

    def on_headers_complete(self) -> None:
        if self.is_whole:  # nobody has asked for another one
            return
        self.status = self.parser.get_status_code()

    def on_message_complete(self) -> None:
        if self.is_whole:
            return
        self.is_whole = self.status >= HTTPStatus.OK  # what is below only announces another one
        self.stays_open = self.is_whole and self.parser.should_keep_alive()  # afterwards llhttp has forgotten


def post(url: str, headers: Mapping[str, str], body: bytes, timeout: tuple[float, float]) -> int:
    """The status of the answer. `timeout`: seconds to connect, and to wait for the answer to go on.

    It may be sent twice: over a connection that the other end has closed meanwhile, and then over a new one.
    Raises OSError where no answer comes, and ValueError for a header that cannot be sent.
    """
    address = _address(url)
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if not _HEADERS.fullmatch(lines) or lines.count("\n") != len(headers):
        raise ValueError("a header has a name or a value that none can have")
    request = f"{address.first_lines}Content-Length: {len(body)}\r\n{lines}\r\n".encode("latin-1") + body
    kept = _kept(address)
    if kept is not None:
        try:
            return _exchange(address, kept, request, timeout[1])
        except ConnectionError:
            pass  # the other end has closed it at this moment
    return _exchange(address, _connect(address, timeout[0]), request, timeout[1])


def _kept(address: _Address) -> socket.socket | None:
    """A connection over which nothing has come since its last answer, not even its end."""
    while address.kept:
        try:
            connection = address.kept.pop()
        except IndexError:  # another thread has taken it
            break
        if not has_come(connection):
            return connection
        connection.close()
    return None


def _exchange(address: _Address, connection: socket.socket, request: bytes, patience: float) -> int:
    answer = _Answer()
    answer.parser = HttpResponseParser(answer)
    try:
        connection.settimeout(patience)
        connection.sendall(request)
        _read(connection, answer)
    except BaseException:
        connection.close()
        raise
    if answer.stays_open and len(address.kept) < MOST_KEPT:
        address.kept.append(connection)
    else:
        connection.close()
    return answer.status


def _read(connection: socket.socket, answer: _Answer) -> None:
    while not answer.is_whole:
        data = connection.recv(_CHUNK)
        if not data:
            if answer.status < HTTPStatus.OK:
                raise ConnectionResetError("the connection was closed before an answer had come")
            return  # an answer whose end is that of its connection
        try:
            answer.parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            raise OSError("what came is not the answer to a request of HTTP/1.1") from error


def _connect(address: _Address, patience: float) -> socket.socket:
    connection = socket.create_connection((address.host, address.port), patience)
    if not address.is_safe:
        return connection
    try:
        return _tls().wrap_socket(connection, server_hostname=address.host)
    except BaseException:
        connection.close()
        raise


@functools.cache
def _tls() -> "ssl.SSLContext":
    import ssl  # noqa: PLC0415 - which a function that speaks none need not import

    return ssl.create_default_context()


@functools.cache
def _address(url: str) -> _Address:
    parts = urlsplit(url)
    is_safe = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    first_lines = f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
    return _Address(parts.hostname or "", parts.port or (443 if is_safe else 80), is_safe, first_lines)
