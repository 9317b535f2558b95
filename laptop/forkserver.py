"""The process that functions are forked from: `python -m laptop.forkserver`, with the supervisor at descriptor 3.

Most of a function's start is imports, and what they leave in memory is the same in each. Here it is imported once.
A forked function starts in a fifth of the time, and shares those pages until one of them writes there. It is a process
like any other from then on: a group, a lock, a log and a socket of its own, and the supervisor is its parent.

Only packages and the kit are shared. The system's own code and a function's folder are imported by each function. Where
the kit has changed, the supervisor starts another fork server, so a changed file is what the next start runs.

The supervisor sends a packet for each function (JSON, with its descriptors), and gets one back: the id of the process,
or FAILED. A function begins when the supervisor, who knows it now, writes to the pipe that came last with the packet;
it ends where that pipe is closed, as when this process was killed before it could answer. The end of the socket is the
end of this process. It has one thread, or a fork would copy locks that nobody can open.
"""

import gc
import importlib
import json
import os
import runpy
import socket
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

CONTROL = 3
READY = b"ready"
FAILED = -1
"""In the place of a process id: the machine gives no process."""
SHARED = (
    "choreography.framework",
    "choreography.outbox",
    "choreography.policy",
    "choreography.serving",
    "choreography.web",
    "choreography.worker",
    "functions_framework._cli",
    "functions_framework._http.gunicorn",
    "gunicorn.arbiter",
    "gunicorn.systemd",
    "sqlalchemy.dialects.sqlite",
)
"""What every function imports, with what these import."""
_LARGEST = 1 << 20  # bytes of a packet
_MOST = 8  # descriptors of a packet
_LONGEST_NAME = 15  # bytes: prctl(2), PR_SET_NAME


def main() -> None:
    """Forks until the supervisor closes its end. In each function it goes on as functions-framework."""
    gc.disable()  # what is imported stays
    for module in SHARED:
        importlib.import_module(module)
    gc.freeze()  # a collection writes into each object that it looks at, and so would copy its page
    if forked := _serve(socket.socket(fileno=CONTROL)):
        _become(*forked)


def _serve(control: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """In a function: what it is to be, and its descriptors. None where the supervisor has ended."""
    with control, suppress(BrokenPipeError):
        control.send(READY)
        while (packet := socket.recv_fds(control, _LARGEST, _MOST))[0]:
            pid = _fork()
            if pid == 0:
                return json.loads(packet[0]), packet[1]
            for descriptor in packet[1]:
                os.close(descriptor)
            control.send(str(pid).encode())
    return None


def _fork() -> int:
    """Twice, so that the supervisor becomes the parent (it is a subreaper). The process id, 0 there, or FAILED."""
    reading, writing = os.pipe()
    with closing(os.fdopen(reading, "rb")) as answer:
        try:
            middle = os.fork()
        except OSError:
            os.close(writing)
            return FAILED
        if middle:
            os.close(writing)
            os.waitpid(middle, 0)  # from then on the supervisor can wait for the function
            return int(answer.read() or FAILED)
        pid = _grandchild(writing)
    os.close(writing)
    return pid


def _grandchild(writing: int) -> int:
    """0 in the function. Its parent says what its id is, and ends."""
    try:
        pid = os.fork()
        if pid:
            os.setpgid(pid, pid)  # before anybody knows the id, and sends a signal to the group
    except OSError:
        pid = FAILED
    if pid:
        os.write(writing, str(pid).encode())
        os._exit(0)
    return pid


def _become(job: dict[str, Any], descriptors: list[int]) -> None:
    """The function itself, as `python -m` would have started it, once the supervisor knows it."""
    begin = descriptors.pop()
    if not os.read(begin, 1):
        return
    os.close(begin)
    for source, target in zip(descriptors, job["numbers"], strict=True):
        os.dup2(source, target)  # the sources are above: whatever is below 5 was taken from the beginning
        os.close(source)
    os.write(job["life"], f"{os.getpid()}\n".encode())
    os.chdir(job["folder"])
    os.nice(job["niceness"])
    os.environ.clear()
    os.environ.update(job["environment"], PWD=job["folder"], LISTEN_PID=str(os.getpid()))
    time.tzset()
    with suppress(OSError):  # a name for ps and top, where there is /proc
        Path("/proc/self/comm").write_text(job["name"][:_LONGEST_NAME], "utf-8")
    importlib.invalidate_caches()
    gc.enable()
    module, *arguments = job["arguments"]
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
