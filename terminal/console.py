"""Consoles for people: what is written on them is text, never markup."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO, TextIOWrapper
from typing import TextIO

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

WIDTH_OF_A_FILE = 200
"""Columns of what is not a terminal: lines there are searched, not looked at."""


def as_text(picture: RenderableType) -> str:
    """What stdout would show of it, in its colours and width. It is not written to, so it may be full or closed."""
    beside = TextIOWrapper(BytesIO(), encoding=sys.stdout.encoding, errors="replace")  # rich asks it for its encoding
    return _captured(picture, stdout(beside))


def plain(picture: RenderableType) -> str:
    """The same for a terminal and a file alike: without colours, blanks at the ends of lines, and a last line break."""
    console = Console(markup=False, emoji=False, highlight=False, width=WIDTH_OF_A_FILE, force_terminal=False)
    return "\n".join(line.rstrip() for line in _captured(picture, console).splitlines())


def _captured(picture: RenderableType, console: Console) -> str:
    with console.capture() as captured:
        console.print(picture)
    return captured.get()


def stdout(file: TextIO | None = None) -> Console:
    """For people; nothing in what strangers wrote is taken for markup. `file` takes what stdout would."""
    seen = sys.stdout.isatty()
    width = None if seen else WIDTH_OF_A_FILE
    return Console(markup=False, emoji=False, highlight=False, width=width, file=file, force_terminal=seen or None)


def stderr() -> Console:
    """For progress."""
    return Console(stderr=True, markup=False, emoji=False, highlight=False, soft_wrap=True)


@contextmanager
def progress() -> Iterator[Progress]:
    """Bars on stderr while it lasts; nothing where stderr is a file."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = stderr()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        yield bars
