"""Consoles for people: what is written on them is text, never markup."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

WIDTH_OF_A_FILE = 200
"""Columns of what is not a terminal: lines there are searched, not looked at."""


def as_text(picture: RenderableType) -> str:
    """What stdout would show of it, in its colours and width."""
    return _captured(picture, stdout())


def plain(picture: RenderableType) -> str:
    """The same for a terminal and a file alike: without colours, blanks at the ends of lines, and a last line break."""
    console = Console(markup=False, emoji=False, highlight=False, width=WIDTH_OF_A_FILE, force_terminal=False)
    return "\n".join(line.rstrip() for line in _captured(picture, console).splitlines())


def _captured(picture: RenderableType, console: Console) -> str:
    with console.capture() as captured:
        console.print(picture)
    return captured.get()


def stdout() -> Console:
    """For people; nothing in what strangers wrote is taken for markup."""
    return Console(markup=False, emoji=False, highlight=False, width=None if sys.stdout.isatty() else WIDTH_OF_A_FILE)


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
