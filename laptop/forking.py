"""Starts functions by forking them from one process that has imported what they share: see laptop/forkserver.py.

That process ends when nothing was forked for a while: functions wake in waves, and one that wakes alone takes the time
of a whole start anyway. Where there can be no such process (no Linux, a package that cannot be imported), each function
imports everything itself, as in its container.
"""

import asyncio
import ctypes
import json
import os
import socket
import sys
import time
from asyncio import TimerHandle
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field

from laptop.forkserver import FAILED
from laptop.logs import say
from laptop.process import LIFE, Child, Children, Program, descriptors, environment_of

_TO_OPEN, _TO_FORK = 20.0, 2.0  # seconds of patience
_LINGER = 5.0  # seconds after the last fork
_PAUSE = 60.0  # seconds until another fork server is tried where one did not start
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_ANSWER = 64  # bytes
_OF_A_START = ("PYTHON", "LANG", "LC_", "LD_", "MALLOC_", "GLIBC_")
"""How variables begin that are read when a process starts, and not when its function does."""


@dataclass
class Forks:
    """The fork server of one run."""

    children: Children
    server: Program | None
    """Its program, None where nothing is forked."""
    changed: Callable[[], None]
    """Is called when `pid` is another."""
    _process: Child | None = None
    _control: socket.socket | None = None
    _end: TimerHandle | None = None
    _not_before: float = 0.0
    _outdated: bool = False
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def pid(self) -> int | None:
        """Of the fork server, None while there is none."""
        return self._process.pid if self._process and not self._process.exited.done() else None

    async def start(self, program: Program, listener: socket.socket) -> Child:
        """Starts `python -m MODULE ...` with its listening socket, as Children.start does. Raises OSError."""
        async with self._turn:
            if self._end:
                self._end.cancel()
            try:
                await self._open()
                # nothing is awaited from here on: whoever is cancelled leaves no process that nobody knows
                return self._fork(program, listener) or self.children.start(program, listener)
            finally:
                self._end = asyncio.get_running_loop().call_later(_LINGER, self._close)

    def forget(self) -> None:
        """What the fork server has imported was changed: the next function comes from a new one."""
        self._outdated, self._not_before = True, 0.0

    async def _open(self) -> None:
        """Starts a fork server, unless there is one that can be used, or one has failed a moment ago."""
        if self.server is None or time.monotonic() < self._not_before or (self.pid and not self._outdated):
            return
        self._close()
        if not _is_subreaper():
            self.server = None
            return
        self._outdated, failed_before = False, bool(self._not_before)
        try:
            ready = await self._is_ready(self.server)
        except OSError:
            ready = False
        except BaseException:
            self._close()
            raise
        self._not_before = 0.0 if ready else time.monotonic() + _PAUSE
        if ready:
            return
        self._close()
        if not failed_before:
            say("laptop", f"no function can be forked, so each imports everything itself; see {self.server.output}")

    async def _is_ready(self, program: Program) -> bool:
        """Whether it has started, and has imported what functions share. Raises OSError and TimeoutError."""
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = self.children.start(program, theirs)
        self._process.exited.add_done_callback(lambda _: self.changed())
        self._control.setblocking(False)
        async with asyncio.timeout(_TO_OPEN):
            ready = await asyncio.get_running_loop().sock_recv(self._control, _ANSWER)
        self._control.settimeout(_TO_FORK)
        return bool(ready)

    def _fork(self, program: Program, listener: socket.socket) -> Child | None:
        """None where it cannot be forked. Raises OSError."""
        if not (self._control and self.server and _of_a_start(program) == _of_a_start(self.server)):
            return None
        begin, known = os.pipe()
        with closing(os.fdopen(known, "wb", buffering=0)) as begins, closing(os.fdopen(begin, "rb")):
            with descriptors(program, listener, self.children.run) as sources:
                answer = self._ask(self._control, _job(program, listener, list(sources)), [*sources.values(), begin])
            pid = int(answer or FAILED)
            if pid == FAILED:
                return None
            child = self.children.adopt(program.name, pid)
            begins.write(b".")
            return child

    def _ask(self, control: socket.socket, packet: bytes, sources: list[int]) -> bytes:
        """The answer; nothing where the fork server has ended, or hangs and is ended."""
        try:
            socket.send_fds(control, [packet], sources)
            return control.recv(_ANSWER)
        except OSError:
            self._close()
            return b""

    def _close(self) -> None:
        """The fork server ends when its socket does, and at once where it hangs."""
        if self._control:
            self._control.close()
        if self._process:
            self._process.kill()
        self._control = self._process = None
        self.changed()


def _job(program: Program, listener: socket.socket, numbers: list[int]) -> bytes:
    """What the fork server needs to know about a function."""
    job = {
        "name": program.name,
        "arguments": program.arguments[2:],  # behind "python -m"
        "environment": environment_of(program, listener),
        "folder": str(program.folder),
        "niceness": program.niceness,
        "numbers": numbers,
        "life": LIFE,
    }
    return json.dumps(job).encode()


def _of_a_start(program: Program) -> dict[str, str]:
    return {name: value for name, value in program.environment.items() if name.startswith(_OF_A_START)}


def _is_subreaper() -> bool:
    """Whether this process becomes the parent of what is forked twice below it (prctl(2))."""
    return sys.platform == "linux" and bool(ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)
