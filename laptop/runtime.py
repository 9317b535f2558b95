"""A folder for Unix sockets while a run lasts. Their paths must be short: the kernel takes 104 to 108 bytes."""

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from laptop.errors import LaptopError

_LONGEST = 50  # bytes of the folder; below it are the name of a Service and "notify"
_PLAIN = re.compile(r"[A-Za-z0-9._/+-]+")
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

    def link(self, name: str, to: Path) -> Path:
        """Another name for a folder, without a letter that means something in a pattern. Raises OSError."""
        link = self.of(name) / "here"
        if not link.is_symlink():
            link.symlink_to(to)
        return link


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
        if _PLAIN.fullmatch(parent) and len(parent) <= _LONGEST - len("/laptop-12345678"):
            try:
                return Path(tempfile.mkdtemp(prefix="laptop-", dir=parent))
            except OSError as error:
                tried.append(f"{parent}: {error.strerror}")
        else:
            tried.append(f"{parent}: its path is too long for a socket, or too odd")
    raise OSError("; ".join(tried))
