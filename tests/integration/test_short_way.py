"""A function that is awake can be called by a Unix socket, and answers there as it does at its port."""

import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from testbed.running_system import eventually
from tests.integration.test_connections import served, whole_answer
from tests.integration.test_one_process import FLIGHTS, PAYMENTS, PROBE, dashboard, placed, rest_of


@pytest.fixture
def way() -> Iterator[Path]:
    """A path that is short enough for a socket."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "calls"


def caller(way: Path) -> socket.socket:
    eventually(lambda: not is_refused(way), "somebody listens there")  # a moment after the port
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(20)
    connection.connect(str(way))
    return connection


def answer(way: Path, request: bytes) -> bytes:
    with caller(way) as connection:
        connection.sendall(request)
        return rest_of(connection)


def undated(answer: bytes) -> list[bytes]:
    return [line for line in answer.splitlines() if not line.startswith(b"Date: ")]


@pytest.mark.parametrize("threads", [1, 4])
def test_a_function_answers_by_the_short_way_even_if_a_process_before_it_has_left_its_socket(
    threads: int, tmp_path: Path, way: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as before:
        before.bind(str(way))
    with served(FLIGHTS, "decrease_seats", threads, tmp_path, SHORT_WAY=str(way)) as (_, port):
        assert undated(answer(way, PROBE)) == undated(whole_answer(port, PROBE))


def test_the_dashboard_hears_events_by_the_short_way_whatever_senders_do_there(tmp_path: Path, way: Path) -> None:
    with dashboard(tmp_path, SHORT_WAY=str(way)), ExitStack() as stopped:
        for number in range(12):
            sender = stopped.enter_context(caller(way))
            sender.sendall(placed(number)[: (0, 40, -5)[number % 3]])
        begun = time.monotonic()
        for number in range(20):
            assert answer(way, placed(100 + number)).startswith(b"HTTP/1.1 204 ")
        assert time.monotonic() - begun < 9  # one of them alone would hold a thread for ten seconds


def test_a_function_that_is_to_end_refuses_by_the_short_way_and_finishes_what_it_has_begun(
    tmp_path: Path, way: Path
) -> None:
    with served(PAYMENTS, "refund_payment", 2, tmp_path, SHORT_WAY=str(way)) as (process, _), caller(way) as begun:
        begun.sendall(placed(1)[:-5])
        assert answer(way, PROBE).startswith(b"HTTP/1.1 ")  # the other thread, so the first one has begun
        process.send_signal(signal.SIGTERM)
        eventually(lambda: is_refused(way), "nobody listens there any more")
        begun.sendall(placed(1)[-5:])
        assert rest_of(begun).startswith(b"HTTP/1.1 ")
        assert process.wait(20) == 0
    assert "Traceback" not in (tmp_path / "log").read_text()


def is_refused(way: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as late:
        return late.connect_ex(str(way)) != 0


def test_where_nobody_can_listen_the_function_is_called_by_its_port(tmp_path: Path) -> None:
    with served(FLIGHTS, "decrease_seats", 1, tmp_path, SHORT_WAY=str(tmp_path / "missing" / "calls")) as (_, port):
        assert whole_answer(port, PROBE).startswith(b"HTTP/1.1 ")
        assert "calls come by the port only" in (tmp_path / "log").read_text()
