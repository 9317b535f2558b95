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
from asyncio import TimerHandle
from collections.abc import Callable
from dataclasses import dataclass, field

from laptop.logs import say
from laptop.process import LIFE, Child, Children, Program, descriptors, environment_of

_TO_OPEN, _TO_FORK = 60.0, 5.0  # seconds of patience
_LINGER = 10.0  # seconds after the last fork
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_ANSWER = 64  # bytes


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
                if self.server and (self._outdated or not self.pid):
                    await self._open(self.server)
                # nothing is awaited from here on: whoever is cancelled leaves no process that nobody knows
                return self._fork(program, listener) or self.children.start(program, listener)
            finally:
                self._end = asyncio.get_running_loop().call_later(_LINGER, self._close)

    def forget(self) -> None:
        """What the fork server has imported was changed: the next function comes from a new one."""
        self._outdated = True

    async def _open(self, program: Program) -> None:
        self._close()
        self._outdated = False
        if not _is_subreaper():
            self.server = None
            return
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = self.children.start(program, theirs)
        self._control.setblocking(False)
        try:
            async with asyncio.timeout(_TO_OPEN):
                ready = await asyncio.get_running_loop().sock_recv(self._control, _ANSWER)
        except TimeoutError:
            ready = b""
        except BaseException:
            self._close()
            raise
        self._control.settimeout(_TO_FORK)
        if not ready:
            say("laptop", f"no function can be forked, so each imports everything itself; see {program.output}")
            self._process.kill()
            self._close()
            self.server = None

    def _fork(self, program: Program, listener: socket.socket) -> Child | None:
        """None where there is no fork server. Raises OSError where the machine gives no process."""
        if not self._control:
            return None
        with descriptors(program, listener, self.children.run) as sources:
            said = self._ask(self._control, _job(program, listener, list(sources)), list(sources.values()))
        if not said:
            return None
        pid = int(said)
        if pid < 0:
            raise OSError(-pid, os.strerror(-pid))
        return self.children.adopt(program.name, pid)

    def _ask(self, control: socket.socket, packet: bytes, sources: list[int]) -> bytes:
        """The answer; nothing where the fork server has ended, or hangs and is ended."""
        try:
            socket.send_fds(control, [packet], sources)
            return control.recv(_ANSWER)
        except TimeoutError:
            if self._process:
                self._process.kill()
            return _rest(control)
        except OSError:  # it has ended
            return b""

    def _close(self) -> None:
        """The fork server ends when its socket does."""
        if self._control:
            self._control.close()
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


def _rest(control: socket.socket) -> bytes:
    """What one that was killed had still said."""
    try:
        return control.recv(_ANSWER)
    except OSError:
        return b""


def _is_subreaper() -> bool:
    """Whether this process becomes the parent of what is forked twice below it (prctl(2))."""
    return sys.platform == "linux" and bool(ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)
