"""The trees of all images, laid out once, and functions that are started from them as their images start them."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from images import layout
from images.config import config_of
from testbed.ports import free_port
from testbed.project import function_folders

DEADLINE = 60.0
POLL = 0.005
PROFILED = {"PYTHONPROFILEIMPORTTIME": "1"}


def lay_out(root: Path) -> dict[str, Path]:
    """The tree of each folder. Folders with the same requirements share the installed files."""
    installed: dict[str, Path] = {}
    trees: dict[str, Path] = {}
    for folder in function_folders():
        tree = trees[folder] = root / folder
        wanted = layout.requirements(folder).read_text()
        if wanted in installed:
            (tree / "app").mkdir(parents=True)
            (tree / "app" / "site-packages").symlink_to(installed[wanted])
        else:
            layout.dependencies(folder, tree)
            installed[wanted] = tree / "app" / "site-packages"
        layout.code(folder, tree)
    return trees


def lay_out_migrations(tree: Path) -> Path:
    """The tree of the image that brings databases up to date."""
    layout.dependencies(layout.MIGRATIONS, tree)
    layout.code(layout.MIGRATIONS, tree)
    return tree


def command_of(name: str) -> list[str]:
    """What an image starts, by this Python without the packages that run the tests, as the image has none of them."""
    return [sys.executable, "-S", *config_of(name)["Entrypoint"][1:]]


def environment_of(name: str, tree: Path) -> dict[str, str]:
    """What an image whose /app is in `tree` starts with, and nothing of this process."""
    image = dict(entry.split("=", 1) for entry in config_of(name)["Env"])
    return {setting: value.replace("/app", f"{tree}/app") for setting, value in image.items()}


@dataclass(frozen=True)
class Started:
    """A function that answered its probe: with what, and which modules had been imported by then."""

    status: int
    imported: frozenset[str]


@contextmanager
def started(tree: Path, folder: str, work: Path, **settings: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The process of an image whose /app is in `tree`: its environment and nothing of this one; and its port.

    Errors are in `work/errors`, and with the settings PROFILED what Python reports about its imports.
    """
    port = free_port()
    here = {"HOST": "127.0.0.1", "PORT": str(port), "WORKERS": "1", "THREADS": "1"}
    with (work / "errors").open("w") as errors:
        process = subprocess.Popen(
            command_of(folder),
            env=environment_of(folder, tree) | here | settings,
            cwd=tree / "app",
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        yield process, port
    finally:
        process.terminate()
        process.communicate(timeout=DEADLINE)


def probed(tree: Path, folder: str, work: Path, **settings: str) -> Started:
    """Starts a function, asks whether it is ready, ends it."""
    errors = work / "errors"
    with started(tree, folder, work, **PROFILED, **settings) as (process, port):
        status = answer(process, port, errors)
    return Started(status, imported(errors.read_text()))


def imported(profile: str) -> frozenset[str]:
    """The modules that a profile names."""
    lines = (line for line in profile.splitlines() if line.startswith("import time:"))
    return frozenset(line.rpartition("|")[2].strip() for line in lines)


def answer(process: subprocess.Popen[str], port: int, errors: Path) -> int:
    """The status of the first answer of its probe. Raises AssertionError if it ends, or says nothing in time."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline and process.poll() is None:
        connection = HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status
        except ConnectionError:
            time.sleep(POLL)
        finally:
            connection.close()
    raise AssertionError(f"no answer:\n{errors.read_text()[-2000:]}")
