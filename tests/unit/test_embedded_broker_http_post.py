"""HTTP answers as the embedded broker's client reads them, in whatever pieces they come."""

import pytest

from broker.embedded.http_post import Response, parse_response

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
