"""Starting functions, loading them, and counting what they cost. Noise is large: compare only within one run."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil

from testbed.ports import free_port

ROOT = Path(__file__).resolve().parent.parent
PLAIN = ROOT / "benchmarks" / "plain"


EMPTY_EVENT = {
    "ce-specversion": "1.0",
    "ce-id": "1",
    "ce-source": "/b",
    "ce-type": "B",
    "content-type": "application/json",
}


@dataclass(frozen=True)
class Load:
    """What a load cost: CPU seconds a call of all processes of the function, and latencies in seconds, sorted."""

    cpu: float
    latencies: Sequence[float]

    def percentile(self, percent: float) -> float:
        """The latency that this percentage of the calls did not exceed."""
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * percent / 100))]


def spawn(folder: Path, target: str, threads: int, **env: str) -> tuple[subprocess.Popen[bytes], int]:
    """Starts a function; returns its process and its port before it answers."""
    port = free_port()
    settings = {
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "THREADS": str(threads),
        "WORKERS": "1",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "functions_framework", "--source", str(folder / "main.py"), "--target", target]
    process = subprocess.Popen(command, env={**os.environ, **settings, **env}, stdout=subprocess.DEVNULL)
    return process, port


@contextmanager
def function(folder: Path, target: str, threads: int, **env: str) -> Iterator[tuple[psutil.Process, int]]:
    """A function that answers; ended afterwards."""
    process, port = spawn(folder, target, threads, **env)
    try:
        await_answer(port, request(b"{}", EMPTY_EVENT))
        yield psutil.Process(process.pid), port
    finally:
        process.terminate()
        process.wait(timeout=20)


def await_answer(port: int, message: bytes) -> None:
    """Returns when a request was answered; asks again every millisecond until somebody listens."""
    answered = False
    while not answered:
        try:
            answered = bool(call(port, message))
        except ConnectionError:
            time.sleep(0.001)


def request(body: bytes, headers: dict[str, str] | None = None, method: str = "POST") -> bytes:
    """The bytes of one HTTP request that closes its connection."""
    lines = [f"{method} / HTTP/1.1", "Host: localhost", "Connection: close", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def call(port: int, message: bytes) -> bytes:
    """Sends a request and returns the whole answer."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(message)
        answer = b""
        while received := connection.recv(65536):
            answer += received
    if not answer:
        raise ConnectionError("closed without an answer")
    return answer


def load(process: psutil.Process, port: int, messages: Sequence[bytes], clients: int = 1) -> Load:
    """Sends all messages from this many clients, each waiting for its answer; every answer must be 2xx."""

    def timed(message: bytes) -> float:
        start = time.perf_counter()
        answer = call(port, message)
        assert answer.startswith(b"HTTP/1.1 2"), answer[:500]
        return time.perf_counter() - start

    before = cpu_seconds(process)
    with ThreadPoolExecutor(clients) as pool:
        latencies = sorted(pool.map(timed, messages))
    return Load((cpu_seconds(process) - before) / len(messages), latencies)


def paced(process: psutil.Process, port: int, messages: Sequence[bytes], rate: float) -> float:
    """CPU seconds per call at this many calls a second: with pauses between them a call finds its caches cold."""
    before, start = cpu_seconds(process), time.perf_counter()
    for number, message in enumerate(messages):
        time.sleep(max(0.0, start + number / rate - time.perf_counter()))
        call(port, message)
    return (cpu_seconds(process) - before) / len(messages)


def cpu_seconds(process: psutil.Process) -> float:
    """User and system time of a process and its children, the ended ones included."""
    times = [process.cpu_times(), *(child.cpu_times() for child in process.children(recursive=True))]
    return sum(each.user + each.system for each in times) + times[0].children_user + times[0].children_system


def repeated(rounds: int, *measures: Callable[[], float]) -> list[float]:
    """The median of each measure; they take turns, so that a noisy moment hits all of them."""
    results = [[measure() for measure in measures] for _ in range(rounds)]
    return [median(column) for column in zip(*results, strict=True)]
