"""The whole airline in an unusual folder and environment, as somebody may have."""

import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from testbed.running_system import ROOT, RunningSystem, eventually

FOLDER = "-n a b%41%s?c#d&e;f'g\"h$i`j\\k가[x]*{y}|z"
ROOMS = (
    "airline",
    "bin",
    "broker",
    "choreography",
    "cli",
    "client",
    "functions",
    "gateway",
    "knative",
    "laptop",
    "terminal",
)
NO_PROXY_ANSWERS = "http://127.0.0.1:1"
ENVIRONMENT = {
    "LC_ALL": "C",
    "CDPATH": "/:/tmp",
    "BASH_ENV": "/nowhere",
    "ENV": "/nowhere",
    "http_proxy": NO_PROXY_ANSWERS,
    "HTTP_PROXY": NO_PROXY_ANSWERS,
    "ALL_PROXY": NO_PROXY_ANSWERS,
    "PYTHONPATH": "/nowhere",
    "PYTHONSAFEPATH": "1",
    "PYTHONWARNINGS": "error",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout, reached through a link, without a word of its name in the link's."""
    folder = tmp_path_factory.mktemp("odd") / FOLDER / (" " + "long" * 20 + " \n ")
    folder.mkdir(parents=True)
    for room in ROOMS:
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("Makefile", "system.toml"):
        shutil.copy(ROOT / file, folder)
    return folder


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Without HOME, with a TMPDIR that is too long for a socket, and PATH."""
    long = tmp_path_factory.mktemp("long") / ("t" * 100)
    long.mkdir()
    return {"PATH": os.environ["PATH"], "TMPDIR": str(long), **ENVIRONMENT}


@contextmanager
def made(place: Path, environment: dict[str, str]) -> Iterator[RunningSystem]:
    """`make run`, for which everything is installed."""
    terminal = place / "terminal.txt"
    command = f'umask 077; exec make run VENV={sys.prefix} ARGS=--free-ports -o "{sys.prefix}/.laptop"'
    with terminal.open("wb") as output:
        process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            cwd=place,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    system = RunningSystem(process, place / ".airline", terminal)
    try:
        eventually(lambda: "Stop:" in system.said() or process.poll() is not None, "the system is up", 60)
        assert process.poll() is None, system.said()
        yield system
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(timeout=40)


def make(place: Path, environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    command = ["make", *words, f"VENV={sys.prefix}", "-o", f"{sys.prefix}/.laptop"]
    return subprocess.run(
        command, cwd=place, env=environment, capture_output=True, text=True, check=False, timeout=60, encoding="utf-8"
    )


def test_the_airline_runs_wherever_a_person_puts_it(place: Path, environment: dict[str, str]) -> None:
    around = {path.name for path in place.parent.iterdir()} | {path.name for path in place.parent.parent.iterdir()}
    with made(place, environment) as system:
        direct = requests.Session()
        direct.trust_env = False
        page = direct.get(system.gateway, timeout=30)
        assert page.status_code == 200
        assert page.text == (ROOT / "gateway" / "web" / "index.html").read_text("utf-8")

        (place / ".venv").symlink_to(sys.prefix)
        link = place.parent.parent / "airline"
        link.symlink_to(place / "bin" / "airline")
        smoke = subprocess.run([link, "smoke"], cwd="/", env=environment, capture_output=True, check=False, timeout=90)
        assert smoke.returncode == 0, smoke.stderr.decode()

        status = make(place, environment, "status")
        assert status.returncode == 0, status.stderr
        assert "reserve" in status.stdout

        databases = {path.name for path in system.data.glob("*.db")}
        assert {"reserve.db", "flight-seats.db", "payment.db", "provider.db", "broker.db"} <= databases
        assert stat.S_IMODE((system.data / "reserve.db").stat().st_mode) == 0o600

        refused = make(place, environment, "clean")
        assert refused.returncode != 0
        assert "in use by a run that is alive" in refused.stderr
    assert "Traceback" not in system.said()
    now = {path.name for path in place.parent.iterdir()} | {path.name for path in place.parent.parent.iterdir()}
    assert now - around == {"airline"}

    cleaned = make(place, environment, "clean")
    assert cleaned.returncode == 0, cleaned.stderr
    assert not system.data.exists()


def test_what_caddy_says_of_a_gateway_that_does_not_start_is_shown_at_once(
    place: Path, environment: dict[str, str]
) -> None:
    caddyfile = place / "gateway" / "Caddyfile"
    caddyfile.write_text(caddyfile.read_text("utf-8") + "\nhttp://:1 {\n\troot a b c\n}\n", "utf-8")
    ended = make(place, environment, "run", "ARGS=--free-ports")
    assert ended.returncode != 0
    [said] = [line for line in ended.stderr.splitlines() if line.startswith("laptop: ")]
    assert said.startswith("laptop: gateway does not start (exit code 1: adapting config using caddyfile: ")
    assert "too many arguments" in said
    assert f"Caddyfile:{len(caddyfile.read_text('utf-8').splitlines()) - 1}" in said
