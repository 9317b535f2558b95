"""The door to the ingress: plain events are taken here, and whatever else comes is left to aiohttp.

For the POST of an event aiohttp takes 90 us, and this takes 30. An event is plain if its request is whole, small and
printable, names no header twice, and asks for nothing that HTTP has beyond it. A connection that brings anything else,
an event that is refused included, is aiohttp's from the first byte of that request on. So what is refused, and how, is
in ingress alone.
"""

import asyncio
import logging
import re
import time
from email.utils import formatdate
from functools import lru_cache
from typing import NamedTuple, cast

from aiohttp import web

from broker.embedded.engine import Engine, TooLargeError
from broker.embedded.event import NotAnEvent, parse
from broker.embedded.ingress import BODY_WITHIN, comes_by_an_own_name

_HEAD = re.compile(rb"POST (/[!-~]*) HTTP/1\.1\r\n((?:[-!#$%&'*+.^_`|~0-9A-Za-z]+:[ -~]*\r\n)+)\r\n")
_LONGEST_HEAD = 8190  # bytes; as aiohttp's bound of one line
_DIGITS = 6  # that the length of a body has when it is not plain
_NOT_PLAIN = {"expect", "origin", "sec-fetch-site", "trailer", "transfer-encoding", "upgrade"}
_ACCEPTED, _TIMEOUT, _UNAVAILABLE = "202 Accepted", "408 Request Timeout", "503 Service Unavailable"

logger = logging.getLogger(__name__)


class _Head(NamedTuple):
    """fields: by their names in lower case; start, end: where the body is in what was received."""

    path: str
    fields: dict[str, str]
    start: int
    end: int


class Doors:
    """To be given to `loop.create_server`. otherwise: the server of what is not plain, see ingress."""

    def __init__(self, engine: Engine, otherwise: web.Server) -> None:
        self.engine, self.otherwise = engine, otherwise
        self.open: set[_Door] = set()

    def __call__(self) -> asyncio.Protocol:
        return _Door(self)

    async def shutdown(self, timeout: float) -> None:
        """Answers what was asked, for up to that many seconds, and hangs up."""
        if stored := [door.stored for door in self.open if door.stored]:
            await asyncio.wait(stored, timeout=timeout)
        for door in list(self.open):
            door.hang_up()
        await self.otherwise.shutdown(timeout)


class _Door(asyncio.Protocol):
    """One connection. stored: done when the event that came last is on disk, None when nobody waits for that."""

    def __init__(self, doors: Doors) -> None:
        self.stored: asyncio.Future[None] | None = None
        self._doors = doors
        self._received = bytearray()
        self._head: _Head | None = None  # of a request whose body is still to come
        self._silence: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has the methods, and is none
        self._doors.open.add(self)

    def connection_lost(self, _: Exception | None) -> None:
        self._doors.open.discard(self)
        self._end_silence()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self.stored is None:
            self._read()
        else:
            self._transport.pause_reading()  # one after the other

    def hang_up(self) -> None:
        """What was written is still sent."""
        self._transport.close()

    def _read(self) -> None:
        head = self._head = self._head or _plain_head(self._received)
        if head is None or not self._doors.engine.serves(head.path):
            self._hand_over()
        elif len(self._received) >= head.end:
            self._end_silence()
            self._take(head)
        elif self._silence is None:
            self._silence = asyncio.get_running_loop().call_later(BODY_WITHIN, self._answer, _TIMEOUT)

    def _take(self, head: _Head) -> None:
        try:
            event = parse(head.fields.items(), bytes(self._received[head.start : head.end]))
            stored = self._doors.engine.publish(head.path, event, head.fields.get("traceparent", ""))
        except (NotAnEvent, TooLargeError):
            self._hand_over()
            return
        del self._received[: head.end]
        self._head, self.stored = None, stored
        stored.add_done_callback(self._told)

    def _told(self, stored: asyncio.Future[None]) -> None:
        self.stored = None
        error = asyncio.CancelledError() if stored.cancelled() else stored.exception()
        if error:
            logger.warning("refused an event: %s", error)
        if self._transport.is_closing():
            return  # who sent it is gone
        self._answer(_UNAVAILABLE if error else _ACCEPTED, str(error or ""))
        if self._received:
            self._transport.resume_reading()
            self._read()

    def _answer(self, status: str, text: str = "") -> None:
        body = text.encode()
        more = "Content-Type: text/plain; charset=utf-8\r\n" if body else ""
        if status == _TIMEOUT:
            more += "Connection: close\r\n"
        head = f"HTTP/1.1 {status}\r\n{more}Content-Length: {len(body)}\r\nDate: {_date(int(time.time()))}\r\n\r\n"
        self._transport.write(head.encode("ascii") + body)
        if status == _TIMEOUT:
            self._transport.close()

    def _hand_over(self) -> None:
        self._end_silence()
        self._doors.open.discard(self)
        other = self._doors.otherwise()
        self._transport.set_protocol(other)
        other.connection_made(self._transport)
        other.data_received(bytes(self._received))

    def _end_silence(self) -> None:
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None


def _plain_head(received: bytearray) -> _Head | None:
    """None if it is not plain, or not whole."""
    head = _HEAD.match(received, 0, _LONGEST_HEAD)
    if head is None:
        return None
    lines = head[2].decode("ascii").split("\r\n")[:-1]
    fields = {name.lower(): value.strip(" ") for name, _, value in [line.partition(":") for line in lines]}
    length = fields.get("content-length", "")
    plain = (
        len(fields) == len(lines)
        and fields.keys().isdisjoint(_NOT_PLAIN)
        and fields.get("connection", "keep-alive").lower() == "keep-alive"
        and length.isdecimal()
        and len(length) < _DIGITS
        and comes_by_an_own_name(fields.get("host", ""))
    )
    return _Head(head[1].decode("ascii"), fields, head.end(), head.end() + int(length)) if plain else None


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
