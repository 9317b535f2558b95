"""The embedded broker as a process of its own, and a fast publisher."""

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from testbed.ports import free_port

PATH = "/benchmark/broker"


@dataclass(frozen=True)
class RunningBroker:
    port: int
    process: psutil.Process

    def cpu_seconds(self) -> float:
        times = self.process.cpu_times()
        return times.user + times.system

    def rss_bytes(self) -> int:
        return int(self.process.memory_info().rss)

    def status(self) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/status") as answer:
            return json.load(answer)


class Publisher:
    """Posts one event after another on one connection, or many without waiting in between."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def publish(self, head: str, data: bytes) -> None:
        await self.publish_many([head], data)

    async def publish_many(self, heads: list[str], data: bytes) -> None:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        for head in heads:
            start = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}Content-Length: {len(data)}\r\n\r\n"
            writer.write(start.encode() + data)
        for _ in heads:
            answer = await reader.readuntil(b"\r\n\r\n")
            if b" 202 " not in answer.split(b"\r\n")[0]:
                raise RuntimeError(answer.decode())

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()


def trigger(name: str, subscriber: str, event_type: str | None) -> dict[str, object]:
    spec: dict[str, object] = {
        "broker": "broker",
        "subscriber": {"uri": subscriber},
        "delivery": {"retry": 10, "backoffPolicy": "exponential", "backoffDelay": "PT0.2S", "timeout": "PT20S"},
    }
    if event_type is not None:
        spec["filter"] = {"attributes": {"type": event_type}}
    return {"kind": "Trigger", "metadata": {"namespace": "benchmark", "name": name}, "spec": spec}


@contextlib.contextmanager
def start_broker(folder: Path, triggers: list[dict[str, object]], *options: str) -> Iterator[RunningBroker]:
    broker = {"kind": "Broker", "metadata": {"namespace": "benchmark", "name": "broker"}}
    manifests = folder / "triggers.yaml"
    manifests.write_text("\n---\n".join(json.dumps(each) for each in [broker, *triggers]))
    port = free_port()
    command = [sys.executable, "-m", "broker.embedded", "--triggers", str(manifests), "--port", str(port)]
    command += ["--data", str(folder / "broker.db"), *options]
    process = subprocess.Popen(command, cwd=Path(__file__).parent.parent)
    try:
        wait_for_port(port)
        yield RunningBroker(port, psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError("the broker did not start")
