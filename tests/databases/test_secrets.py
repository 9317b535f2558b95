"""Passwords and secrets of a function are in no log line and in no answer, whatever fails."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL

from airline.settings import settings
from choreography import store
from testbed.database_servers import Server, postgresql
from testbed.hosting import HostedAirline, isolated
from testbed.vocabulary import event
from tests.databases.conftest import FUNCTIONS

PASSWORD, SECRET = "pAsS-m4rk3r-1", "sEcReT-m4rk3r-2"
MARKERS = (PASSWORD, SECRET)
SERVICE = "decrease-seats"
HEARD = event("ReservationPlaced", flightId=1001)
AWAY = {
    "nobody listens": f"postgresql+psycopg://airline:{PASSWORD}@127.0.0.1:1/x",
    "no such host": f"postgresql+psycopg://airline:{PASSWORD}@nowhere.invalid/x",
    "an invalid option": f"postgresql+psycopg://airline:{PASSWORD}@127.0.0.1:1/x?connect_timeout=soon",
    "no such option": f"postgresql+psycopg://airline:{PASSWORD}@127.0.0.1:1/x?colour=red",
    "MySQL, nobody listens": f"mysql+pymysql://airline:{PASSWORD}@127.0.0.1:1/x",
    "no such folder": "sqlite:////nowhere/x.db",
}
MISSPELT = {
    "a driver": {"DATABASE_URL": f"postgres://airline:{PASSWORD}@127.0.0.1/x"},
    "a port": {"DATABASE_URL": f"postgresql+psycopg://airline:{PASSWORD}@127.0.0.1:port/x"},
    "no URL at all": {"DATABASE_URL": f"airline:{PASSWORD}@127.0.0.1"},
    "a level": {"LOG_LEVEL": "LOUD"},
    "a number": {"THREADS": "many"},
}


@pytest.fixture
def airline(tmp_path: Path) -> Iterator[HostedAirline]:
    """Functions that log all they can, with secrets to keep."""
    with isolated():
        for name in ("flight-seats.db", "provider.db"):
            (tmp_path / name).touch()  # or migrated ones would be looked for
        environment = {"LOG_LEVEL": "DEBUG", "DATABASE_PASSWORD": PASSWORD, "RESERVATION_ID_SECRET": SECRET}
        yield HostedAirline(tmp_path, tmp_path, "", environment)


def assert_nothing_is_revealed(*texts: str) -> None:
    for text in texts:
        assert not [marker for marker in MARKERS if marker in text], text


def fails(airline: HostedAirline, capfd: pytest.CaptureFixture[str]) -> list[int]:
    """Lets a policy and a probe fail, and looks at all output; returns the statuses."""
    function = airline.function(SERVICE)
    answers = [function.hear(HEARD), function.get("/healthz")]
    logged = capfd.readouterr()
    assert logged.out, "nothing was logged, so nothing was looked at"
    assert_nothing_is_revealed(logged.out, logged.err, *(answer.text for answer in answers))
    return [answer.status_code for answer in answers]


@pytest.mark.parametrize("url", AWAY.values(), ids=AWAY)
def test_a_database_out_of_reach_betrays_no_password(
    airline: HostedAirline, capfd: pytest.CaptureFixture[str], url: str
) -> None:
    airline.settings["DATABASE_URL"] = url

    assert min(fails(airline, capfd)) >= 500


@pytest.fixture(scope="module")
def locked() -> Iterator[Server]:
    """A PostgreSQL that asks for a password, which is not ours."""
    server = postgresql()
    server.start()
    try:
        server.administer("CREATE ROLE buyer LOGIN PASSWORD 'another one'")
        rules = server.folder / "data" / "pg_hba.conf"
        rules.write_text("local all airline trust\nlocal all all scram-sha-256\n")
        server.administer("SELECT pg_reload_conf()")
        yield server
    finally:
        server.remove()


def test_a_wrong_password_is_not_repeated(
    airline: HostedAirline, locked: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    url = URL.create("postgresql+psycopg", "buyer", PASSWORD, "x", database="postgres")
    airline.settings["DATABASE_URL"] = url.set(host=None, query={"host": str(locked.folder)}).render_as_string(False)

    assert fails(airline, capfd) == [503, 503]


def test_a_crash_logs_its_traceback_and_no_secret(
    airline: HostedAirline, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    airline.settings["DATABASE_URL"] = AWAY["nobody listens"]
    function = airline.function(SERVICE)
    monkeypatch.setattr(store, "database", crashing)

    answer = function.hear(HEARD)

    logged = capfd.readouterr()
    assert answer.status_code == 500
    assert "Traceback" in logged.out
    assert_nothing_is_revealed(logged.out, logged.err, answer.text)


def crashing() -> None:
    raise ZeroDivisionError(f"with {settings()}")


@pytest.mark.parametrize("wrong", MISSPELT.values(), ids=MISSPELT)
def test_a_function_that_does_not_start_says_why_and_no_secret(wrong: dict[str, str]) -> None:
    environment = {"DATABASE_PASSWORD": PASSWORD, "RESERVATION_ID_SECRET": SECRET, "DATABASE_URL": "sqlite://"} | wrong
    source = str(FUNCTIONS / "flight-seats" / "main.py")
    command = [sys.executable, "-m", "functions_framework", "--target", "decrease_seats", "--source", source]
    port = {"PORT": "0", "PYTHONPATH": str(FUNCTIONS.parent)}

    ended = subprocess.run(
        command, env=os.environ | environment | port, capture_output=True, text=True, timeout=60, check=False
    )

    assert ended.returncode != 0
    assert next(iter(wrong)) in ended.stdout + ended.stderr
    assert_nothing_is_revealed(ended.stdout, ended.stderr)
