"""Functions are forked from a process that has imported what they share. Nobody but the clock sees a difference."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import psutil
import pytest
import requests

from testbed.running_system import ROOT, RunningSystem, eventually, running_system
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


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_fork_server_that_ends_or_hangs_while_it_forks_leaves_no_function_that_nobody_knows(
    system: RunningSystem, number: signal.Signals
) -> None:
    report(system)
    for _ in range(5):
        server = fork_server_that_works(system)
        system.put_to_sleep("report")
        with ThreadPoolExecutor(1) as pool:
            waking = pool.submit(report, system)
            eventually(lambda: server.children() or waking.done(), "it forks", pause=0.0)  # noqa: B023 - of this round
            with suppress(psutil.NoSuchProcess):
                server.send_signal(number)
            pid, _ = waking.result()
        assert pid == system.process_of("report")
        eventually(lambda: forked(system) <= known(system), "every function is known")


def fork_server_that_works(system: RunningSystem) -> psutil.Process:
    """One that hangs is noticed at the next start, and replaced at the one after it."""

    def found() -> int:
        system.put_to_sleep("single")
        requests.get(f"{system.url('single')}/", timeout=60).raise_for_status()
        pid = int(system.state["forkServerPid"] or 0)
        with suppress(psutil.NoSuchProcess):
            return pid if pid and psutil.Process(pid).status() != psutil.STATUS_STOPPED else 0
        return 0

    return psutil.Process(eventually(found, "there is a fork server", within=60))


def forked(system: RunningSystem) -> set[int]:
    """The children of the supervisor that were forked, but for what they were forked from."""
    found = set()
    for child in psutil.Process(system.process.pid).children():
        with suppress(psutil.NoSuchProcess):
            if "laptop.forkserver" in child.cmdline() and child.pid != system.state["forkServerPid"]:
                found.add(child.pid)
    return found


def known(system: RunningSystem) -> set[int]:
    return {one["pid"] for one in system.state["services"].values() if one["pid"]}


@dataclass(frozen=True)
class Written:
    """A system of its own, whose shared code and functions a person edits; nothing can be forked while `broken` is."""

    system: RunningSystem
    folder: Path

    def edit(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, "utf-8")

    def is_mended(self) -> None:
        (self.folder / "broken").unlink()


@pytest.fixture
def written(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Written]:
    folder = tmp_path / "system"
    shutil.copytree(FIXTURES, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "words").mkdir()
    (folder / "words" / "said.py").write_text("WORD = 1\n", "utf-8")
    (folder / "system.toml").write_text('code = ["words"]\n', "utf-8")
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\ncase "$*" in *forkserver*) [ ! -e "{folder}/broken" ] || exit 3 ;; esac\n'
        f'exec "{sys.executable}" "$@"\n',
        "utf-8",
    )
    python.chmod(0o755)
    if getattr(request, "param", "whole") == "broken":
        (folder / "broken").touch()
    arguments = ("--system", str(folder), "--data", str(tmp_path / "data"), "--window", "5m", "--python", str(python))
    with running_system(tmp_path / "data", *arguments) as running:
        yield Written(running, folder)


@pytest.mark.parametrize("written", ["broken"], indirect=True)
def test_where_nothing_can_be_forked_each_function_imports_everything_until_what_is_shared_has_changed(
    written: Written,
) -> None:
    system = written.system
    report(system)
    requests.get(f"{system.url('crashing')}/", timeout=60).raise_for_status()
    (said,) = [line for line in system.said().splitlines() if "forked" in line]
    assert "no function can be forked, so each imports everything itself" in said
    assert "forkserver.log" in said
    assert system.state["forkServerPid"] is None

    written.is_mended()
    written.edit("words/said.py", "WORD = 2\n")

    eventually(lambda: "said.py; the next call runs it" in system.said(), "the change is seen")
    report(system)
    assert fork_server(system).is_running()


def test_changed_code_that_is_shared_is_never_forked_as_it_was_whatever_mistake_came_with_it(written: Written) -> None:
    system = written.system
    report(system)
    server = fork_server(system)
    main = written.folder / "functions" / "sample" / "main.py"
    right = main.read_text("utf-8")

    with stopped(system.process):  # so that it sees both at once
        written.edit("words/said.py", "WORD = 2\n")
        main.write_text(f"{right}\n)", "utf-8")
    eventually(lambda: "not run yet" in system.said(), "the mistake is seen")
    main.write_text(right, "utf-8")
    requests.get(f"{system.url('crashing')}/", timeout=60).raise_for_status()

    assert fork_server(system) != server


@contextmanager
def stopped(process: subprocess.Popen[bytes]) -> Iterator[None]:
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


FORK_SERVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(os.open(os.devnull, os.O_RDONLY), 4)
from laptop import forkserver
forkserver.main()
"""
BEGUN = """
import json, os, time
print(json.dumps({"zone": time.tzname[0], "environment": dict(os.environ)}))
"""


@dataclass(frozen=True)
class Asked:
    """A fork server that a test asks for a process, in the place of the supervisor."""

    control: socket.socket
    folder: Path

    def fork(self) -> tuple[int, BinaryIO]:
        """The id of a process that waits, and what it waits for."""
        begin, begins = os.pipe()
        environment = {"PYTHONPATH": str(self.folder), "TZ": "Asia/Seoul"}
        job = {"name": "begun", "arguments": ["begun"], "environment": environment, "folder": "/", "niceness": 0}
        with (self.folder / "output").open("wb") as output:
            passed = [output.fileno(), output.fileno(), begin]
            socket.send_fds(self.control, [json.dumps(job | {"numbers": [1, 4], "life": 4}).encode()], passed)
        os.close(begin)
        return int(self.control.recv(64)), os.fdopen(begins, "wb", buffering=0)

    def ended(self, pid: int) -> str:
        eventually(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie", "it has ended")
        return (self.folder / "output").read_text("utf-8")


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Asked]:
    (tmp_path / "begun.py").write_text(BEGUN, "utf-8")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen(
        [sys.executable, "-c", FORK_SERVER, str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{tmp_path}"},
    )
    theirs.close()
    with ours, process:
        assert ours.recv(64) == b"ready"
        yield Asked(ours, tmp_path)
        ours.close()


def test_a_function_begins_once_the_supervisor_knows_it_in_its_own_environment_and_time_zone(asked: Asked) -> None:
    pid, begins = asked.fork()
    begins.write(b".")

    pid_line, said = asked.ended(pid).splitlines()

    assert pid_line == str(pid)
    assert json.loads(said)["zone"] == "KST"
    assert json.loads(said)["environment"].keys() == {"PYTHONPATH", "TZ", "PWD", "LISTEN_PID"}
    begins.close()


def test_a_function_that_nobody_will_know_never_begins(asked: Asked) -> None:
    pid, begins = asked.fork()
    assert psutil.pid_exists(pid)

    begins.close()

    assert asked.ended(pid) == ""


def test_variables_that_are_read_when_python_starts_are_those_of_the_function(tmp_path: Path) -> None:
    folder = tmp_path / "system"
    shutil.copytree(FIXTURES, folder, ignore=shutil.ignore_patterns("__pycache__"))
    manifests = folder / "manifests" / "functions.yaml"
    target = "- {name: FUNCTION_TARGET, value: report}"
    text = manifests.read_text("utf-8").replace(target, f'{target}\n            - {{name: PYTHONDEVMODE, value: "1"}}')
    manifests.write_text(text, "utf-8")
    with running_system(tmp_path / "data", "--system", str(folder), "--window", "5m") as system:
        pid, environment = report(system)

        assert environment["PYTHONDEVMODE"] == "1"
        assert psutil.Process(pid).cmdline()[-6:-4] == ["-m", "functions_framework"]


LEFT = """
import asyncio, os, subprocess, time
from pathlib import Path
from laptop.forking import _is_subreaper
from laptop.process import Children
assert _is_subreaper()
orphan = int(subprocess.run(["sh", "-c", "sleep 0.2 >&- & echo $!"], capture_output=True, check=True).stdout)
children = Children(Path("."))
while Path(f"/proc/{orphan}").exists():
    children.reap()
    time.sleep(0.02)
"""


def test_what_a_function_leaves_behind_is_no_zombie_when_it_ends() -> None:
    subprocess.run([sys.executable, "-c", LEFT], cwd=ROOT, check=True, timeout=60)


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
