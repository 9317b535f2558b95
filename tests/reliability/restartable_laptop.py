"""The system under test in a folder of its own: started, found again, killed and started again."""

import os
import signal
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml

from laptop.documents import read_documents
from laptop.leftovers import end_leftovers
from testbed.running_system import ROOT, RunningSystem, eventually, start_system

START_WITHIN = 90.0


@dataclass
class RestartableLaptop:
    """arguments go to `python -m laptop run`, at each start; names: the function behind each URL, of all starts.

    files is held while a database is moved: a query must not open half of it.
    """

    data: Path
    arguments: Sequence[str]
    names: dict[str, str] = field(default_factory=dict)
    files: threading.Lock = field(default_factory=threading.Lock)
    _system: RunningSystem | None = field(default=None)

    @property
    def system(self) -> RunningSystem:
        """The run that is, or was just killed."""
        assert self._system is not None, "start it first"
        return self._system

    def start(self) -> None:
        """Starts the system and waits until it is open."""
        (self.data / "state.json").unlink(missing_ok=True)  # that of a killed one names ports that are gone
        self._system = start_system(self.data, *self.arguments)
        process = self._system.process
        eventually(
            lambda: "Stop:" in self.system.said() or process.poll() is not None, "the system is up", START_WITHIN
        )
        assert process.poll() is None, self.system.said()
        self.names |= {service["url"]: name for name, service in self.system.state["services"].items()}

    def end(self) -> None:
        """Ends the system cleanly, or what a killed supervisor has left."""
        if self._system is not None and self._system.process.poll() is None:
            self._system.end()
        if (self.data / "run").exists():
            end_leftovers(self.data / "run")

    def state(self) -> dict[str, Any] | None:
        """state.json, None while there is none."""
        try:
            return self.system.state
        except FileNotFoundError:
            return None

    def pid(self, name: str) -> int | None:
        """The living process of a function, `broker` or `gateway`, if it is a child of this very supervisor."""
        state = self.state() or {}
        pid = state.get(f"{name}Pid") or state.get("services", {}).get(name, {}).get("pid")
        try:
            return pid if pid and psutil.Process(pid).ppid() == self.system.process.pid else None
        except psutil.NoSuchProcess:
            return None

    def query(self, database: str, sql: str) -> list[Any]:
        """Rows of one of the databases; none while the file is not there."""
        path = self.data / f"{database}.db"
        with self.files:
            if not path.is_file():
                return []
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60)) as connection:
                return connection.execute(sql).fetchall()


def kill_group(pid: int) -> None:
    """SIGKILL to a process of the laptop and what it has started; each leads a group of its own."""
    os.killpg(pid, signal.SIGKILL)


def hurried_manifests(folder: Path, schedule: str, settings: Mapping[str, object], retry: int = 10) -> Path:
    """knative/base in a hurry: housekeeping follows this schedule, Triggers give up after `retry` retries, and each of
    the settings has another value in whatever ConfigMap has it."""
    folder.mkdir(parents=True)
    documents = read_documents([ROOT / "knative" / "base"]).all
    for document in documents:
        if document["kind"] == "PingSource":
            document["spec"]["schedule"] = schedule
        elif document["kind"] == "Trigger":
            document["spec"]["delivery"]["retry"] = retry
        elif document["kind"] == "ConfigMap":
            document["data"] |= {name: str(settings[name]) for name in settings.keys() & document["data"].keys()}
    (folder / "base.yaml").write_text(yaml.safe_dump_all(documents), "utf-8")
    return folder
