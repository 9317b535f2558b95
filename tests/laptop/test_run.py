"""One run of the laptop: how it starts, what it refuses, how it ends, and what it finds after a crash."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.system import ROOT, eventually, running_system

FIXTURES = Path(__file__).parent / "fixtures"
SAMPLE = ("--manifests", str(FIXTURES / "manifests"), "--functions", str(FIXTURES / "functions"))
EVENTS = ("--manifests", str(FIXTURES / "events"))


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything(tmp_path: Path, number: signal.Signals) -> None:
    with running_system(tmp_path, *SAMPLE, *EVENTS) as system:
        requests.get(system.url("single"), timeout=30)
        system.await_state("single", "awake")
        state = system.state
        pids = [state["brokerPid"], *(service["pid"] for service in state["services"].values() if service["pid"])]
        assert system.end(number) == 0
    assert [pid for pid in pids if is_alive(pid)] == []
    assert not (tmp_path / "state.json").exists()


def test_what_a_killed_supervisor_left_behind_is_ended_at_the_next_start(tmp_path: Path) -> None:
    with running_system(tmp_path, *SAMPLE, *EVENTS) as system:
        requests.get(system.url("single"), timeout=30)
        system.await_state("single", "awake")
        left = [system.service("single")["pid"], system.state["brokerPid"]]
        system.end(signal.SIGKILL)
    assert all(map(is_alive, left))
    with running_system(tmp_path, *SAMPLE, *EVENTS) as system:
        assert "ended broker, left over" in system.said()
        assert "ended single, left over" in system.said()
        eventually(lambda: not any(map(is_alive, left)), "the strays are gone")
        assert requests.get(system.url("single"), timeout=30).ok


def test_a_second_run_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with running_system(tmp_path, *SAMPLE) as system:
        second = run_to_its_end("--data", str(tmp_path), "--free-ports", *SAMPLE)
        assert second.returncode == 1
        assert f"in use by a run that is alive (process {system.process.pid})" in second.stderr


def test_a_taken_port_is_named_with_its_service_and_the_way_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        refused = run_to_its_end("--data", str(tmp_path), "--free-ports", "--port", f"report={port}", *SAMPLE)
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1
    assert f"port {port}, wanted by report" in refused.stderr
    assert "--port report=PORT" in refused.stderr
    assert not (tmp_path / "state.json").exists()


def test_the_embedded_broker_is_told_to_bound_functions_and_comes_back_when_it_dies(tmp_path: Path) -> None:
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


def run_to_its_end(*arguments: str) -> subprocess.CompletedProcess[str]:
    return _laptop("run", *arguments)


def status(*arguments: str) -> subprocess.CompletedProcess[str]:
    return _laptop("status", *arguments)


def _laptop(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "laptop", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
