"""One run of the laptop: how it starts, what it refuses, how it ends, and what it finds after a crash."""

import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import psutil
import pytest
import requests

from testbed.running_system import ROOT, RunningSystem, eventually, running_system, start_system

FIXTURES = Path(__file__).parent / "fixtures"
SAMPLE = ("--manifests", str(FIXTURES / "manifests"), "--functions", str(FIXTURES / "functions"))
OF_A_PERSON = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
EVENTS = ("--manifests", str(FIXTURES / "events"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything(tmp_path: Path, number: signal.Signals) -> None:
    with running_system(tmp_path, *SAMPLE, *EVENTS) as system:
        requests.get(system.url("single"), timeout=30)
        system.await_state("single", "awake")
        state = system.state
        pids = [state["brokerPid"], *(service["pid"] for service in state["services"].values() if service["pid"])]
        assert system.end(number) == 0
    assert [pid for pid in pids if psutil.pid_exists(pid)] == []
    assert not (tmp_path / "state.json").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_whoever_ends_it_while_it_starts_gets_no_traceback(tmp_path: Path, number: signal.Signals) -> None:
    with (tmp_path / "lock").open("w") as lock:  # it waits a while for a run whose process has just died
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(str(2**22 + 1))  # more than a process id can be
        lock.flush()
        system = start_system(tmp_path, *SAMPLE)
        opened = psutil.Process(system.process.pid).open_files
        eventually(lambda: str(tmp_path / "lock") in [file.path for file in opened()], "it waits")
        assert system.end(number) == 130
    assert system.said() == ""


def test_what_a_killed_supervisor_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    with running_system(tmp_path, *SAMPLE, *EVENTS) as system:
        requests.get(system.url("single"), timeout=30)
        system.await_state("single", "awake")
        left = [system.service("single")["pid"], system.state["brokerPid"]]
        system.end(signal.SIGKILL)
        eventually(lambda: not any(map(psutil.pid_exists, left)), "the strays are gone")
        eventually(lambda: not (tmp_path / "state.json").exists(), "no call goes to the dead one")
        assert re.search(r"was killed; ended what it left: .*\bbroker\b.*\bsingle\b", system.said())


@pytest.mark.parametrize("ending", ["run", "clean"])
def test_leftovers_without_a_guard_are_ended_at_the_next_start_or_by_clean(tmp_path: Path, ending: str) -> None:
    with running_system(tmp_path, *SAMPLE, *EVENTS) as system:
        left = system.state["brokerPid"]
        os.kill(guard_of(system), signal.SIGKILL)
        system.end(signal.SIGKILL)
    assert psutil.pid_exists(left)
    if ending == "run":
        with running_system(tmp_path, *SAMPLE, *EVENTS) as system:
            assert "ended broker, left over" in system.said()
    else:
        cleaned = clean(tmp_path)
        assert cleaned.returncode == 0, cleaned.stderr
        assert "ended broker, left over" in cleaned.stderr
        assert not tmp_path.exists()
    eventually(lambda: not psutil.pid_exists(left), "the stray is gone")


def test_clean_removes_nothing_of_a_run_that_is_alive(tmp_path: Path) -> None:
    with running_system(tmp_path, *SAMPLE) as system:
        address = system.url("single")
        (tmp_path / "state.json").unlink()
        refused = clean(tmp_path)
        assert refused.returncode == 1
        assert f"in use by a run that is alive (process {system.process.pid})" in refused.stderr
        assert requests.get(address, timeout=30).ok


def gone(folder: Path) -> bool:
    """Whether it could be removed: something may have been written there meanwhile."""
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def test_one_function_that_cannot_be_started_ends_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tempfile.mkdtemp()  # its path is short enough for a socket
    monkeypatch.setenv("TMPDIR", temporary)
    with running_system(tmp_path, *SAMPLE) as system:
        assert [path.name for path in Path(temporary).glob("laptop-*")]
        for folder in (Path(temporary), tmp_path / "run", tmp_path / "logs"):  # as those do who clean up
            eventually(partial(gone, folder), f"{folder} is removed")
        assert requests.get(system.url("report"), timeout=30).ok
        (tmp_path / "logs" / "single.log").unlink(missing_ok=True)
        (tmp_path / "logs" / "single.log").mkdir()
        refused = requests.get(system.url("single"), timeout=30)
        assert refused.status_code == 503
        assert "single does not start: Is a directory" in refused.json()["detail"]
        assert "everything else goes on" in system.said()
        assert requests.get(system.url("report"), timeout=30).ok
        (tmp_path / "logs" / "single.log").rmdir()
        eventually(lambda: requests.get(system.url("single"), timeout=30).ok, "it starts when it can")
        assert system.end() == 0


def test_a_second_run_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with running_system(tmp_path, *SAMPLE) as system:
        second = run_to_its_end("--data", str(tmp_path), "--free-ports", *SAMPLE)
        assert second.returncode == 1
        assert f"in use by a run that is alive (process {system.process.pid})" in second.stderr


def test_all_taken_ports_are_named_at_once_with_their_services_and_the_way_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        ports = {"report": one.getsockname()[1], "single": other.getsockname()[1]}
        moved = [word for name, port in ports.items() for word in ("--port", f"{name}={port}")]
        refused = run_to_its_end("--data", str(tmp_path), "--free-ports", *moved, *SAMPLE)
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1
    for name, port in ports.items():
        assert f"port {port}, wanted by {name} (Address already in use)" in refused.stderr
        assert f"--port {name}=PORT" in refused.stderr
    assert not (tmp_path / "state.json").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--port", "gateway=99999"], "--port gateway=99999: not NAME=PORT with a port up to 65535"),
        (["--port", "gateway=abc"], "--port gateway=abc: not NAME=PORT"),
        (["--port", "gateway"], "--port gateway: not NAME=PORT"),
        (["--port", "=80"], "--port =80: not NAME=PORT"),
        (["--port", "single=-1"], "--port single=-1: not NAME=PORT"),
        (["--port", "nobody=9000"], "--port names nobody; there are: "),
        (["--port", "single=9000", "--port", "single=9001"], "--port names single more than once"),
        (["--port", "single=9000", "--port", "report=9000"], "both want port 9000; move one"),
        (["--data", ""], "--data names no folder"),
        (["--system", ""], "--system names no folder"),
        (["--data", f"/tmp/{'d' * 200}/{'d' * 200}/{'d' * 60}"], "has 467 bytes, and SQLite opens no file behind more"),
        (["--data", "/dev/null/here"], "cannot be written to (Not a directory): choose another folder with --data"),
    ],
)
def test_a_mistake_on_the_command_line_is_reported_in_one_line(tmp_path: Path, words: list[str], said: str) -> None:
    refused = run_to_its_end("--data", str(tmp_path), "--free-ports", *SAMPLE, *words)
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1
    assert said in refused.stderr


def test_the_embedded_broker_gets_the_bound_functions_and_comes_back_when_it_dies(tmp_path: Path) -> None:
    with running_system(tmp_path, *SAMPLE, *EVENTS) as system:
        environment = requests.get(system.url("single"), timeout=30).json()["environment"]
        assert environment["K_SINK"] == system.broker
        assert environment["K_SINK"].endswith("/sample/events")
        assert json.loads(environment["K_CE_OVERRIDES"]) == {"extensions": {"partitionkey": "one"}}
        before = system.state["brokerPid"]
        os.kill(before, signal.SIGKILL)
        assert requests.get(system.state["brokerStatus"], timeout=30).ok
        assert system.state["brokerPid"] != before


def test_an_event_wakes_the_function_of_its_trigger_and_status_shows_it(tmp_path: Path) -> None:
    with running_system(tmp_path, *SAMPLE, *EVENTS) as system:
        event = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/test", "ce-type": "Happened"}
        headers = {**event, "content-type": "application/json"}
        assert requests.post(system.broker, data="{}", headers=headers, timeout=30).status_code == 202
        url = system.url("keep")
        eventually(lambda: "Happened" in requests.get(url, timeout=30).text, "the event was delivered")
        shown = status("--data", str(tmp_path), "--json")
        service = json.loads(shown.stdout)["services"]["keep"]
        assert service["triggers"] == ["sample/keep-on-happened"]
        assert service["events"] == {"backlog": 0, "inFlight": 0, "retries": 0, "deadLettered": 0}
        table = status("--data", str(tmp_path)).stdout
        assert next(line for line in table.splitlines() if line.startswith("keep")).split()[1] == "awake"


def test_status_says_when_nothing_runs(tmp_path: Path) -> None:
    shown = status("--data", str(tmp_path))
    assert shown.returncode == 1
    assert "nothing runs" in shown.stderr


def test_what_it_says_to_type_shows_who_is_awake_there_in_whatever_folder_the_data_are(tmp_path: Path) -> None:
    with running_system(tmp_path / "it's here, $HOME", *SAMPLE) as system:
        (command,) = [line.removeprefix("  See:    ") for line in system.said().splitlines() if "See:" in line]

        shown = subprocess.run(
            command, shell=True, cwd=ROOT, capture_output=True, text=True, check=True, env=OF_A_PERSON
        ).stdout

        assert "single" in shown


def run_to_its_end(*arguments: str) -> subprocess.CompletedProcess[str]:
    return _laptop("run", *arguments)


def guard_of(system: RunningSystem) -> int:
    children = psutil.Process(system.process.pid).children()
    return next(child.pid for child in children if "laptop.guard" in child.cmdline())


def clean(data: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-S", "-m", "laptop.clean", str(data)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def status(*arguments: str) -> subprocess.CompletedProcess[str]:
    return _laptop("status", *arguments)


def _laptop(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "laptop", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
