"""Parts that can be away for as long as a run likes: databases, functions, the broker.

| part | how it is taken away |
|---|---|
| `provider`, `database:<folder>` | its files are moved and a folder takes their place: it cannot be opened |
| `broker` | the same with its log: it cannot start |
| `<function>` | its source ends the start |

Processes that use the part are killed first, or they would go on with what they have open. `A+B` are away together.
"""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil

from laptop.documents import read_documents
from testbed.project import folders_of_the_saga
from testbed.running_system import ROOT
from tests.reliability.restartable_laptop import RestartableLaptop, kill_group

DATABASES = folders_of_the_saga()
LETTERS_ARISE = "decrease-seats"
"""Away together with what takes dead letters: it is needed only when there is a letter."""
_SWITCH = """import os, sys
if os.path.exists({folder!r} + "/" + os.environ["K_SERVICE"]):
    sys.exit("this function cannot start, as the run wants it")
"""
_PARTS_OF_A_DATABASE = ("", "-wal", "-shm")


def functions() -> list[str]:
    """Every function that hears events or ticks, and the sink of dead letters."""
    triggers = {document["spec"]["subscriber"]["ref"]["name"] for document in _manifests("Trigger")}
    ticks = {document["spec"]["sink"]["ref"]["name"] for document in _manifests("PingSource")}
    return sorted(triggers | ticks | {"dead-letters"})


def every_part() -> list[str]:
    """All parts, each as it is named on the command line."""
    found = ["provider", *(f"database:{name}" for name in DATABASES), "broker", *functions()]
    with_letters = {"database:dead-letters", "dead-letters", "settle-letters"}
    return [f"{part}+{LETTERS_ARISE}" if part in with_letters else part for part in found]


def known(part: str) -> bool:
    """Whether each name in `A+B` is one."""
    services = {document["metadata"]["name"] for document in _manifests("Service")}
    databases = {f"database:{name}" for name in DATABASES}
    return set(part.split("+")) <= (services - {"gateway"}) | databases | {"provider", "broker"}


def is_delivered_to(part: str) -> bool:
    """Whether deliveries fail without it; ticks are not repeated, and a broker that is away delivers nothing."""
    return part != "broker" and not part.endswith("-housekeeping")


def sources_with_a_switch(data: Path, functions: Path) -> Path:
    """A copy of the functions in which each ends its start while `_hold` says so."""
    copy = data / "functions"
    shutil.copytree(functions, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (data / "away").mkdir()
    for main in copy.glob("*/main.py"):
        main.write_text(_SWITCH.format(folder=str(data / "away")) + main.read_text("utf-8"), "utf-8")
    return copy


@contextmanager
def away(laptop: RestartableLaptop, part: str) -> Iterator[None]:
    """Nothing of the part works until the end; then everything is as it was."""
    with ExitStack() as stack:
        for name in part.split("+"):
            stack.enter_context(_one_away(laptop, name))
        yield


@contextmanager
def _one_away(laptop: RestartableLaptop, name: str) -> Iterator[None]:
    if name == "provider":
        return (yield from _files_away(laptop, "provider", "/payment/main.py"))
    if name == "broker":
        return (yield from _files_away(laptop, "broker", "broker.embedded"))
    if name.startswith("database:"):
        folder = name.removeprefix("database:")
        return (yield from _files_away(laptop, folder, f"/{folder}/main.py"))
    return (yield from _function_away(laptop, name))


def _files_away(laptop: RestartableLaptop, database: str, users: str) -> Iterator[None]:
    place, shelf = laptop.data / f"{database}.db", laptop.data / "away" / f"{database}.db"
    with laptop.files:
        _kill(laptop, users)
        for part in _PARTS_OF_A_DATABASE:
            if Path(f"{place}{part}").exists():
                Path(f"{place}{part}").rename(f"{shelf}{part}")
        place.mkdir()
    yield
    with laptop.files:
        place.rmdir()
        for part in reversed(_PARTS_OF_A_DATABASE):
            if Path(f"{shelf}{part}").exists():
                Path(f"{shelf}{part}").rename(f"{place}{part}")


def _function_away(laptop: RestartableLaptop, name: str) -> Iterator[None]:
    mark = laptop.data / "away" / name
    mark.touch()
    pid = laptop.pid(name)
    if pid is not None:
        kill_group(pid)
    yield
    mark.unlink()


def _kill(laptop: RestartableLaptop, words: str) -> None:
    """Every child of the supervisor with these words in its command line, those included that are just starting."""
    for child in psutil.Process(laptop.system.process.pid).children():
        try:
            if any(words in argument for argument in child.cmdline()):
                kill_group(child.pid)
                child.wait(10)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue  # it went to sleep that very moment


def _manifests(kind: str) -> list[dict[str, Any]]:
    return list(read_documents([ROOT / "knative" / "base"]).of_kind(kind))
