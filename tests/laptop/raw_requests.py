"""Requests as bytes, which no HTTP client would write; and what an endpoint says to them."""

import json
import re
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import uuid4

from testbed import hostile

KILO, MEGA = 1_000, 1_000_000


@dataclass(frozen=True)
class Endpoint:
    """A plain HTTP port that takes events at a path. `alive` is a path that answers GET with 204 while it works."""

    name: str
    url: str
    flight: int
    alive: str = "/healthz"

    @property
    def path(self) -> bytes:
        return (urlsplit(self.url).path or "/").encode()

    def connect(self) -> socket.socket:
        parts = urlsplit(self.url)
        return socket.create_connection((parts.hostname or "", parts.port or 80))

    def order(self) -> bytes:
        """A new ReservationRequested of one seat, as a structured body."""
        data = {"customerId": 4, "flightId": self.flight, "seatQty": 1}
        event = {"specversion": "1.0", "source": "/agency/7", "type": "ReservationRequested", "data": data}
        return json.dumps({"id": uuid4().hex, **event}).encode()

    def is_alive(self) -> bool:
        """Whether it answers a good GET."""
        heard = hear(self, b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % self.alive.encode())
        return heard.statuses == (204,)


@dataclass(frozen=True)
class Heard:
    """The status of each answer, without 100 Continue, and whether the connection was ended in time."""

    statuses: tuple[int, ...]
    ended: bool

    @property
    def taken(self) -> int:
        """How many events it accepted."""
        return sum(status < 300 for status in self.statuses)


def hear(endpoint: Endpoint, request: bytes, *, leaves: bool = False, within: float = 8.0) -> Heard:
    """Sends it and listens until the endpoint hangs up. A sender who `leaves` closes their half after the last byte."""
    with endpoint.connect() as connection:
        return listen(connection, request, leaves=leaves, within=within)


def listen(connection: socket.socket, request: bytes, *, leaves: bool = False, within: float) -> Heard:
    """Reads while it writes: an endpoint that refuses early is heard before its reset."""
    connection.setblocking(False)
    if leaves and not request:
        connection.shutdown(socket.SHUT_WR)
    deadline, answers, left = time.monotonic() + within, b"", memoryview(request)
    while (patience := deadline - time.monotonic()) > 0:
        readable, writable, _ = select.select([connection], [connection] if left else [], [], patience)
        try:
            if readable:
                piece = connection.recv(64 * 1024)
                if not piece:
                    return Heard(_statuses(answers), ended=True)
                answers += piece
            elif writable:
                left = left[connection.send(left) :]
                if not left and leaves:
                    connection.shutdown(socket.SHUT_WR)
        except OSError:  # ENOTCONN, which is no ConnectionError, where it was reset before it could be half closed
            left = memoryview(b"")
            if not readable:
                continue  # the server no longer listens, but may have sent an answer
            return Heard(_statuses(answers), ended=True)
    return Heard(_statuses(answers), ended=False)


def _statuses(answers: bytes) -> tuple[int, ...]:
    return tuple(int(status) for status in re.findall(rb"HTTP/\d\.\d (\d{3}) ", answers) if status != b"100")


def post(endpoint: Endpoint, *headers: bytes, body: bytes = b"", target: bytes = b"", version: bytes = b"1.1") -> bytes:
    """A request with these headers and no others but its host and content type."""
    lines = (b"POST %s HTTP/%s" % (target or endpoint.path, version), HOST, CONTENT_TYPE, *headers)
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def good(endpoint: Endpoint, *headers: bytes, close: bool = True, **other: bytes) -> bytes:
    """An order that is taken unless a header, the target or the version spoils it."""
    body = endpoint.order()
    return post(endpoint, *headers, *([CLOSE] if close else []), _length(len(body)), body=body, **other)


def chunks(body: bytes) -> bytes:
    """In one chunk, well ended."""
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


def chunked(endpoint: Endpoint, body: bytes, *headers: bytes) -> bytes:
    return post(endpoint, *headers, CHUNKED, CLOSE, body=body)


def raw(endpoint: Endpoint, request: hostile.Request) -> bytes:
    """What Hypothesis made, as it goes over the wire."""
    target = (endpoint.path + request.path.encode()).replace(b"//", b"/", 1)
    lines = [b"%s %s HTTP/1.1" % (request.method.encode(), target), HOST, CLOSE, _length(len(request.body))]
    lines += [f"{name}: {value}".encode("latin-1") for name, value in request.headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + request.body


def _length(number: int) -> bytes:
    return b"Content-Length: %d" % number


def _just(request: bytes) -> Callable[[Endpoint], bytes]:
    return lambda _: request


def _said_to_be(length: bytes) -> Callable[[Endpoint], bytes]:
    return lambda endpoint: post(endpoint, CLOSE, b"Content-Length: " + length, body=endpoint.order())


def _with(header: bytes) -> Callable[[Endpoint], bytes]:
    return lambda endpoint: good(endpoint, header)


def _to(target: bytes) -> Callable[[Endpoint], bytes]:
    return lambda endpoint: good(endpoint, target=target.replace(b"PATH", endpoint.path))


def _at(host: bytes) -> Callable[[Endpoint], bytes]:
    return lambda endpoint: good(endpoint).replace(HOST, b"Host: " + host)


def _in_version(version: bytes) -> Callable[[Endpoint], bytes]:
    return lambda endpoint: good(endpoint, version=version)


def _bare(header: bytes) -> Callable[[Endpoint], bytes]:
    return lambda endpoint: post(endpoint, header, CLOSE)


def _in_chunks(body: bytes) -> Callable[[Endpoint], bytes]:
    return lambda endpoint: chunked(endpoint, body)


HOST = b"Host: localhost"
CLOSE, CHUNKED = b"Connection: close", b"Transfer-Encoding: chunked"
CONTENT_TYPE = b"Content-Type: " + hostile.STRUCTURED.encode()

Requests = dict[str, Callable[[Endpoint], bytes]]

WHOLE: Requests = {
    "an order": good,
    "an order in chunks": lambda endpoint: chunked(endpoint, chunks(endpoint.order())),
    "an order with its length twice": lambda endpoint: _twice(endpoint, endpoint.order(), 0),
    "an order with two lengths": lambda endpoint: _twice(endpoint, endpoint.order(), 5),
    **{f"a length of {length!r}": _said_to_be(length) for length in (b"-1", b"+5", b"0x10", b"1e3", b"1_0", b"", b"a")},
    **{f"a length of {length!r}": _said_to_be(length) for length in (b"5, 5", b"\xef\xbc\x95", b"0")},
    "less than there is": lambda endpoint: post(endpoint, CLOSE, _length(50), body=endpoint.order()),
    "no length at all": lambda endpoint: post(endpoint, CLOSE, body=endpoint.order()),
    **{
        f"malformed chunks: {body[:12]!r}": _in_chunks(body)
        for body in (
            *(b"zz\r\nabc\r\n0\r\n\r\n", b"-5\r\nabcde\r\n0\r\n\r\n", b"3\r\nabcXX0\r\n\r\n", b"\r\n\r\n"),
            *(b"0\r\nno trailer\r\n\r\n", b"5;" + b"a" * 20 * KILO + b"\r\nabcde\r\n0\r\n\r\n"),
            *(b"f" * 20 * KILO + b"\r\n\r\n",),
        )
    },
    **{
        f"a body that is {name!r}": _bare(b"Transfer-Encoding: " + name)
        for name in (b"gzip", b"xchunked", b"identity", b"chunked, identity")
    },
    "chunks declared twice": lambda endpoint: chunked(endpoint, chunks(endpoint.order()), CHUNKED),
    "chunks in HTTP/1.0": lambda endpoint: post(endpoint, CHUNKED, version=b"1.0", body=chunks(endpoint.order())),
    "a header of 100 KB": _with(b"X: " + b"y" * 100 * KILO),
    "1,000 headers": _with(b"\r\n".join(b"X-%d: y" % number for number in range(1000))),
    "a request line of 100 KB": lambda endpoint: good(endpoint, target=endpoint.path + b"?" + b"a" * 100 * KILO),
    "an event of 5 MB": lambda endpoint: post(
        endpoint, CLOSE, _length(5 * MEGA), body=endpoint.order().ljust(5 * MEGA)
    ),
    **{
        f"HTTP/{version.decode()}": _in_version(version) for version in (b"1.0", b"1.2", b"2.0", b"9.9", b"1.", b"1.1x")
    },
    "HTTP/0.9": lambda endpoint: b"GET %s\r\n\r\n" % endpoint.path,
    "NUL in a header": _with(b"X: a\0b"),
    "NUL in the name of a header": _with(b"X\0Y: a"),
    "NUL in the target": _to(b"PATH\0"),
    "a header without a colon": _with(b"nothing"),
    "a header without a name": _with(b": a"),
    "a header with a blank in its name": _with(b"X Y: a"),
    "a header of two lines": _with(b"X: a\r\n b"),
    "a carriage return in a header": _with(b"X: a\rb"),
    "lines that end with LF alone": lambda endpoint: good(endpoint).replace(b"\r\n", b"\n"),
    "a client that waits for 100 Continue": _with(b"Expect: 100-continue"),
    "a client that waits for something else": _with(b"Expect: 200-ok"),
    "no host": lambda endpoint: good(endpoint).replace(HOST + b"\r\n", b""),
    "two hosts": _with(b"Host: y"),
    **{f"a host {host!r}": _at(host) for host in (b"[", b":x", b"x:99999", b"a b/\xff")},
    "a malformed forwarded host": _with(b"X-Forwarded-Host: ["),
    **{
        f"a target {target[:20]!r}": _to(target)
        for target in (
            *(b"http://elsewhere.example" + b"PATH", b"http://[", b"http://[::1PATH", b"http://x:99999999PATH", b"*"),
            *(b"//elsewhere.examplePATH", b"elsewhere.example:443", b"\xff\xfe", b"/%", b"/%zz", b"?", b"#"),
            *(b"/" + b"../" * 1000, b"file:///etc/passwd"),
        )
    },
    "CONNECT": _just(b"CONNECT elsewhere.example:443 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
    "an upgrade to a web socket": _with(b"Upgrade: websocket\r\nConnection: upgrade"),
    "an upgrade to HTTP/2": _with(b"Upgrade: h2c\r\nConnection: upgrade, http2-settings\r\nHTTP2-Settings: AAMAAABk"),
    "a body that says it is packed": _with(b"Content-Encoding: gzip"),
    "hop-by-hop headers that are not": lambda endpoint: good(
        endpoint, b"Connection: close, host, content-length", close=False
    ),
    "two orders behind each other": lambda endpoint: good(endpoint, close=False) + good(endpoint),
    "thirty orders behind each other, the first one spoilt": lambda endpoint: (
        good(endpoint, b": a") + good(endpoint) * 29
    ),
    "blank lines, then an order": lambda endpoint: b"\r\n" * 50 + good(endpoint),
    "the words of a proxy": lambda endpoint: b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + good(endpoint),
    "bytes of any kind": _just(bytes(range(256)) * 20 + b"\r\n\r\n"),
}
"""Each of them is ended, so that somebody must answer."""

SMUGGLED: Requests = {
    "in what is too much for its length": lambda endpoint: (
        post(endpoint, CHUNKED, _length(4), body=chunks(endpoint.order())) + good(endpoint)
    ),
    "behind chunks that also have a length": lambda endpoint: post(
        endpoint, _length(len(good(endpoint)) + 5), CHUNKED, body=b"0\r\n\r\n" + good(endpoint)
    ),
    "behind chunks with a blank in their name": lambda endpoint: post(
        endpoint, b"Transfer-Encoding : chunked", _length(5 + len(good(endpoint))), body=b"0\r\n\r\n" + good(endpoint)
    ),
    "behind chunks on a line of their own": lambda endpoint: post(
        endpoint,
        b"Transfer-Encoding:\r\n chunked",
        CLOSE,
        _length(5 + len(good(endpoint))),
        body=b"0\r\n\r\n" + good(endpoint),
    ),
    "behind chunks that are spelt with a line": lambda endpoint: post(
        endpoint,
        b"Transfer_Encoding: chunked",
        CLOSE,
        _length(5 + len(good(endpoint))),
        body=b"0\r\n\r\n" + good(endpoint),
    ),
}
"""Two requests or one, as one believes the length or the chunks."""

BROKEN_OFF: Requests = {
    "nothing": _just(b""),
    "half a head": lambda endpoint: good(endpoint)[:40],
    "half a body": lambda endpoint: good(endpoint)[:-50],
    "a request line without end": _just(b"G" * MEGA),
    "a request line of 100 KB without end": _just(b"POST /" + b"a" * 100 * KILO),
    "headers without end": lambda endpoint: post(endpoint)[:-2] + b"X: y\r\n" * 100_000,
    "a length of thirty digits": _said_to_be(b"9" * 30),
    "chunks without the last one": lambda endpoint: chunked(endpoint, chunks(endpoint.order())[:-5]),
    "a chunk larger than anything": _in_chunks(b"ffffffffffffffff\r\nabc"),
    "chunks that end with LF alone": _in_chunks(b"3\nabc\n0\n\n"),
    "HTTP/0.9 without a blank line": lambda endpoint: b"GET %s\r\n" % endpoint.path,
    "lines that end with CR alone": lambda endpoint: good(endpoint).replace(b"\r\n", b"\r"),
    "a TLS ClientHello": _just(bytes.fromhex("16030100c8010000c40303") + bytes(189)),
    "the preface of HTTP/2": _just(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")),
}
"""None of them is ended: the sender leaves in the middle."""


def _twice(endpoint: Endpoint, body: bytes, more: int) -> bytes:
    return post(endpoint, CLOSE, _length(len(body)), _length(len(body) + more), body=body)
