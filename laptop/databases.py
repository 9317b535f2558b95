"""Whether the databases of a run are still the files that it began with.

The terminal says so when one is deleted or replaced under a running system. What has it open writes no more, and
nothing opens another file in its place: a write-ahead log that lies beside it belongs to the one before.
"""

import errno
from dataclasses import dataclass, field
from pathlib import Path

Identity = tuple[int, int]
"""Device and inode: they differ between two files that had the same name."""
_WAY_OUT = "what needs it answers 503. Put that same file back, or end with Ctrl-C and start again"


@dataclass
class Databases:
    """The databases of a run as they were when it began, and what has been reported of them since."""

    folder: Path
    known: dict[Path, Identity] = field(default_factory=dict)
    reported: set[Path] = field(default_factory=set)

    def remember(self) -> list[str]:
        """Those that are there now are the ones of this run. Returns the names of new ones, if others were known."""
        found = {path: now for path in sorted(self.folder.glob("*.db")) if (now := _identity(path))}
        new = [path.name for path in found if path not in self.known] if self.known else []
        self.known = found
        return new

    def require(self, path: Path) -> None:
        """Raises OSError where a file other than that of this run would be opened, or a new one made."""
        if what := self._fate(path):
            raise OSError(errno.ESTALE, f"was {what} while the system runs", str(path))

    def news(self) -> list[str]:
        """What to say about the changes since the last call."""
        now = {path: what for path in self.known if (what := self._fate(path))}
        lost = [f"{path} was {what}: {_WAY_OUT}" for path, what in now.items() if path not in self.reported]
        back = [f"{path} is back" for path in sorted(self.reported - now.keys())]
        self.reported = set(now)
        return lost + back

    def _fate(self, path: Path) -> str:
        """`deleted` or `replaced`; empty for one that is as it was, or that is not of this run."""
        now = _identity(path)
        if path not in self.known or now == self.known[path]:
            return ""
        return "replaced" if now else "deleted"


def _identity(path: Path) -> Identity | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
