"""Processes that the suite starts: the embedded broker, and the recorder in functions-framework."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import requests

from testbed.ports import free_port

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
QUICK = {"retry": 0, "timeout": "PT5S"}


class EmbeddedBroker:
    """Can be killed and started again on the same database and port."""

    def __init__(self, manifests: list[Path], services: dict[str, str], data: Path, *options: str) -> None:
        self.port = free_port()
        self._command = [
            sys.executable,
            "-m",
            "broker.embedded",
            "--data",
            str(data),
            "--port",
            str(self.port),
            *options,
        ]
        for path in manifests:
            self._command += ["--triggers", str(path)]
        for name, url in services.items():
            self._command += ["--service", f"{name}={url}"]
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, path: str = "/airline-contract/contract") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, cwd=ROOT)
        wait_until_answering(self.url("/healthz"), self._process)

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        code = self._process.wait(timeout=20)
        self._process = None
        return code

    def figures(self, trigger: str) -> dict[str, int]:
        triggers: dict[str, dict[str, int]] = self.status()["triggers"]
        return triggers[trigger]

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = requests.get(self.url("/-/status"), timeout=10).json()
        return status

    @contextlib.contextmanager
    def running(self) -> Iterator["EmbeddedBroker"]:
        self.start()
        try:
            yield self
        finally:
            if self._process is not None:
                self.stop()


Start = Callable[..., EmbeddedBroker]
"""recorder's URL, Triggers, options of the command"""


def trigger(name: str, delivery: dict[str, Any], **spec: Any) -> dict[str, Any]:
    subscriber = {"ref": {"kind": "Service", "name": "recorder"}, "uri": f"/{name}"}
    spec = {"broker": "contract", "subscriber": subscriber, "delivery": delivery, **spec}
    return {"kind": "Trigger", "metadata": {"namespace": "airline-contract", "name": name}, "spec": spec}


@contextlib.contextmanager
def running_recorder() -> Iterator[str]:
    """The recorder as on a cluster, but for the port; yields its URL."""
    port = free_port()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "WORKERS": "1", "THREADS": "64"}
    source = str(HERE / "recorder" / "main.py")
    command = [sys.executable, "-m", "functions_framework", "--target", "record", "--source", source]
    with subprocess.Popen([*command, "--host", "127.0.0.1", "--port", str(port)], env=environment) as process:
        try:
            wait_until_answering(f"http://127.0.0.1:{port}/", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def wait_until_answering(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        assert process.poll() is None, f"ended with {process.returncode} instead of answering at {url}"
        with contextlib.suppress(requests.ConnectionError):
            requests.get(url, timeout=5)
            return
        time.sleep(0.05)
    raise TimeoutError(url)
