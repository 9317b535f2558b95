"""Tables and cells. What is shown was often written by strangers: it cannot steer the terminal."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

_STEERING = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_MEASURED = re.compile(r"\d+(\.\d+)? (ms|s|MB|%)")
STYLES = {
    "SUCCEED": "green",
    "REPLAYED": "green",
    "holds": "green",
    "yes": "green",
    "PENDING": "yellow",
    "busy": "yellow",
    "CANCELED": "red",
    "OPEN": "red",
    "BROKEN": "red",
    "no": "bold red",
}


def harmless(text: str) -> str:
    """The text without what steers a terminal."""
    return _STEERING.sub("\N{REPLACEMENT CHARACTER}", text)


def cell(value: object) -> Text:
    """A value as text, with the colour of its word."""
    text = "" if value is None else harmless(str(value))
    return Text(text, STYLES.get(text, ""), overflow="fold")


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], caption: str = "") -> Table:
    """A table; numbers, with or without a unit, are aligned to the right."""
    cells = [list(row) for row in rows]
    drawn = Table(box=None, pad_edge=False, caption=caption or None, caption_justify="left", header_style="bold")
    for number, name in enumerate(columns):
        numeric = any(_is_measured(row[number]) for row in cells)
        drawn.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in cells:
        drawn.add_row(*map(cell, row))
    return drawn


def _is_measured(value: object) -> bool:
    return isinstance(value, (int, float)) or (isinstance(value, str) and _MEASURED.fullmatch(value) is not None)


def items(names: Mapping[str, str], found: Iterable[Mapping[str, Any]], total: int | str | None = None) -> Table:
    """Resources as a table: `names` says which fields, and what to call them; `total` how many there are in all."""
    rows = [[item.get(field) for field in names] for item in found]
    caption = "" if total is None else f"{len(rows)} of {total}"
    return table(list(names.values()), rows, caption)


def facts(of: Mapping[str, object]) -> Table:
    """One thing: name and value, line by line."""
    drawn = Table.grid(padding=(0, 2))
    for name, value in of.items():
        drawn.add_row(Text(name, "bold"), cell(value))
    return drawn


def line(name: str, what: object, style: str) -> Text:
    """One line that begins with a coloured word."""
    return Text.assemble((name, f"bold {style}"), " ", cell(what))


def seconds(value: float | None) -> str:
    """0.0123 -> "12 ms"; 2.5 -> "2.50 s"."""
    if value is None:
        return ""
    return f"{value * 1000:.0f} ms" if abs(value) < 1 else f"{value:.2f} s"
