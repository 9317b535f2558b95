"""No connection is closed in the face of whoever keeps it: each answer says that it is the last one, and is.

Knative's queue-proxy and activator keep idle connections for 90 seconds. A function that closes one earlier, without a
word, makes a 502 of the request that comes at that moment.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from testbed.ports import free_port
from testbed.project import function_folders, targets
from testbed.running_system import ROOT, eventually

MAINS = {folder: next(iter(targets(folder))) for folder in function_folders()}
SOURCES = [(ROOT / "functions" / folder / "main.py", target) for folder, target in MAINS.items()]
SOURCES += [(ROOT / "tests/broker/recorder/main.py", "record")]
SOURCES += [(ROOT / "tests/laptop/fixtures/functions/sample/main.py", "report")]
"""Each main.py of a function, those of the tests as well, with one of its targets."""
GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n"
EVENT = b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}"


@contextmanager
def served(
    source: Path, target: str, threads: int, folder: Path, **more: str
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The process and the port of a function, started as its image starts it. Its log is `folder`/log."""
    port = free_port()
    settings = {"HOST": "127.0.0.1", "PORT": str(port), "THREADS": str(threads), "WORKERS": "1"}
    settings |= {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    settings |= {"FUNCTION_SOURCE": str(source), "FUNCTION_TARGET": target, "DATABASE_URL": f"sqlite:///{folder}/a.db"}
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "-m", "functions_framework"]
        process = subprocess.Popen(command, env=settings | more, cwd=folder, stdout=log, stderr=log)
    try:
        eventually(lambda: listens(port) or process.poll() is not None, f"{target} listens")
        yield process, port
    finally:
        process.terminate()
        process.wait(20)


def listens(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


def whole_answer(port: int, request: bytes) -> bytes:
    """What comes until the other side ends the connection, which is left open here."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as caller:
        caller.sendall(request)
        answer = b""
        while received := caller.recv(65536):
            answer += received
        return answer


def test_every_function_is_in_this_list() -> None:
    mains = {path for folder in ("functions", "tests") for path in (ROOT / folder).rglob("main.py")}
    assert {source for source, _ in SOURCES} == mains


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize(("source", "target"), SOURCES, ids=[target for _, target in SOURCES])
def test_each_answer_says_that_it_is_the_last_of_its_connection_and_is(
    source: Path, target: str, threads: int, tmp_path: Path
) -> None:
    with served(source, target, threads, tmp_path) as (_, port):
        for request in (GET, EVENT, GET):
            head = whole_answer(port, request).partition(b"\r\n\r\n")[0].lower()
            assert head.startswith(b"http/1.1 ")
            assert b"\r\nconnection: close" in head
