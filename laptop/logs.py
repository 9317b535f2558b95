"""Output of children: in files, as they write it; warnings, errors and crashes are repeated on the terminal."""

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LIMIT = 10_000_000  # bytes per log file; one older part is kept
_SHOWN = ("WARNING", "ERROR", "CRITICAL", "FATAL", "PANIC")  # Caddy's "warn" is about its own start: left out
_AT_ONCE = 20  # lines; a storm of errors is in the file
_READ_AT_ONCE = 1_000_000  # bytes


def say(name: str, text: str) -> None:
    """One line on the terminal, with the name of the service in front."""
    show(f"{name:>22}  {text}")


def show(text: str) -> None:
    """Text on the terminal. One that is gone, or a full disk behind it, must not end what runs."""
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)


@dataclass
class Log:
    """The log file of one service, read on from where it was read last."""

    name: str
    path: Path
    position: int = 0
    _size: int = -1
    _grew: float = 0.0

    def __post_init__(self) -> None:
        self.position = self._stat().st_size

    def show_news(self) -> None:
        """Repeats what was written since the last call and matters; keeps the file within its limit."""
        size = self._stat().st_size
        if size == self.position:
            return
        if size < self.position:  # somebody emptied or removed it
            self.position = 0
        notable = list(filter(None, map(_notable, self._read_on(size))))
        for text in notable[:_AT_ONCE]:
            say(self.name, text)
        if len(notable) > _AT_ONCE:
            say(self.name, f"and {len(notable) - _AT_ONCE} more, see {self.path}")
        if size > LIMIT:
            self._cut()

    def quiet_for(self) -> float:
        """Seconds since the last line was written. A clock that is set back does not delay anything."""
        found = self._stat()
        if found.st_size != self._size:
            age = max(0.0, time.time() - found.st_mtime)
            self._size, self._grew = found.st_size, time.monotonic() - age
        return time.monotonic() - self._grew

    def show_crash(self, status: int) -> None:
        """Says that the process ended without being asked to, and what it wrote last."""
        how = f"signal {-status}" if status < 0 else f"exit code {status}"
        say(self.name, f"ended unexpectedly ({how}); the end of {self.path}:")
        for line in self.last_lines():
            say(self.name, f"  {line}")

    def last_lines(self, count: int = 12) -> list[str]:
        """The end of the file."""
        size = self._stat().st_size
        with self.path.open("rb") as file:
            file.seek(max(0, size - 8192))
            return _lines(file.read())[-count:]

    def last_word(self) -> str:
        """The last line that says something; of a line of JSON its message."""
        line = next(filter(str.strip, reversed(self.last_lines())), "no output")
        try:
            entry = json.loads(line)
        except ValueError:
            return line
        return str(entry.get("message") or entry.get("msg") or line) if isinstance(entry, dict) else line

    def _read_on(self, size: int) -> Iterator[str]:
        with self.path.open("rb") as file:
            file.seek(max(self.position, size - _READ_AT_ONCE))
            text = file.read(_READ_AT_ONCE)
        whole = text[: text.rfind(b"\n") + 1]
        self.position = size - (len(text) - len(whole))
        return iter(_lines(whole))

    def _stat(self) -> os.stat_result:
        """Of a file that is there, even if somebody has cleaned up."""
        try:
            return self.path.stat()
        except FileNotFoundError:
            self.path.parent.mkdir(exist_ok=True)
            self.path.touch()
            return self.path.stat()

    def _cut(self) -> None:
        # Truncated in place: the process goes on appending to the file it has open.
        shutil.copyfile(self.path, self.path.with_suffix(".log.1"))
        os.truncate(self.path, 0)
        self.position = 0


def _notable(line: str) -> str:
    """What of a line is worth the terminal; empty for most lines."""
    if not line.startswith("{"):
        return line if "[ERROR]" in line or "[CRITICAL]" in line else ""
    try:
        entry = json.loads(line)
    except ValueError:
        return ""
    level = str(entry.get("level") or entry.get("severity") or "").upper()
    if level not in _SHOWN:
        return ""
    return f"{level.lower()}: {entry.get('message') or entry.get('msg') or line}"


def _lines(written: bytes) -> list[str]:
    """Ended by a line feed alone: a string of JSON may have what Unicode calls the end of a line (U+0085, U+2028)."""
    text = written.decode("utf-8", "replace")
    return text.removesuffix("\n").split("\n") if text else []
