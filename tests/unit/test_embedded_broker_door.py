"""Requests at the embedded broker's port: the door answers plain ones as aiohttp behind it would, and no others."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from broker.embedded import door
from broker.embedded.door import Doors
from broker.embedded.engine import Engine, Retention
from broker.embedded.event_log import Log
from broker.embedded.group_commit import NotStoredError
from broker.embedded.http_post import Response, post
from broker.embedded.ingress import http_server
from broker.embedded.retry_policy import read_retry_policy
from broker.embedded.triggers import Broker, Manifests, Trigger

Said = list[tuple[int, bytes]]
BODY = b'{"a": 1}'
PLAIN = b"Host: 127.0.0.1:8086\r\nce-specversion: 1.0\r\nce-id: 1\r\nce-source: /s\r\nCe-Type:t\r\n"


def request(
    more: bytes = b"", *, line: bytes = b"POST /a/b HTTP/1.1", head: bytes = PLAIN, body: bytes = BODY
) -> bytes:
    return b"%b\r\n%b%bContent-Length: %d\r\n\r\n%b" % (line, head, more, len(body), body)


def new_engine(data: Path) -> Engine:
    return Engine(Manifests((Broker("a", "b"),), ()), Log(data, 1), post, Retention())


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return new_engine(tmp_path / "broker.db")


class Caller:
    """One connection to the broker."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()
            await asyncio.sleep(0.02)

    async def answers(self, count: int) -> Said:
        """Status and body of that many answers."""
        said = []
        for _ in range(count):
            head = await self._reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"Content-Length: (\d+)\r\n", head)
            assert length is not None
            assert b"\r\nDate: " in head
            said.append((int(head.split()[1]), await self._reader.readexactly(int(length[1]))))
        return said

    async def is_hung_up(self) -> bool:
        return await asyncio.wait_for(self._reader.read(), 5) == b""


def served(engine: Engine, use: Callable[[Caller, Doors], Awaitable[None]], doors: bool = True) -> None:
    """Lets it use a connection to the broker, which aiohttp alone serves without doors."""

    async def run() -> None:
        behind = http_server(engine)
        handlers = Doors(engine, behind)
        server = await asyncio.get_running_loop().create_server(handlers if doors else behind, "127.0.0.1", 0)
        async with asyncio.timeout(20):
            await use(Caller(*await asyncio.open_connection(*server.sockets[0].getsockname()[:2])), handlers)
        server.close()
        await handlers.shutdown(1)
        await engine.stop()

    asyncio.run(run())


@contextmanager
def no_aiohttp(doors: Doors) -> Iterator[None]:
    """Whoever comes in meanwhile is still at the door afterwards."""
    yield
    assert len(doors.open) == 1


def test_plain_events_are_taken_one_after_the_other_in_whatever_pieces(engine: Engine) -> None:
    async def use(caller: Caller, doors: Doors) -> None:
        with no_aiohttp(doors):
            await caller.send(
                request()[:-5],
                request()[-5:] + request(b"Connection: Keep-Alive\r\n") * 3 + request()[:-1],
                request()[-1:] + request(),
            )
            assert await caller.answers(6) == [(202, b"")] * 6

    served(engine, use)
    assert engine.status()["events"] == 6


NOT_PLAIN = {
    "half a head": (request()[:40], request()[40:]),
    "in chunks": (
        request(b"Transfer-Encoding: chunked\r\n")
        .replace(b"Content-Length: 8\r\n", b"")
        .replace(BODY, b"8\r\n" + BODY + b"\r\n0\r\n\r\n"),
    ),
    "a header twice": (request(b"X: 1\r\nx: 1\r\n"),),
    "an attribute twice": (request(b"ce-id: 2\r\n"),),
    "the last of a connection": (request(b"Connection: close\r\n"),),
    "two lengths": (request(b"Content-Length: 7\r\n"),),
    "a length with a sign": (request().replace(b"Content-Length: ", b"Content-Length: +"),),
    "no host": (request(head=PLAIN.partition(b"\r\n")[2]),),
    "a host that is not here": (request().replace(b"127.0.0.1", b"evil.example"),),
    "of a page": (request(b"Origin: https://evil.example\r\n"),),
    "of a page of another site": (request(b"Sec-Fetch-Site: cross-site\r\n"),),
    "another broker": (request(line=b"POST /a/c HTTP/1.1"),),
    "another method": (request(line=b"PUT /a/b HTTP/1.1"),),
    "a query": (request(line=b"POST /a/b?c HTTP/1.1"),),
    "HTTP/1.0": (request(line=b"POST /a/b HTTP/1.0"),),
    "no event": (request(head=b"Host: localhost\r\n"),),
    "a broken attribute": (request(b"ce-note: 100%\r\n"),),
    "text beyond ASCII": (request("ce-note: 좌석\r\n".encode()),),
    "a header of two lines": (request(b"X: a\r\n b\r\n"),),
    "a blank in a name": (request(b"X Y: a\r\n"),),
    "NUL": (request(b"X: a\0b\r\n"),),
    "LF alone": (request().replace(b"\r\n", b"\n"),),
    "a large event": (request(body=b"x" * 200_000),),
    "one that is too large": (request(body=b"x" * 2_000_000),),
}


@pytest.mark.parametrize("pieces", NOT_PLAIN.values(), ids=NOT_PLAIN)
def test_what_is_not_plain_is_answered_as_by_aiohttp_alone(tmp_path: Path, pieces: tuple[bytes, ...]) -> None:
    heard: list[tuple[Said, int]] = []
    for doors in (True, False):
        engine = new_engine(tmp_path / f"{doors}.db")

        async def use(caller: Caller, doors: Doors, engine: Engine = engine) -> None:
            await caller.send(*pieces)
            heard.append((await caller.answers(1), engine.status()["events"]))
            assert not doors.open

        served(engine, use, doors=doors)
    assert heard[0] == heard[1]


def test_who_sent_an_event_is_answered_before_it_is_delivered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    happened: list[str] = []

    async def deliver(*_: object) -> Response:
        happened.append("delivered")
        return Response(204, (), b"")

    answer = door._Door._answer

    def note(of: door._Door, status: str, text: str = "") -> None:
        happened.append("answered")
        answer(of, status, text)

    async def use(caller: Caller, _: Doors) -> None:
        await caller.send(request())
        await caller.answers(1)

    monkeypatch.setattr(door._Door, "_answer", note)
    every = Trigger(
        "a", "t", "b", lambda _: True, None, "http://here", "http://there", read_retry_policy({}, None), False
    )
    served(Engine(Manifests((Broker("a", "b"),), (every,)), Log(tmp_path / "b.db", 1), deliver, Retention()), use)

    assert happened == ["answered", "delivered"]


def test_a_connection_that_brings_something_else_is_served_on(engine: Engine) -> None:
    async def use(caller: Caller, _: Doors) -> None:
        await caller.send(request(), b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" + request())
        assert (await caller.answers(1)) == [(202, b"")]
        assert (await caller._reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204 ")
        assert (await caller.answers(1)) == [(202, b"")]

    served(engine, use)


@pytest.mark.parametrize("head", [request(b"X Y: a\r\n"), request(b"X: a\0b\r\n"), request(b"Content-Length: 7\r\n")])
def test_a_request_that_cannot_be_read_is_one_line_in_the_log(
    engine: Engine, head: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def use(caller: Caller, _: Doors) -> None:
        await caller.send(head)
        assert b" 400 " in await caller._reader.readline()

    served(engine, use)
    (line,) = [record for record in caplog.records if record.name == "aiohttp.server"]
    assert (line.levelname, line.exc_info) == ("WARNING", None)
    assert line.getMessage().startswith("a request could not be read: ")
    assert not line.getMessage().endswith(":")
    assert "\n" not in line.getMessage()


def test_an_event_that_cannot_be_stored_is_refused_and_the_next_one_is_heard(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> asyncio.Future[None]:
        refused = asyncio.get_running_loop().create_future()
        refused.set_exception(NotStoredError("the disk is full"))
        return refused

    async def use(caller: Caller, doors: Doors) -> None:
        with no_aiohttp(doors):
            with monkeypatch.context() as patch:
                patch.setattr(engine, "publish", refuse)
                await caller.send(request())
                assert await caller.answers(1) == [(503, b"the disk is full")]
            await caller.send(request())
            assert await caller.answers(1) == [(202, b"")]

    served(engine, use)


def test_a_body_that_does_not_come_is_not_waited_for(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "BODY_WITHIN", 0.1)

    async def use(caller: Caller, _: Doors) -> None:
        await caller.send(request()[:-5], request()[-5:-4])
        assert await caller.answers(1) == [(408, b"")]
        assert await caller.is_hung_up()

    served(engine, use)
    assert engine.status()["events"] == 0


def test_who_leaves_in_the_middle_has_said_nothing(engine: Engine) -> None:
    async def use(caller: Caller, doors: Doors) -> None:
        await caller.send(request()[:-5])
        caller._writer.close()
        while doors.open:
            await asyncio.sleep(0.01)

    served(engine, use)
    assert engine.status()["events"] == 0


def test_a_broker_that_stops_answers_first(engine: Engine) -> None:
    async def use(caller: Caller, doors: Doors) -> None:
        await caller.send(request()[:-1])
        caller._writer.write(request()[-1:])
        while not any(each.stored for each in doors.open):
            await asyncio.sleep(0)
        await doors.shutdown(1)
        assert await caller.answers(1) == [(202, b"")]
        assert await caller.is_hung_up()

    served(engine, use)
