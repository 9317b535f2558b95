"""Functions are forked from a process that has imported what they share. Nobody but the clock sees a difference."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from testbed.running_system import RunningSystem, eventually, running_system
from tests.laptop.conftest import FIXTURES

SAMPLE = ("--manifests", str(FIXTURES / "manifests"), "--functions", str(FIXTURES / "functions"), "--window", "5m")


@pytest.fixture
def system(tmp_path: Path) -> Iterator[RunningSystem]:
    with running_system(tmp_path / "data", *SAMPLE) as running:
        yield running


def report(system: RunningSystem) -> tuple[int, dict[str, str]]:
    """Who answers, and in which environment it runs."""
    answer = requests.get(f"{system.url('report')}/", timeout=60)
    answer.raise_for_status()
    said = answer.json()
    return said["pid"], said["environment"]


def fork_server(system: RunningSystem) -> psutil.Process:
    """There is one as long as functions wake one after the other."""
    return psutil.Process(eventually(lambda: system.state["forkServerPid"], "there is a fork server"))


def test_a_forked_function_is_a_process_like_any_other(system: RunningSystem) -> None:
    pid, environment = report(system)
    function = psutil.Process(pid)

    assert function.ppid() == system.process.pid
    assert os.getpgid(pid) == pid
    assert function.name() == "report"
    assert function.cwd() == environment["PWD"] == "/"
    assert environment["K_SERVICE"] == "report"
    assert {one.path for one in function.open_files()} >= {
        str(system.data / "logs" / "report.log"),
        str(system.data / "run" / "report.pid"),
    }
    assert str(system.data / "run" / "forkserver.pid") not in {one.path for one in function.open_files()}
    assert int((system.data / "run" / "report.pid").read_text("ascii")) == pid


def test_functions_that_wake_together_share_memory_and_what_they_were_forked_from_goes_soon(
    system: RunningSystem,
) -> None:
    report(system)
    server = fork_server(system)
    assert server.num_threads() == 1
    requests.get(f"{system.url('crashing')}/", timeout=60).raise_for_status()
    assert fork_server(system) == server

    server.wait(60)

    eventually(lambda: system.state["forkServerPid"] is None, "nobody takes it for alive")
    report(system)
    assert system.service("report")["starts"] == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_whatever_happens_to_the_fork_server_functions_are_started(
    system: RunningSystem, number: signal.Signals
) -> None:
    first, _ = report(system)
    server = fork_server(system)
    server.send_signal(number)

    system.put_to_sleep("report")
    second, _ = report(system)
    requests.get(f"{system.url('crashing')}/", timeout=60).raise_for_status()

    assert second != first
    assert fork_server(system) != server
    assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE
    assert system.service("report")["crashes"] == system.service("crashing")["crashes"] == 0


def test_where_nothing_can_be_forked_each_function_imports_everything_and_the_terminal_says_so(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\ncase "$*" in *forkserver*) exit 3 ;; esac\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)

    with running_system(tmp_path / "data", *SAMPLE, "--python", str(python)) as system:
        report(system)
        requests.get(f"{system.url('crashing')}/", timeout=60).raise_for_status()

        (said,) = [line for line in system.said().splitlines() if "forked" in line]
        assert "no function can be forked, so each imports everything itself" in said
        assert "forkserver.log" in said


def test_without_forks_a_function_starts_as_in_its_container(tmp_path: Path) -> None:
    with running_system(tmp_path / "data", *SAMPLE, "--no-fork") as system:
        pid, _ = report(system)

        assert system.state["forkServerPid"] is None
        assert psutil.Process(pid).cmdline()[1:3] == ["-m", "functions_framework"]


NEW_IMPORTS = """
import json, os, sys
from importlib import import_module
from laptop.forkserver import SHARED
for module in SHARED:
    import_module(module)
shared = set(sys.modules)
import functions_framework
functions_framework.create_app(sys.argv[2], sys.argv[1])
def is_packaged(module):
    file = getattr(sys.modules[module], "__file__", None)
    return file and not file.startswith(os.getcwd() + "/functions") and not file.startswith(os.getcwd() + "/airline")
print(json.dumps(sorted(filter(is_packaged, set(sys.modules) - shared))))
"""
OF_SOME = {"choreography.figures", "choreography.housekeeping", "choreography.idempotency", "choreography.keys"}


@pytest.mark.parametrize(
    ("folder", "target"),
    [
        ("reserve", "reserve"),
        ("flight-seats", "decrease_seats"),
        ("payment", "charge_payment"),
        ("dashboard-projector", "project_dashboard"),
    ],
)
def test_what_a_function_still_imports_after_the_fork_is_its_own(tmp_path: Path, folder: str, target: str) -> None:
    environment = {
        "DATABASE_URL": f"sqlite:///{tmp_path}/some.db",
        "PROVIDER_DATABASE_URL": f"sqlite:///{tmp_path}/p.db",
    }
    source = Path("functions", folder, "main.py").resolve()

    said = subprocess.run(
        [sys.executable, "-c", NEW_IMPORTS, str(source), target],
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
        text=True,
    ).stdout

    assert set(json.loads(said)) <= OF_SOME
