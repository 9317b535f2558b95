"""A function that is terminated, in its own process on a real server: it finishes its call and releases everything."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest
from sqlalchemy import URL, NullPool, create_engine, text

from choreography import connections, migrations
from testbed.database_servers import Server
from testbed.ports import free_port
from testbed.vocabulary import CLOUD_EVENT, event
from tests.databases.conftest import FUNCTIONS

DEADLINE = 60.0
POLL = 0.02
ON_POSTGRESQL = pytest.mark.parametrize("server", ["postgresql"], indirect=True, scope="session")
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

ABANDONED = "SELECT sessions_abandoned FROM pg_stat_database WHERE datname = current_database()"
"""Sessions that no client closed: it was just gone."""


@pytest.fixture
def url(server: Server, request: pytest.FixtureRequest) -> URL:
    """A migrated database of flight-seats, without connections."""
    made = server.database(f"ends_{abs(hash(request.node.name))}")
    migrations.upgrade(FUNCTIONS / "flight-seats", made)
    connections.engine(made).dispose()
    return made


@contextmanager
def decrease_seats(url: URL, threads: int, log: Path, **settings: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The process of decrease-seats, and its port, once it is ready."""
    port = free_port()
    environment = {
        "PATH": os.defpath,
        "PYTHONPATH": str(FUNCTIONS.parent),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "DATABASE_URL": url.render_as_string(hide_password=False),
        "WORKERS": "1",
        "THREADS": str(threads),
        "FUNCTION_TARGET": "decrease_seats",
    }
    source = ("--source", str(FUNCTIONS / "flight-seats" / "main.py"))
    command = [sys.executable, "-m", "functions_framework", *source]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment | settings, stdout=output, stderr=output)
    try:
        eventually(lambda: answers(port) or process.poll() is not None)
        yield process, port
    finally:
        process.kill()
        process.wait(DEADLINE)


def eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(POLL)


def answers(port: int) -> int | None:
    """The status of the probe; None while nothing listens."""
    connection = HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status
    except ConnectionError:
        return None
    finally:
        connection.close()


def tell(port: int) -> HTTPConnection:
    """Sends ReservationPlaced, without waiting for the answer."""
    connection = HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    connection.request("POST", "/", json.dumps(event("ReservationPlaced")), CLOUD_EVENT)
    return connection


@ON_POSTGRESQL
@pytest.mark.parametrize("threads", [1, 4])
def test_a_function_that_ends_answers_the_current_call_and_leaves_no_session(
    url: URL, tmp_path: Path, threads: int
) -> None:
    watching = create_engine(url, isolation_level="AUTOCOMMIT")
    with watching.connect() as watch, decrease_seats(url, threads, tmp_path / "log") as (process, port):
        with create_engine(url, poolclass=NullPool).begin() as seller:
            seller.execute(text("SELECT * FROM flights WHERE id = 1001 FOR UPDATE"))
            call = tell(port)
            eventually(lambda: watch.execute(text(WAITING)).scalar())
            process.send_signal(signal.SIGTERM)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(1)  # the call is still at hand
        answer = call.getresponse()
        assert (answer.status, json.loads(answer.read())["type"]) == (200, "RemainingSeatsDecreased")
        assert process.wait(DEADLINE) == 0
        eventually(lambda: not watch.execute(text(SESSIONS)).scalar())
        assert watch.execute(text(ABANDONED)).scalar() == 0
    watching.dispose()


@ON_POSTGRESQL
def test_a_function_is_ready_when_its_database_is(server: Server, url: URL, tmp_path: Path) -> None:
    with decrease_seats(url, 1, tmp_path / "log") as (_, port):
        assert answers(port) == 204
        with server.away():
            assert answers(port) == 503
        assert answers(port) == 204
    assert "Traceback" not in (tmp_path / "log").read_text()


@ON_POSTGRESQL
@pytest.mark.parametrize(("level", "logged"), [("INFO", True), ("warning", False)])
def test_the_log_level_is_seen_in_the_log(url: URL, tmp_path: Path, level: str, logged: bool) -> None:
    with decrease_seats(url, 1, tmp_path / "log", LOG_LEVEL=level) as (_, port):
        assert tell(port).getresponse().status == 200
    assert ("handled ReservationPlaced" in (tmp_path / "log").read_text()) == logged
