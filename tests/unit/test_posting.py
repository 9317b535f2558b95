"""An event is posted over a connection that stays open, and over a new one where that has ended meanwhile."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from choreography import posting
from testbed.certificates import certificate_of

ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok"
PATIENCE = (5.0, 5.0)


class Ingress:
    """A broker's ingress that gives these answers, each to a whole request; a connection ends after `each` of them."""

    def __init__(self, *answers: bytes, each: int = 100, tls: ssl.SSLContext | None = None) -> None:
        self.answers, self.each, self.tls = list(answers), each, tls
        self.heard: list[bytes] = []
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self.listener.getsockname()[1]}/airline/default?a=b"

    def serve(self) -> None:
        while self.answers:
            connection, _ = self.listener.accept()
            self.connections += 1
            connection.settimeout(20)
            with self.tls.wrap_socket(connection, server_side=True) if self.tls else connection as caller:
                self._answer(caller)

    def _answer(self, caller: socket.socket) -> None:
        for _ in range(self.each):
            request = caller.recv(65_536)
            if not (request and self.answers):
                return
            self.heard.append(request)
            caller.sendall(self.answers.pop(0))


@contextmanager
def serving(ingress: Ingress) -> Iterator[Ingress]:
    thread = threading.Thread(target=ingress.serve)
    thread.start()
    try:
        yield ingress
    finally:
        for kept in posting._address(ingress.url).kept:
            kept.close()
        posting._address.cache_clear()
        thread.join(20)
        ingress.listener.close()


def test_events_go_over_one_connection() -> None:
    with serving(Ingress(ACCEPTED, ACCEPTED)) as ingress:
        statuses = [
            posting.post(ingress.url, {"Content-Type": "a/b"}, body, PATIENCE) for body in (b"KE081", b"KE0811")
        ]

    host = ingress.url.split("/")[2].encode()
    head = (
        b"POST /airline/default?a=b HTTP/1.1\r\nHost: "
        + host
        + b"\r\nContent-Length: %d\r\nContent-Type: a/b\r\n\r\n%b"
    )
    assert statuses == [202, 202]
    assert ingress.heard == [head % (5, b"KE081"), head % (6, b"KE0811")]
    assert ingress.connections == 1


def test_a_connection_that_the_broker_has_closed_is_replaced_by_a_new_one() -> None:
    with serving(Ingress(ACCEPTED, ACCEPTED, each=1)) as ingress:
        assert [posting.post(ingress.url, {}, b"", PATIENCE) for _ in range(2)] == [202, 202]

    assert ingress.connections == 2


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\n" + ACCEPTED, 202),
        (b"HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nfar\r\n0\r\n\r\n", 503),
        (b"HTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 202),
        (b"HTTP/1.0 202 Accepted\r\n\r\nas long as it takes", 202),
    ],
    ids=["an announcement first", "in chunks", "that is the last one", "that ends with its connection"],
)
def test_an_answer_is_its_status(answer: bytes, status: int) -> None:
    with serving(Ingress(answer, ACCEPTED, each=1)) as ingress:
        assert posting.post(ingress.url, {}, b"", PATIENCE) == status
        assert posting.post(ingress.url, {}, b"", PATIENCE) == 202


@pytest.mark.parametrize(
    "answer", [b"hello\r\n\r\n", b"HTTP/1.1 202 Acc", b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"]
)
def test_what_is_no_answer_is_none(answer: bytes) -> None:
    with serving(Ingress(answer, each=1)) as ingress, pytest.raises(OSError, match="answer"):
        posting.post(ingress.url, {}, b"", PATIENCE)


def test_nobody_waits_for_ever_for_an_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(TimeoutError):
        posting.post(f"http://127.0.0.1:{silent.getsockname()[1]}", {}, b"", (5.0, 0.05))


@pytest.mark.parametrize("headers", [{"a b": "c"}, {"": "c"}, {"a": "b\r\nc: d"}, {"가": "a"}, {"a": "가"}])
def test_a_header_that_none_can_have_is_refused_before_anything_is_sent(headers: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"header|encode"):
        posting.post("http://127.0.0.1:9", headers, b"", PATIENCE)


def test_a_safe_address_is_spoken_to_in_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, of_the_broker = certificate_of("127.0.0.1", tmp_path), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    of_the_broker.load_cert_chain(certificate.file, certificate.key)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))
    posting._tls.cache_clear()
    with serving(Ingress(ACCEPTED, tls=of_the_broker)) as ingress:
        assert posting.post(ingress.url, {}, b"KE081", PATIENCE) == 202
    posting._tls.cache_clear()

    assert ingress.heard[0].endswith(b"KE081")


def test_what_nobody_asked_for_is_not_taken_for_the_next_answer() -> None:
    timed_out = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"
    with serving(Ingress(ACCEPTED + timed_out, ACCEPTED, each=1)) as ingress:
        assert [posting.post(ingress.url, {}, b"", PATIENCE) for _ in range(2)] == [202, 202]
