"""The files that functions are made of: a changed one is what the next call runs.

They are looked at, not subscribed to: a few hundred `stat` calls twice a second, and only while a function is awake,
cost less than a thread and a package for it. A sleeping function needs no watching: it starts with what is there.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

PAUSE = 0.5  # seconds between two looks while a function is awake
_READ = {".py", ".json"}
_NOT_RUN = {"migrations", "__pycache__"}
"""Migrations run before the functions do: at the next start of the whole."""

Stamp = tuple[int, int]


@dataclass
class Sources:
    """Files below some folders, as they were when they were looked at last."""

    folders: tuple[Path, ...]
    known: dict[Path, Stamp] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.changes()

    def changes(self) -> list[Path]:
        """What was changed, added or removed since the last look."""
        found = {path: stamp for folder in self.folders for path, stamp in _stamps(folder)}
        before, self.known = self.known, found
        return sorted(path for path in before.keys() | found.keys() if before.get(path) != found.get(path))


def mistakes(paths: Iterable[Path]) -> Iterator[str]:
    """Where a file is not Python, such as `main.py, line 3: invalid syntax`."""
    for path in paths:
        try:
            if path.suffix == ".py" and path.exists():
                compile(path.read_bytes(), path, "exec")
        except SyntaxError as error:
            yield f"{path}, line {error.lineno}: {error.msg}"
        except (OSError, ValueError) as error:  # unreadable, or with a null byte
            yield f"{path}: {error}"


def _stamps(folder: Path) -> Iterator[tuple[Path, Stamp]]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _NOT_RUN]
        for name in names:
            path = Path(place, name)
            if path.suffix in _READ:
                try:
                    status = path.stat()
                except OSError:  # removed at this moment
                    continue
                yield path, (status.st_mtime_ns, status.st_size)
