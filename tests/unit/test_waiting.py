"""A request is taken for whole when nobody who reads it will wait."""

import socket

import pytest

from choreography.waiting import is_whole

HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    ("come", "whole"),
    [
        (HEAD + b"Content-Length: 2\r\n\r\n{}", True),
        (HEAD + b"content-length:2\r\n\r\n{}", True),
        (HEAD + b"Content-Length: 0\r\n\r\n", True),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", True),
        (HEAD + b"Content-Length: 3\r\n\r\n{}", False),
        (HEAD + b"Content-Length: 2\r\n", False),
        (HEAD + b"Content-Length: two\r\n\r\n{}", False),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", False),
        (HEAD + b"\r\n", False),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n", False),
        (b"", False),
    ],
)
def test_an_event_has_come_whole_or_in_part(come: bytes, whole: bool) -> None:
    reader, sender = socket.socketpair()
    with reader, sender:
        sender.sendall(come)
        assert is_whole(reader) is whole
        assert not come or reader.recv(65_536) == come, "it has yet to be read"
