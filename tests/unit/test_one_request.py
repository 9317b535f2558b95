"""A connection brings one request to a function and takes one answer back."""

import json
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from choreography import incoming, logs, one_request
from choreography.waiting import has_come

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

Application = Callable[["WSGIEnvironment", "StartResponse"], Iterable[bytes]]
PLACE = b"POST /reservations HTTP/1.1\r\nHost: airline\r\n"


def answer_of(application: Application, *packets: bytes, leaves: bool = False) -> bytes:
    """What comes back until the connection ends, to a sender whose packets come one after the other."""
    together = sys.platform != "linux" or len(packets) == 1  # a large packet would be cut
    ours, theirs = socket.socketpair(type=socket.SOCK_STREAM if together else socket.SOCK_SEQPACKET)
    ours.settimeout(20)
    about = {"REMOTE_ADDR": "127.0.0.1"}
    thread = threading.Thread(target=one_request.serve, args=(theirs, about, application))
    thread.start()
    with ours:
        for packet in packets:
            ours.sendall(packet)
        if leaves:
            ours.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := ours.recv(65_536):
            answer += piece
    thread.join(20)
    return answer


class Reception:
    """Takes what comes, and answers 200 with `says`."""

    def __init__(self, *says: bytes, **headers: str) -> None:
        self.says, self.headers = says, headers
        self.heard: dict[str, Any] = {}
        self.body = b""

    def __call__(self, environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        self.heard = dict(environ)
        self.body = environ["wsgi.input"].read()
        start("200 OK", list(self.headers.items()))
        return self.says


def heard(*packets: bytes) -> Reception:
    reception = Reception()
    assert answer_of(reception, *packets).startswith(b"HTTP/1.1 200 OK\r\n")
    return reception


def problem_of(answer: bytes) -> dict[str, Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"\r\nContent-Type: application/problem+json\r\n" in head + b"\r\n"
    document: dict[str, Any] = json.loads(body)
    return document


@pytest.mark.parametrize(
    ("address", "path", "query"),
    [
        ("/flights?sort=cost", "/flights", "sort=cost"),
        ("/flights/%EA%B0%80?a=%20", "/flights/\xea\xb0\x80", "a=%20"),
        ("/flights#top?a", "/flights", ""),
        ("http://airline/flights?a=b", "/flights", "a=b"),
        ("http://airline", "/", ""),
        ("*", "*", ""),
    ],
)
def test_an_address_is_a_path_and_a_query(address: str, path: str, query: str) -> None:
    environ = heard(f"OPTIONS {address} HTTP/1.1\r\nHost: airline\r\n\r\n".encode()).heard

    assert (environ["PATH_INFO"], environ["QUERY_STRING"]) == (path, query)
    assert (environ["REQUEST_METHOD"], environ["SERVER_PROTOCOL"]) == ("OPTIONS", "HTTP/1.1")


def test_headers_are_taken_as_they_come_and_lists_are_joined() -> None:
    environ = heard(
        b"GET / HTTP/1.1\r\nHost: airline\r\nAccept: a/b \r\nCE-Id: 7\r\naccept:c/d\r\nCE_Id: 8\r\n\r\n"
    ).heard

    assert (environ["HTTP_ACCEPT"], environ["HTTP_CE_ID"]) == ("a/b,c/d", "7")


@pytest.mark.parametrize(
    "packets",
    [
        (PLACE + b"Content-Length: 9\r\n\r\nKE081, 2F",),
        (PLACE + b"Content-Length: 9\r\n\r\n", b"KE081", b", 2F"),
        (
            PLACE[:11],
            PLACE[11:],
            b"Transfer-Encoding: chunked\r\n\r\n5\r\nKE0",
            b"81\r\n4\r\n, 2F\r\n0\r\n",
            b"X: y\r\n\r\n",
        ),
    ],
    ids=["at once", "piece by piece", "in chunks, with a trailer"],
)
def test_a_body_is_whole_however_it_comes(packets: tuple[bytes, ...]) -> None:
    reception = heard(*packets)

    assert reception.body == b"KE081, 2F"
    assert "HTTP_X" not in reception.heard


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 5\r\n\r\nKE081", b"Transfer-Encoding: chunked\r\n\r\n5\r\nKE081\r\n0\r\n\r\n"]
)
@pytest.mark.parametrize("packets", [1, 2])
def test_whoever_would_rather_speak_another_protocol_is_served_in_this_one(framing: bytes, packets: int) -> None:
    request = PLACE + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n" + framing
    cut = len(request) - 3 if packets == 2 else len(request)

    reception = heard(*filter(None, (request[:cut], request[cut:])))

    assert (reception.heard["REQUEST_METHOD"], reception.body) == ("POST", b"KE081")


def test_only_who_has_not_sent_the_body_yet_is_asked_to_go_on() -> None:
    head = PLACE + b"Expect: 100-Continue\r\nContent-Length: 5\r\n\r\n"

    assert answer_of(Reception(), head, b"KE081").startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ")
    assert answer_of(Reception(), head + b"KE081").startswith(b"HTTP/1.1 200 ")


def test_another_expectation_is_not_met() -> None:
    assert problem_of(answer_of(Reception(), PLACE + b"Expect: 200-ok\r\n\r\n"))["status"] == 417


def test_nobody_is_called_for_a_sender_who_leaves_before_the_end_of_the_head() -> None:
    reception = Reception()

    assert answer_of(reception, PLACE, leaves=True) == b""
    assert not reception.heard


def test_a_body_that_breaks_off_is_an_error_for_whoever_reads_it() -> None:
    answer = answer_of(Reception(), PLACE + b"Transfer-Encoding: chunked\r\n\r\n5\r\nKE081\r\n", leaves=True)

    assert problem_of(answer)["status"] == 500


def test_a_head_without_an_end_is_refused() -> None:
    endless = b"GET /" + b"a" * 140_000
    reception = Reception()

    assert problem_of(answer_of(reception, endless))["status"] == 431
    assert not reception.heard


def test_a_second_request_is_not_read_and_the_first_one_has_its_whole_answer() -> None:
    reception, one = Reception(b"x" * 500_000), b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"

    answer = answer_of(reception, one % 1 + one % 2 * 3_000)

    assert reception.heard["PATH_INFO"] == "/1"
    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.endswith(b"x\r\n0\r\n\r\n")


TWO_IDS = PLACE + b"CE-Id: 7\r\nCE-Id: 8\r\nContent-Length: 400000\r\n\r\n"


@pytest.mark.parametrize(
    ("refused", "status"),
    [
        (TWO_IDS, 400),
        (TWO_IDS.replace(b"CE-Id: 8", b"Expect: a tip"), 417),
        (TWO_IDS.replace(b"/reservations", b"http://["), 400),
        (TWO_IDS.replace(b"CE-Id: 7", b"CE\0Id: 7"), 400),
        (TWO_IDS.replace(b"CE-Id: 7", b"CE-Id: " + b"7" * 140_000), 431),
    ],
    ids=["an attribute twice", "an expectation", "an address", "a malformed head", "an endless head"],
)
def test_whoever_is_refused_in_the_middle_of_their_request_may_send_all_of_it_before_they_read_the_answer(
    refused: bytes, status: int
) -> None:
    ours, theirs = socket.socketpair()
    ours.settimeout(20)
    thread = threading.Thread(target=one_request.serve, args=(theirs, {}, Reception(), 20.0))
    thread.start()
    with ours:
        ours.sendall(refused)
        assert has_come(ours, 20)
        for _ in range(40):
            ours.sendall(b"x" * 10_000)  # an error where the connection is closed
        ours.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: ours.recv(65_536), b""))
    thread.join(20)

    assert problem_of(answer)["status"] == status


@pytest.mark.parametrize("linger", [0.0, 600.0])
def test_whoever_says_more_than_a_request_is_heard_out_only_by_a_thread_that_has_time(linger: float) -> None:
    ours, theirs = socket.socketpair()
    ours.settimeout(20)
    thread = threading.Thread(target=one_request.serve, args=(theirs, {}, Reception(), linger))
    ours.sendall(PLACE + b"Content-Length: 2\r\n\r\n2F" + b" and more" * 9_000)
    with ours:
        thread.start()
        while ours.recv(65_536):
            pass
        if not linger:
            thread.join(20)
        assert thread.is_alive() == bool(linger)
    thread.join(20)
    assert not thread.is_alive()


def test_an_answer_of_known_length_is_sent_as_it_is() -> None:
    head, _, body = answer_of(Reception(b"one", b"", b"two", **{"Content-Length": "6"}), PLACE + b"\r\n").partition(
        b"\r\n\r\n"
    )

    assert body == b"onetwo"
    assert b"Connection: close\r\nDate: " in head
    assert b"Transfer-Encoding" not in head


def test_an_answer_of_unknown_length_ends_with_a_chunk_or_for_an_old_client_with_the_connection() -> None:
    reception = Reception(b"one", b"two")

    assert answer_of(reception, PLACE + b"\r\n").endswith(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
    assert answer_of(reception, b"GET / HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\nonetwo")


def test_the_answer_to_head_has_no_body() -> None:
    answer = answer_of(Reception(b"one", **{"Content-Length": "3"}), b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")

    assert answer.endswith(b"Content-Length: 3\r\n\r\n")


def test_no_header_smuggles_in_another_one() -> None:
    assert problem_of(answer_of(Reception(Location="/a\r\nSet-Cookie: b"), PLACE + b"\r\n"))["status"] == 500


def test_a_stream_that_fails_midway_is_not_ended_as_if_it_were_whole() -> None:
    def stream() -> Iterator[bytes]:
        yield b"one"
        raise LookupError("two")

    def application(_: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        start("200 OK", [])
        return stream()

    answer = answer_of(application, PLACE + b"\r\n")

    assert answer.endswith(b"3\r\none\r\n")


@pytest.mark.parametrize("error", [RuntimeError("out of fuel"), SystemExit(3)])
def test_a_function_that_fails_is_answered_for_and_the_log_says_why(
    error: BaseException, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.configure()
    monkeypatch.setattr(logs.log, "handlers", [caplog.handler])

    def application(*_: object) -> Iterable[bytes]:
        raise error

    assert problem_of(answer_of(application, PLACE + b"\r\n"))["status"] == 500
    assert "this request could not be answered" in caplog.text


def test_a_trailer_without_an_end_is_not_collected() -> None:
    request = PLACE + b"Transfer-Encoding: chunked\r\n\r\n5\r\nKE081\r\n0\r\nX: " + b"a" * 140_000

    assert problem_of(answer_of(Reception(), request))["status"] == 500  # of this function, which does not expect it


def test_many_small_chunks_are_a_body_like_any_other() -> None:
    assert (
        heard(PLACE + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 40_000 + b"0\r\n\r\n").body
        == b"x" * 40_000
    )


def test_a_request_that_takes_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "WHOLE", -1.0)

    assert answer_of(Reception(), PLACE + b"\r\n") == b""


def test_whoever_connects_and_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "FIRST", 0.01)

    assert answer_of(Reception()) == b""


def test_a_client_of_http_1_0_expects_nothing() -> None:
    request = b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"

    assert answer_of(Reception(), request, b"KE081").startswith(b"HTTP/1.1 200 ")


def test_the_refusal_of_a_head_request_has_no_body() -> None:
    answer = answer_of(Reception(), b"HEAD / HTTP/1.1\r\nHost: a\r\nExpect: something\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 417 ")
    assert answer.endswith(b"\r\n\r\n")
