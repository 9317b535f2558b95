"""HTTP answers as the embedded broker's client reads them, in whatever pieces they come."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from broker.embedded.http_post import NoAnswerError, Response, parse_response, post

PLAIN = b"HTTP/1.1 200 OK\r\nCe-Id: 1\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN
EMPTY = b"HTTP/1.1 204 No Content\r\nServer: gunicorn\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [(PLAIN, 200, b"hello"), (CHUNKED, 200, b"hello"), (INTERIM, 200, b"hello"), (EMPTY, 204, b"")],
)
def test_an_answer_is_complete_with_its_last_byte(answer: bytes, status: int, body: bytes) -> None:
    received = bytearray()
    response = None
    for number, byte in enumerate(answer, 1):
        received.append(byte)
        response = parse_response(received, ended=False)
        # the last chunk is known by its size line, what follows it says nothing
        assert response is None or number >= len(answer) - 2
    assert response is not None
    assert (response.status, response.body) == (status, body)


def test_an_answer_without_length_ends_with_the_connection() -> None:
    received = bytearray(b"HTTP/1.0 503 Service Unavailable\r\n\r\nlater")

    assert parse_response(received, ended=False) is None
    assert parse_response(received, ended=True) == Response(503, (), b"later")


def test_header_names_are_lowered_and_values_stripped() -> None:
    response = parse_response(bytearray(PLAIN), ended=False)

    assert response is not None
    assert response.headers == (("ce-id", "1"), ("content-length", "5"))


@pytest.mark.parametrize("received", [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", b"HTTP/1.1 200", b""])
def test_an_answer_that_breaks_off_does_not_count(received: bytes) -> None:
    assert parse_response(bytearray(received), ended=True) is None


@pytest.mark.parametrize(
    "received",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nmany\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n",
    ],
)
def test_what_is_not_http_is_an_error(received: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_response(bytearray(received), ended=True)


Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def posted(answering: Answering, times: int = 1, body: bytes = b"{}", timeout: float = 10) -> list[Response]:
    """What a server that answers so says to that many requests at once."""

    async def run() -> list[Response]:
        async with await asyncio.start_server(answering, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/some/where"
            return await asyncio.gather(*(post(url, b"X-Number: 1\r\n", body, timeout) for _ in range(times)))

    return asyncio.run(run())


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *pieces: bytes) -> None:
    """Reads a request with a length, and says these pieces, one after the other."""
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"POST /some/where HTTP/1.1\r\n")
    await reader.readexactly(int(head.rpartition(b"Content-Length: ")[2].split(b"\r\n")[0]))
    for piece in pieces:
        writer.write(piece)
        await asyncio.sleep(0.01)
    writer.close()


def saying(*pieces: bytes) -> Answering:
    return lambda reader, writer: answer(reader, writer, *pieces)


def test_answers_that_come_in_pieces_and_at_the_same_time_are_each_read_to_their_end() -> None:
    assert [said.body for said in posted(saying(PLAIN[:20], PLAIN[20:-2], PLAIN[-2:]), times=20)] == [b"hello"] * 20


def test_a_request_that_fits_no_buffer_is_sent_whole() -> None:
    assert posted(saying(EMPTY), body=b"x" * 8_000_000)[0].status == 204


@pytest.mark.parametrize(
    ("pieces", "reason"), [((b"",), "closed"), ((PLAIN[:-1],), "closed"), ((b"SSH\r\n" * 2 + b"\r\n",), "no HTTP")]
)
def test_an_answer_that_is_none_is_an_error(pieces: tuple[bytes, ...], reason: str) -> None:
    with pytest.raises(NoAnswerError, match=reason):
        posted(saying(*pieces))


@pytest.mark.parametrize("body", [b"{}", b"x" * 8_000_000])
def test_who_does_not_answer_in_time_is_not_waited_for(body: bytes) -> None:
    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.3)
        writer.close()

    with pytest.raises(NoAnswerError, match=r"no answer within 0.05 s"):
        posted(silent, body=body, timeout=0.05)


def posted_to_both(way: Path, body: bytes = b"{}", listening: bool = True) -> list[bytes]:
    """Two answers of a server that says by which way it was called, over a Unix socket if it listens there."""

    async def run() -> list[bytes]:
        port = await asyncio.start_server(saying(PLAIN), "127.0.0.1", 0)
        short = await asyncio.start_unix_server(saying(PLAIN.replace(b"hello", b"short")), way)
        if not listening:
            short.close()
            await short.wait_closed()
        url = f"http://127.0.0.1:{port.sockets[0].getsockname()[1]}/some/where#{way}"
        found = [(await post(url, b"", body, 10)).body for _ in range(2)]
        port.close()
        short.close()
        return found

    return asyncio.run(run())


@pytest.mark.parametrize("body", [b"{}", b"x" * 8_000_000], ids=["small", "more than fits"])
def test_who_can_be_called_by_a_shorter_way_is(body: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert posted_to_both(Path(folder) / "calls", body) == [b"short", b"short"]


def test_who_does_not_listen_there_is_called_by_the_address() -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert posted_to_both(Path(folder) / "calls", listening=False) == [b"hello", b"hello"]


def test_nobody_there_is_an_error() -> None:
    async def gone() -> Response:
        server = await asyncio.start_server(saying(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        return await post(f"http://127.0.0.1:{port}", b"", b"", 10)

    with pytest.raises(NoAnswerError, match="no connection"):
        asyncio.run(gone())
