"""A folder for Unix sockets while a run lasts. Their paths must be short: the kernel takes 104 to 108 bytes."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from laptop.errors import LaptopError

_LONGEST = 50  # bytes of the folder; below it are the name of a Service and "gunicorn.ctl"
_SHORT = ("/tmp", "/var/tmp")  # noqa: S108 - only for a folder that mkdtemp makes for this user alone


@dataclass
class RuntimeFolder:
    """Folders of the parts of one run. Where somebody cleans /tmp, the next start makes a new one."""

    path: Path

    def of(self, name: str) -> Path:
        """The folder of one part, which is there. Raises OSError where none can be made."""
        if not self.path.is_dir():
            self.path = make_short_folder()
        folder = self.path / name
        folder.mkdir(exist_ok=True)
        return folder


@contextmanager
def runtime_folder() -> Iterator[RuntimeFolder]:
    """Is removed at the end of the run. Raises LaptopError."""
    try:
        made = RuntimeFolder(make_short_folder())
    except OSError as error:
        raise LaptopError(f"no folder for sockets: {error}") from error
    try:
        yield made
    finally:
        shutil.rmtree(made.path, ignore_errors=True)


def make_short_folder() -> Path:
    """In TMPDIR, or where that is too long in /tmp. Raises OSError where none of them can be written to."""
    tried: list[str] = []
    for parent in (tempfile.gettempdir(), *_SHORT):
        if len(os.fsencode(parent)) <= _LONGEST - len("/airline-12345678"):
            try:
                return Path(tempfile.mkdtemp(prefix="airline-", dir=parent))
            except OSError as error:
                tried.append(f"{parent}: {error.strerror}")
        else:
            tried.append(f"{parent}: its path is too long for a socket")
    raise OSError("; ".join(tried))
