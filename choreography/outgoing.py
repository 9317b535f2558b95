"""The answer to one HTTP/1.1 request, which is the last one of its connection (RFC 9112, section 9.6)."""

import functools
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Response

from choreography.incoming import Gone

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_NO_BODY = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
_END_OF_CHUNKS = b"0\r\n\r\n"


@dataclass(slots=True)
class Outgoing:
    """What is sent. The head waits for the first piece of the body, so that both go together."""

    connection: socket.socket
    method: str = "GET"
    protocol: str = "HTTP/1.1"
    _status: str = ""
    _headers: list[tuple[str, str]] = field(default_factory=list)
    _is_begun: bool = False
    _has_body: bool = True
    _in_chunks: bool = False

    def of(self, environ: "WSGIEnvironment") -> None:
        """The request that is answered."""
        self.method, self.protocol = environ["REQUEST_METHOD"], environ["SERVER_PROTOCOL"]

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        """`start_response` of WSGI."""
        if exc_info and self._is_begun:
            raise exc_info[1].with_traceback(exc_info[2])
        self._status, self._headers = status, headers
        return self._write

    def write_all(self, pieces: Iterable[bytes]) -> None:
        """Raises Gone where nobody takes it, and ValueError for a head that cannot be sent."""
        try:
            for piece in pieces:
                if piece:
                    self._write(piece)
            self._end()
        finally:
            if hasattr(pieces, "close"):
                pieces.close()

    def replace(self, response: Response) -> None:
        """Sends another one, where nothing was sent yet. Raises Gone."""
        if not self._is_begun:
            self.start(response.status, list(response.headers))
            self.write_all(response.iter_encoded())

    def _write(self, piece: bytes) -> None:
        head = b"" if self._is_begun else self._head()
        self._send(head + self._framed(piece) if self._has_body else head)

    def _end(self) -> None:
        head = b"" if self._is_begun else self._head()
        self._send(head + _END_OF_CHUNKS if self._in_chunks else head)

    def _framed(self, piece: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(piece), piece) if self._in_chunks else piece

    def _send(self, data: bytes) -> None:
        self._is_begun = True
        if not data:
            return
        try:
            self.connection.sendall(data)
        except OSError as error:
            raise Gone from error

    def _head(self) -> bytes:
        names = {name.lower() for name, _ in self._headers}
        self._has_body = self.method != "HEAD" and int(self._status[:3]) not in _NO_BODY
        self._in_chunks = self._has_body and self.protocol == "HTTP/1.1" and "content-length" not in names
        lines = [f"HTTP/1.1 {self._status}", "Connection: close", f"Date: {_date(int(time.time()))}"]
        lines += [f"{name}: {value}" for name, value in self._headers]
        if self._in_chunks:
            lines.append("Transfer-Encoding: chunked")
        text = "\r\n".join([*lines, "", ""])
        if not text.count("\r") == text.count("\n") == len(lines) + 1:
            raise ValueError("an answer has a line break in a header")
        return text.encode("latin-1")


@functools.lru_cache(maxsize=1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
