"""Child processes: started with their listening socket, reaped, ended; and found again after a crash of the supervisor.

Every child leads a process group of its own, so that a terminal's Ctrl-C reaches only the supervisor, which then ends
things in order. Every child holds a lock on `<data>/run/<name>.pid` through an inherited descriptor and has written its
id there: the lock says that the id is still that process, however the supervisor ended.
"""

import asyncio
import fcntl
import os
import resource
import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from laptop.systems import ROOT

# The shell writes its id and becomes the process; LISTEN_PID must name the process that takes the socket
# (sd_listen_fds(3): descriptor 3 and up).
# PWD keeps the name by which a program's folder was entered.
_BECOME = 'echo $$ >&4; cd -- "$1" && shift && PWD=$PWD LISTEN_PID=$$ exec "$@"'
LIFE = 4
"""The number that a child knows its lock by."""
_LISTENER, _FIRST_FREE = 3, 10
_OPEN_FILES = 4096  # of every child: a burst needs more than the 256 that macOS starts with


@dataclass(frozen=True)
class Program:
    """What to run, under which name, with which environment, where its output goes, and in which folder.

    `explained_by` are arguments that make a program say why it does not start, for one that ends without a word.
    One that is `on_demand` is started by the first connection and ends on its own. A busy machine gives one with
    `niceness` less of the processor (nice(1)). `databases` are those it opens.
    """

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    output: Path
    folder: Path = ROOT
    explained_by: Sequence[str] = ()
    on_demand: bool = False
    niceness: int = 0
    databases: Sequence[Path] = ()


@dataclass(eq=False)
class Child:
    """A process that was started and its exit status, negative for a signal."""

    name: str
    pid: int
    exited: asyncio.Future[int]

    async def wait(self) -> int:
        """The exit status. To be used instead of awaiting `exited`: cancelling an await cancels its future for all."""
        await asyncio.wait({self.exited})
        return self.exited.result()

    @property
    def crashed(self) -> bool:
        """Ended otherwise than by finishing or by a SIGTERM from anybody."""
        return self.exited.done() and self.exited.result() not in {0, -signal.SIGTERM}

    def ask_to_end(self) -> None:
        """SIGTERM: finish what is in flight, then exit."""
        if not self.exited.done():
            os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to the whole group."""
        if not self.exited.done():
            os.killpg(self.pid, signal.SIGKILL)

    async def end(self, grace: float) -> None:
        """Asks to end, and kills after `grace` seconds."""
        self.ask_to_end()
        await asyncio.wait({self.exited}, timeout=grace)
        self.kill()
        await self.wait()


@dataclass
class Children:
    """All processes of one supervisor. Needs a running loop with `reap` called at SIGCHLD."""

    run: Path
    alive: dict[int, Child] = field(default_factory=dict)

    def start(self, program: Program, listener: socket.socket | None = None) -> Child:
        """Starts a process; its descriptor 3 is the listener (LISTEN_FDS=1). Raises OSError."""
        return self.adopt(program.name, _spawn(program, listener, self.run))

    def adopt(self, name: str, pid: int) -> Child:
        """A process whose parent this one is, whoever started it."""
        child = Child(name, pid, asyncio.get_running_loop().create_future())
        self.alive[pid] = child
        return child

    def reap(self) -> None:
        """Settles `exited` of every child that has ended. What others have left to this process goes as well."""
        with suppress(ChildProcessError):  # there is none
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if child := self.alive.pop(ended[0], None):
                    child.exited.set_result(os.waitstatus_to_exitcode(ended[1]))

    async def end(self, names: set[str], grace: float) -> None:
        """Ends the named children at the same time."""
        await asyncio.gather(*(child.end(grace) for child in list(self.alive.values()) if child.name in names))

    def kill(self) -> None:
        """SIGKILL to all that is left."""
        for child in self.alive.values():
            child.kill()


def allow_open_files() -> None:
    """Raises the soft limit of this process and of what it starts, as far as the hard limit allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextmanager
def descriptors(program: Program, listener: socket.socket | None, run: Path) -> Iterator[dict[int, int]]:
    """What a child gets, by the numbers that it has there: its output, its listener and its lock. Raises OSError."""
    with ExitStack() as opened:

        def passed(descriptor: int) -> int:
            """Above the numbers they get in the child: a descriptor must not be overwritten before it is copied."""
            copy = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE)
            opened.callback(os.close, copy)
            return copy

        for folder in (run, program.output.parent):
            folder.mkdir(exist_ok=True)  # somebody may have cleaned up
        output = os.open(program.output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        opened.callback(os.close, output)
        life = _locked(run / f"{program.name}.pid")
        opened.callback(os.close, life)
        found = {LIFE: passed(life), 1: passed(output), 2: passed(output)}
        if listener:
            found[_LISTENER] = passed(listener.fileno())
        yield found


def environment_of(program: Program, listener: socket.socket | None) -> dict[str, str]:
    """With what sd_listen_fds(3) asks for, but for the id of the process."""
    return {**program.environment, "LISTEN_FDS": "1"} if listener else dict(program.environment)


def _spawn(program: Program, listener: socket.socket | None, run: Path) -> int:
    with descriptors(program, listener, run) as sources:
        return os.posix_spawn(
            "/bin/sh",
            ["sh", "-c", _BECOME, program.name, str(program.folder), *_nice(program.niceness), *program.arguments],
            environment_of(program, listener),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                *((os.POSIX_SPAWN_DUP2, source, target) for target, source in sources.items()),
            ],
            setpgroup=0,
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],  # Python ignores them, a child must not inherit that
        )


def _nice(niceness: int) -> Sequence[str]:
    return ("nice", "-n", str(niceness)) if niceness else ()


def _locked(path: Path) -> int:
    """A new file, as what the process before has started may still hold the old one."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
