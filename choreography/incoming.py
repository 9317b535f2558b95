"""One HTTP/1.1 request as it comes over a connection (RFC 9112), as a WSGI environment (PEP 3333).

llhttp reads it, the parser of Node.js, by way of httptools. Its body is read when a function asks for it.
"""

import functools
import io
import socket
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes, urlsplit

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from choreography.waiting import has_come

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MOST_FIELDS, LONGEST_FIELD = 100, 1 << 16
"""Header lines of a request, and bytes of one of them: brokers write the attributes of events there."""
LARGEST_HEAD = 1 << 17
"""Bytes of all header lines and the address, and of all that is around a body."""
FIRST, WHOLE = 1.0, 30.0
"""Seconds until the first byte of a connection that was accepted, and until the last one of its request."""
_MOST_AROUND = 16
"""Bytes around each byte of a body: a chunk of one has five."""
ONCE = {"HTTP_HOST", "CONTENT_TYPE", "HTTP_IDEMPOTENCY_KEY", "HTTP_AUTHORIZATION"}
"""Headers that say one thing, as all attributes of CloudEvents do: WSGI would join two of them by a comma."""
_BLANKS = b" \t"
_CHUNK = 65_536
_VERSIONS = {"HTTP/1.0", "HTTP/1.1"}
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class NotARequest(Exception):
    """It cannot be read: the status and the sentence of its answer."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Gone(Exception):
    """The other end left, or fell silent, before there was a request or all of its answer."""


@dataclass(slots=True)
class Incoming:
    """A request as far as it has come. httptools calls what begins with on_."""

    connection: socket.socket
    environ: "WSGIEnvironment"
    has_head: bool = False
    is_whole: bool = False
    pieces: list[bytes] = field(default_factory=list)
    """Of the body, not yet asked for."""
    _target: bytes = b""
    _size: int = 0
    _size_of_body: int = 0
    _end: float = field(default_factory=lambda: time.monotonic() + WHOLE)
    _fields: int = 0
    _refusal: NotARequest | None = None
    _parser: HttpRequestParser = field(init=False)

    def begin(self) -> None:
        """Reads the head, with what of the body comes along. Raises NotARequest and Gone."""
        self._parser = HttpRequestParser(self)
        while not self.has_head:
            self._receive_head()
            if self._refusal:
                raise self._refusal
            if self._size > LARGEST_HEAD and not self.has_head:
                raise NotARequest(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The head of this request is too large.")
        self._describe()

    def more(self) -> bytes:
        """The next of the body, empty at its end. Raises OSError, and HttpParserError for malformed chunks."""
        while not (self.pieces or self.is_whole):
            if not self._receive():
                raise ConnectionError("the sender left before the end of the body")
        content, self.pieces = b"".join(self.pieces), []
        return content

    def _receive_head(self) -> None:
        try:
            received = self._receive()
        except OSError as error:
            raise Gone from error
        except HttpParserError as error:
            raise NotARequest(HTTPStatus.BAD_REQUEST, f"This is not an HTTP request: {error}.") from error
        if not received:
            raise Gone

    def _receive(self) -> int:
        """How many bytes have come."""
        data = self.connection.recv(_CHUNK) if self._size else self._first()
        self._size += len(data)
        if time.monotonic() > self._end:
            raise TimeoutError(f"not all of the request has come within {WHOLE:g} s")
        if self.has_head and self._size > LARGEST_HEAD + _MOST_AROUND * self._size_of_body:
            raise HttpParserError("there is too much around its body")  # llhttp would put a trailer together for ever
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            self._stay(data[upgrade.args[0] :])
        except HttpParserError:
            if not self.is_whole:  # what comes behind it is another one, which is not read
                raise
        return len(data)

    def _first(self) -> bytes:
        try:
            return self.connection.recv(_CHUNK, socket.MSG_DONTWAIT)
        except BlockingIOError:
            if not has_come(self.connection, FIRST):
                raise
            return self.connection.recv(_CHUNK)

    def _stay(self, rest: bytes) -> None:
        """Reads the body of a request to change to another protocol, as if it had not asked for that.

        llhttp stops at such a head, and none but HTTP/1.1 is spoken here. Java's client asks for HTTP/2 in this way,
        with whatever it sends, and proxies pass it on (RFC 9110, section 7.8: a server may ignore it).
        """
        framing = {"Content-Length": "CONTENT_LENGTH", "Transfer-Encoding": "HTTP_TRANSFER_ENCODING"}
        lines = [f"{name}: {self.environ[key]}\r\n" for name, key in framing.items() if key in self.environ]
        self.is_whole = False
        self._parser = HttpRequestParser(self)
        self._parser.feed_data(f"POST / HTTP/1.1\r\n{''.join(lines)}\r\n".encode("latin-1") + rest)

    def on_url(self, piece: bytes) -> None:
        if not self.has_head:
            self._target += piece

    def on_header(self, name: bytes, value: bytes) -> None:
        # there are some twenty of them in a delivery: what is rare is looked for where it can be
        if self.has_head:  # it is a trailer, or of another request
            return
        self._fields += 1
        if self._size > LONGEST_FIELD and self._is_too_much(len(name) + len(value)):
            return
        if value and value[-1] in _BLANKS:
            value = value.rstrip(b" \t")
        key = _key(name)
        if key in self.environ:
            self._repeat(key, name, value)
        elif key:
            self.environ[key] = value.decode("latin-1")

    def _is_too_much(self, size: int) -> bool:
        """Of one field, or of all of them, which are refused then."""
        if self._fields <= MOST_FIELDS and size <= LONGEST_FIELD:
            return False
        self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "This request has too many or too long headers.")
        return True

    def _repeat(self, key: str, name: bytes, value: bytes) -> None:
        if key in ONCE or key.startswith("HTTP_CE_"):
            twice = name.decode("latin-1").lower()
            self._refuse(HTTPStatus.BAD_REQUEST, f"The header {twice} is there more than once; give it once.")
        self.environ[key] += "," + value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self.has_head:
            return
        self.has_head = True
        self.environ["REQUEST_METHOD"] = self._parser.get_method().decode("ascii")
        self.environ["SERVER_PROTOCOL"] = version = f"HTTP/{self._parser.get_http_version()}"
        self._is_too_much(0)
        if version not in _VERSIONS:
            self._refuse(HTTPStatus.BAD_REQUEST, f"This is {version}; use HTTP/1.1.")

    def on_body(self, piece: bytes) -> None:
        if not self.is_whole:
            self.pieces.append(piece)
            self._size_of_body += len(piece)

    def on_message_complete(self) -> None:
        self.is_whole = True

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        # what is raised here would come out of the parser as another error
        self._refusal = self._refusal or NotARequest(status, detail)

    def _describe(self) -> None:
        environ = self.environ
        path, query = _parts(self._target)
        environ["RAW_URI"] = self._target.decode("latin-1")
        environ["PATH_INFO"] = (unquote_to_bytes(path) if b"%" in path else path).decode("latin-1")
        environ["QUERY_STRING"] = query.decode("latin-1")
        if "HTTP_EXPECT" in environ and environ["SERVER_PROTOCOL"] != "HTTP/1.0":
            self._expect(environ["HTTP_EXPECT"])
        if self.is_whole:
            environ["wsgi.input"] = io.BytesIO(b"".join(self.pieces))
        else:
            environ["wsgi.input"] = io.BufferedReader(_Body(self))

    def _expect(self, what: str) -> None:
        if what.lower() != "100-continue":
            raise NotARequest(HTTPStatus.EXPECTATION_FAILED, f"Nothing here meets the expectation {what}.")
        if self.is_whole:
            return
        try:
            self.connection.sendall(_CONTINUE)
        except OSError as error:
            raise Gone from error


class _Body(io.RawIOBase):
    """What of the body has still to come."""

    def __init__(self, incoming: Incoming) -> None:
        self._incoming = incoming
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        content = self._left or self._incoming.more()
        size = min(len(buffer), len(content))
        buffer[:size], self._left = content[:size], content[size:]
        return size


@functools.lru_cache(maxsize=1024)
def _key(name: bytes) -> str:
    """The name in WSGI; empty for one with an underscore, which WSGI could not tell from one with a hyphen."""
    if b"_" in name:
        return ""
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"


def _parts(target: bytes) -> tuple[bytes, bytes]:
    """Path and query of an address, which may have all of a URL before them (RFC 9112, section 3.2.2)."""
    if not target.startswith(b"/") and target != b"*":
        try:
            parts = urlsplit(target)
        except ValueError as error:
            raise NotARequest(HTTPStatus.BAD_REQUEST, f"The address of this request is malformed: {error}.") from error
        return parts.path or b"/", parts.query
    path, _, query = target.partition(b"#")[0].partition(b"?")
    return path, query
