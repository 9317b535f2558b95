"""A function is one process, which does for itself what a second one would do for it."""

import json
import select
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from sqlalchemy import make_url

from choreography import migrations, worker
from testbed.project import ROOT
from testbed.running_system import eventually
from testbed.vocabulary import CLOUD_EVENT, event
from tests.integration.test_connections import served, whole_answer

FLIGHTS = ROOT / "functions" / "flight-seats" / "main.py"
PAYMENTS = ROOT / "functions" / "payment" / "main.py"
PROBE = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n"
HEAD += b"Expect: 100-continue\r\n\r\n"


@contextmanager
def call_at_hand(port: int) -> Iterator[socket.socket]:
    """A request that the function has begun to read, and whose body does not come."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as caller:
        caller.sendall(HEAD)
        assert caller.recv(65536).startswith(b"HTTP/1.1 100 ")
        yield caller


def rest_of(caller: socket.socket) -> bytes:
    answer = b""
    while received := caller.recv(65536):
        answer += received
    return answer


@pytest.mark.parametrize("threads", [1, 4])
def test_a_function_is_one_process_and_finishes_its_call_when_it_is_asked_to_end(threads: int, tmp_path: Path) -> None:
    with served(FLIGHTS, "decrease_seats", threads, tmp_path) as (process, port):
        with call_at_hand(port) as caller:
            assert psutil.Process(process.pid).children() == []
            process.send_signal(signal.SIGTERM)
            caller.sendall(b"{}")
            assert rest_of(caller).startswith(b"HTTP/1.1 415 ")
        assert process.wait(20) == 0
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_several_workers_have_one_who_starts_them_as_gunicorn_has_it(tmp_path: Path) -> None:
    with served(FLIGHTS, "decrease_seats", 1, tmp_path, WORKERS="2") as (process, port):
        eventually(lambda: len(psutil.Process(process.pid).children()) == 2, "both workers are there")
        assert whole_answer(port, PROBE).startswith(b"HTTP/1.1 ")


def test_whoever_holds_the_only_thread_for_too_long_ends_the_process_and_the_log_says_where(tmp_path: Path) -> None:
    with (
        served(FLIGHTS, "decrease_seats", 1, tmp_path, CLOUD_RUN_TIMEOUT_SECONDS="4") as (process, port),
        call_at_hand(port),
    ):
        assert process.wait(60) == 1
    log = (tmp_path / "log").read_text()
    assert "bodies.py" in log
    assert "a request took longer than 4 s (CLOUD_RUN_TIMEOUT_SECONDS): this process ends" in log


def test_one_thread_that_is_free_keeps_the_process_and_when_none_is_it_ends(tmp_path: Path) -> None:
    with served(PAYMENTS, "refund_payment", 2, tmp_path, CLOUD_RUN_TIMEOUT_SECONDS="2") as (process, port):
        begun = time.monotonic()
        with call_at_hand(port) as patient:
            eventually(lambda: whole_answer(port, PROBE) and time.monotonic() > begun + 5, "the other one answers", 20)
            assert process.poll() is None
            patient.sendall(b"{}")
            assert rest_of(patient).startswith(b"HTTP/1.1 415 ")
        with call_at_hand(port), call_at_hand(port):
            assert process.wait(60) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only there can the limit of another process be set")
def test_a_call_that_comes_while_no_descriptor_is_left_is_answered_when_there_is_one(tmp_path: Path) -> None:
    with served(FLIGHTS, "decrease_seats", 1, tmp_path) as (process, port):
        whole_answer(port, PROBE)  # it has opened what it needs
        used = psutil.Process(process.pid).num_fds()
        psutil.Process(process.pid).rlimit(psutil.RLIMIT_NOFILE, (used, 1000))
        with socket.create_connection(("127.0.0.1", port), timeout=20) as caller:
            caller.sendall(PROBE)
            eventually(lambda: "could not be taken" in (tmp_path / "log").read_text(), "the log says so")
            psutil.Process(process.pid).rlimit(psutil.RLIMIT_NOFILE, (1000, 1000))
            assert rest_of(caller).startswith(b"HTTP/1.1 ")


def test_connections_that_say_nothing_hold_up_no_call(tmp_path: Path) -> None:
    with served(FLIGHTS, "decrease_seats", 1, tmp_path) as (_, port), ExitStack() as silent:
        for _ in range(5):
            silent.enter_context(socket.create_connection(("127.0.0.1", port)))
        begun = time.monotonic()
        assert whole_answer(port, PROBE).startswith(b"HTTP/1.1 ")
        assert time.monotonic() - begun < 9  # one of them for a second, where a system does not keep them to itself


@contextmanager
def dashboard(folder: Path, **settings: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """project-dashboard, which answers four calls by one thread, with a database."""
    source = ROOT / "functions" / "dashboard-projector"
    migrations.upgrade(source, make_url(f"sqlite:///{folder}/a.db"))
    with served(source / "main.py", "project_dashboard", 4, folder, **settings) as (process, port):
        yield process, port


def test_the_dashboard_keeps_each_of_many_events_that_come_at_once(tmp_path: Path) -> None:
    with dashboard(tmp_path) as (_, port), ThreadPoolExecutor(8) as broker:
        answers = list(broker.map(lambda number: whole_answer(port, placed(number)), range(80)))
    assert {answer.split(b" ", 2)[1] for answer in answers} == {b"204"}
    with closing(sqlite3.connect(tmp_path / "a.db")) as kept:
        assert kept.execute("SELECT count(*), count(DISTINCT reservation_id) FROM events").fetchone() == (80, 80)


def test_senders_who_stop_in_the_middle_hold_up_no_event_of_the_dashboard(tmp_path: Path) -> None:
    with dashboard(tmp_path) as (_, port), ExitStack() as stopped:
        for number in range(12):
            sender = stopped.enter_context(socket.create_connection(("127.0.0.1", port)))
            sender.sendall(placed(number)[: -5 if number % 2 else 40])
        begun = time.monotonic()
        for number in range(20):
            assert whole_answer(port, placed(100 + number)).startswith(b"HTTP/1.1 204 ")
        assert time.monotonic() - begun < 9  # one of them alone would hold a thread for ten seconds


def test_the_dashboard_sets_no_more_senders_aside_than_it_can_keep(tmp_path: Path) -> None:
    with dashboard(tmp_path) as (_, port), ExitStack() as stopped:
        senders = [
            stopped.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            for _ in range(worker.MOST_SET_ASIDE + 4)
        ]
        for sender in senders:
            sender.sendall(placed(1)[:-5])
        closed, _, _ = select.select(senders, [], [], 20)
        assert closed, "three are read, as many as fit wait, and one has no place"
        with suppress(ConnectionResetError):
            assert closed[0].recv(1) == b""
        assert whole_answer(port, placed(2)).startswith(b"HTTP/1.1 204 ")


def test_the_dashboard_ends_when_the_one_thread_that_takes_its_calls_is_held_for_too_long(tmp_path: Path) -> None:
    with (
        dashboard(tmp_path, CLOUD_RUN_TIMEOUT_SECONDS="2") as (process, port),
        closing(sqlite3.connect(tmp_path / "a.db")) as other,
        socket.create_connection(("127.0.0.1", port)) as caller,
    ):
        other.execute("BEGIN IMMEDIATE")  # which a call waits for, eight seconds
        caller.sendall(placed(1))
        assert process.wait(60) == 1


def test_the_dashboard_that_is_to_end_takes_no_more_and_answers_what_it_has_begun(tmp_path: Path) -> None:
    with dashboard(tmp_path) as (process, port), call_at_hand(port) as caller:
        process.send_signal(signal.SIGTERM)
        caller.sendall(b"{}")
        assert rest_of(caller).startswith(b"HTTP/1.1 415 ")
        assert process.wait(20) == 0


def placed(number: int) -> bytes:
    """The delivery of an event about a reservation of its own."""
    body = json.dumps(event("ReservationPlaced", reservationId=f"7Q2M9XW4{number:04}")).encode()
    kind = CLOUD_EVENT["Content-Type"].encode()
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n"
    return head % (kind, len(body)) + body
