"""Functions on a laptop: asleep, woken, put to sleep, restarted."""

import os
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from testbed.running_system import RunningSystem, eventually


def call(system: RunningSystem, service: str, path: str = "/") -> dict[str, Any]:
    answer = requests.get(system.url(service) + path, timeout=30)
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


def test_the_first_connection_wakes_a_function_and_quiet_puts_it_to_sleep(system: RunningSystem) -> None:
    system.await_state("report", "asleep")
    before = system.service("report")["starts"]
    call(system, "report")
    system.await_state("report", "awake")
    awake = system.service("report")
    assert awake["starts"] == before + 1
    assert 0 < awake["coldStarts"][-1] < 20
    assert awake["wakings"][-1]["seconds"] == awake["coldStarts"][-1]
    system.await_state("report", "asleep")
    with pytest.raises(ProcessLookupError):
        os.kill(awake["pid"], 0)


@pytest.mark.parametrize("service", ["single", "report"])
def test_calls_within_the_window_keep_a_function_awake(system: RunningSystem, service: str) -> None:
    call(system, service)
    system.await_state(service, "awake")
    before = system.service(service)["starts"]
    for _ in range(12):
        call(system, service, "/?seconds=0.25")  # half of the window
    assert system.service(service)["starts"] == before


def test_a_call_in_flight_is_finished_before_the_function_sleeps(system: RunningSystem) -> None:
    answer = call(system, "single", "/?seconds=1.5")
    assert answer["environment"]["K_SERVICE"] == "single"


def test_who_sends_byte_by_byte_does_not_keep_the_only_thread(system: RunningSystem) -> None:
    call(system, "impatient")
    parts = urlsplit(system.url("impatient"))
    with (
        socket.create_connection((parts.hostname or "", parts.port or 0)) as connection,
        ThreadPoolExecutor(1) as pool,
    ):
        connection.sendall(b"POST / HTTP/1.1\r\nHost: ")
        waiting = pool.submit(call, system, "impatient")
        while not waiting.done():
            with suppress(ConnectionError):  # it was sent away
                connection.sendall(b"x")
            wait([waiting], timeout=0.2)
        assert waiting.result()["pid"]


def test_the_environment_is_that_of_the_manifest_with_values_of_the_laptop(system: RunningSystem) -> None:
    environment = call(system, "report")["environment"]
    assert environment["COLOUR"] == environment["PICKED"] == "green"
    assert environment["DATABASE_URL"] == f"sqlite:///{system.data}/sample.db"
    assert environment["LEDGER_DATABASE_URL"] == f"sqlite:///{system.data}/ledger.db"
    assert environment["OTHER_URL"] == system.url("single") + "/path"
    assert environment["PORT"] == str(urlsplit(system.url("report")).port)
    assert environment["K_REVISION"].startswith("report-")
    assert len(environment["PASSWORD"]) >= 32
    assert (system.data / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_min_scale_keeps_a_function_awake_and_brings_it_back(system: RunningSystem) -> None:
    system.await_state("always", "awake")
    before = system.service("always")
    os.kill(before["pid"], signal.SIGKILL)
    eventually(
        lambda: system.service("always")["state"] == "awake" and system.service("always")["pid"] != before["pid"],
        "always is awake again",
    )
    assert call(system, "always")["pid"]


def test_a_function_that_crashed_is_asleep_and_the_next_call_wakes_it(system: RunningSystem) -> None:
    with pytest.raises(requests.ConnectionError):
        requests.get(system.url("crashing") + "/crash", timeout=30)
    assert call(system, "crashing")["pid"]
    eventually(lambda: "crashing  ended unexpectedly (signal 9)" in system.said(), "the crash is on the terminal")


def test_a_function_that_does_not_start_answers_503_with_the_reason(system: RunningSystem) -> None:
    answer = requests.get(system.url("broken") + "/", timeout=30)
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert "nowhere/main.py" in answer.json()["detail"]
    assert "nowhere/main.py" in system.said()


def test_a_function_that_is_killed_again_and_again_answers_503_with_the_signal(system: RunningSystem) -> None:
    def refusal() -> str:
        with suppress(requests.ConnectionError):
            answer = requests.get(system.url("crashing") + "/crash", timeout=30)
            return str(answer.json()["detail"])
        return ""

    assert eventually(refusal, "it is refused") == "crashing does not start: ended by signal 9 (SIGKILL)"


def test_a_ping_source_sends_cloud_events_on_schedule(system: RunningSystem) -> None:
    def kept() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = requests.get(system.url("keep") + "/", timeout=30).json()
        return found

    eventually(lambda: len(kept()) >= 2, "two ticks arrive")
    events = kept()
    headers = events[0]["headers"]
    assert headers["ce-type"] == "dev.knative.sources.ping"
    assert headers["ce-source"] == "/apis/v1/namespaces/sample/pingsources/every-second"
    assert headers["ce-specversion"] == "1.0"
    assert headers["ce-partitionkey"] == "clock"
    assert headers["content-type"] == "application/json"
    assert events[0]["body"] == '{"tick": true}'
    assert events[0]["headers"]["ce-id"] != events[1]["headers"]["ce-id"]


SLEEPS = int(os.environ.get("SLEEPS", "12"))  # of each function; 32 have been tried


def test_not_one_request_fails_while_functions_are_put_to_sleep_again_and_again(system: RunningSystem) -> None:
    """One and four threads; requests arrive at every moment of falling asleep: SIGTERM by hand, under traffic."""
    with ThreadPoolExecutor(2) as pool:
        failures = pool.map(lambda service: failures_under_traffic(system, service), ["single", "report"])
    assert list(failures) == [[], []]


def failures_under_traffic(system: RunningSystem, service: str) -> list[str]:
    url, done, failures = system.url(service), threading.Event(), list[str]()

    def knock() -> int:
        count = 0
        while not done.is_set():
            try:
                answer = requests.get(url, headers={"connection": "close"}, timeout=30)
                failures.extend([] if answer.ok else [answer.text])
            except requests.RequestException as error:
                failures.append(repr(error))
            count += 1
        return count

    with ThreadPoolExecutor(2) as pool:
        counts = [pool.submit(knock) for _ in range(2)]
        try:
            for _ in range(SLEEPS):
                put_to_sleep(system, service)
        finally:
            done.set()
    assert sum(count.result() for count in counts) > SLEEPS
    return failures


def test_a_kept_alive_connection_is_answered_while_its_function_is_put_to_sleep(system: RunningSystem) -> None:
    parts = urlsplit(system.url("report"))
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    for _ in range(20):
        connection.request("GET", "/")
        assert connection.getresponse().read()
        put_to_sleep(system, "report", wait=False)
        connection.request("GET", "/")  # http.client opens a new connection where the answer said close
        assert connection.getresponse().read()
    connection.close()


def put_to_sleep(system: RunningSystem, service: str, *, wait: bool = True) -> None:
    pid = system.process_of(service)
    with suppress(ProcessLookupError):  # it has ended this moment
        os.kill(pid, signal.SIGTERM)
    if wait:
        eventually(lambda: system.service(service)["pid"] != pid, f"{service} is away")
