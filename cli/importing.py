"""Flights from a CSV file: which lines it has, and each of them as one command under a key of its own."""

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any

from cli import client
from cli.client import Airline
from cli.errors import Refused

COLUMNS = ("flightCode", "takeoffDate", "cost", "remainingSeatsCount")


@dataclass(frozen=True)
class Line:
    """A line of the file, numbered as an editor does: its fields, and either its flight or why there is none."""

    number: int
    fields: Mapping[str, str]
    reason: str | None = None
    flight: dict[str, Any] | None = None


def read(file: Path) -> list[Line]:
    """The lines below the header, blank ones left out. Raises Refused if the file is no such list."""
    try:
        text = file.read_text("utf-8-sig")  # spreadsheets put a mark at the beginning
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise Refused(f"{file} is not UTF-8.") from error
    return list(_lines(text, file))


def _lines(text: str, file: Path) -> Iterator[Line]:
    rows = csv.reader(StringIO(text, newline=""), skipinitialspace=True)
    numbered = _numbered(rows)
    _, header = next(numbered, (1, list[str]()))
    if missing := [name for name in COLUMNS if name not in header]:
        raise Refused(f"{file}: the first line must name the columns {', '.join(COLUMNS)}; {missing[0]} is missing.")
    earlier: dict[tuple[str, ...], int] = {}
    for number, cells in numbered:
        if not any(cells):
            continue
        line = _line(number, header, cells)
        first = earlier.setdefault(tuple(line.fields.values()), number)
        again = first != number and line.reason is None
        yield replace(line, reason=f"the same as line {first}") if again else line


def _numbered(rows: Any) -> Iterator[tuple[int, list[str]]]:
    """Rows with the number of the line on which they begin; one that is no CSV ends the file."""
    while True:
        begins = rows.line_num + 1
        try:
            yield begins, [cell.strip() for cell in next(rows)]
        except StopIteration:
            return
        except csv.Error as error:
            raise Refused(f"Line {begins} is no CSV: {error}.") from error


def _line(number: int, header: list[str], cells: list[str]) -> Line:
    if len(cells) != len(header):
        return Line(number, dict(enumerate_cells(cells)), f"has {len(cells)} fields, the header has {len(header)}")
    named = dict(zip(header, cells, strict=True))
    return Line(number, {name: named[name] for name in COLUMNS})


def enumerate_cells(cells: list[str]) -> Iterator[tuple[str, str]]:
    """Cells that nobody can name."""
    return ((str(position), cell) for position, cell in enumerate(cells, 1))


def add(airline: Airline, name: str, line: Line) -> Line:
    """The line with its flight, or with the reason why the service refused it. Raises Unreachable."""
    if line.reason:
        return line
    try:
        flight = client.command(airline, "POST", "/flights", dict(line.fields), key_of(name, line.fields))
    except Refused as error:
        return replace(line, reason=str(error))
    return replace(line, flight=flight)


def key_of(name: str, fields: Mapping[str, str]) -> str:
    """The same line of a file of that name is the same command, wherever in the file it stands."""
    return "import-" + hashlib.sha256(json.dumps([name, dict(fields)], sort_keys=True).encode()).hexdigest()
