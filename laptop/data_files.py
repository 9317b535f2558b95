"""The files of a data folder: what each must be, before a run opens any of them."""

import stat
from collections.abc import Iterator
from pathlib import Path

from laptop.errors import LaptopError

_FOLDERS = ("logs", "run", "caddy")
_FILES = ("lock", ".db", ".db-wal", ".db-shm", ".db-writer", ".lock", ".json", ".new", ".log", ".pid")
"""How the names of files end. A pipe in the place of one would be waited for without an end."""
_SQLITE = b"SQLite format 3\0"
"""What a database begins with, unless it is empty."""


def check_files(data: Path) -> None:
    """Raises LaptopError, which names everything that is not what it must be."""
    if wrong := list(_wrong(data)):
        raise LaptopError(f"{'; '.join(wrong)}. Move it away, or choose another folder with --data")


def _wrong(data: Path) -> Iterator[str]:
    for folder in (data, data / "logs", data / "run"):
        if not folder.is_dir():
            continue
        for path in sorted(folder.iterdir()):
            if reason := _why_wrong(path, must_be_folder=folder == data and path.name in _FOLDERS):
                yield f"{path} {reason}"


def _why_wrong(path: Path, *, must_be_folder: bool) -> str:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return ""  # a link to what is not there yet
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if must_be_folder:
        return "" if stat.S_ISDIR(mode) else "must be a folder"
    if not path.name.endswith(_FILES):
        return ""
    if not stat.S_ISREG(mode):
        return "must be a file"
    return "is not a SQLite database" if path.suffix == ".db" and not _is_database(path) else ""


def _is_database(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE)) in {b"", _SQLITE}
    except OSError:
        return True  # whoever opens it says why it cannot be read
