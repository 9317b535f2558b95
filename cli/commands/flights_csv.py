"""Flights from a CSV file: which lines it has, and each of them as one command under a key of its own.

Many of these commands go with one request; each is answered for itself.
"""

import codecs
import csv
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from client import gateway
from client.errors import Refused, Unreachable
from client.gateway import Airline

COLUMNS = ("flightCode", "takeoffDate", "cost", "remainingSeatsCount")
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
"""Spreadsheets write semicolons where a comma separates decimals, and tabs in UTF-16."""
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # begins as the mark of UTF-16 does
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""The byte order marks of spreadsheets, and what follows them."""
NUL, NEWLINE = b"\0", b"\n"
LARGEST_FILE = 32 * 1024 * 1024
"""Bytes; about half a million flights. /dev/zero has no end."""
MOST_ROWS, LARGEST_PORTION = 500, 60_000
"""Lines, and bytes, of one request; the service reads 500 and 64 KiB."""
LONGEST_FLIGHT = 1000
"""Characters in its four columns."""


@dataclass(frozen=True)
class Line:
    """A line of the file, numbered as an editor does: its fields, and either its flight or why there is none.

    `again`: the flight was there already, added by an earlier import.
    """

    number: int
    fields: Mapping[str, str]
    reason: str | None = None
    flight: dict[str, Any] | None = None
    again: bool = False


def read(file: Path, encoding: str | None = None) -> list[Line]:
    """The lines below the header, blank ones left out. Without an encoding the file's mark names it, else it is UTF-8.

    Raises Refused if no line of the file can be read.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(LARGEST_FILE + 1)
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}.") from error
    if len(content) > LARGEST_FILE:
        raise Refused(f"{file} is larger than {LARGEST_FILE // 1024**2} MB: divide it; each part has its own header.")
    if not content:
        raise Refused(f"{file} is empty.")
    return list(_lines(_decoded(content, encoding, file), file))


def _decoded(content: bytes, encoding: str | None, file: Path) -> str:
    named = encoding or next((name for mark, name in MARKS.items() if content.startswith(mark)), "utf-8")
    if not encoding and named == "utf-8" and NUL in content:
        line = content.count(NEWLINE, 0, content.index(NUL)) + 1
        raise Refused(f"{file}, line {line}: holds a NUL. Is it UTF-16 without a mark? Then: --encoding utf-16-le.")
    try:
        return content.decode(named).removeprefix("\ufeff")
    except LookupError as error:
        raise Refused(f"{named} is not an encoding that Python knows.") from error
    except UnicodeError as error:
        # some of Python's encodings do not say where: those of host names, and the one that refuses everything
        where = f", line {content.count(NEWLINE, 0, error.start) + 1}" if isinstance(error, UnicodeDecodeError) else ""
        raise Refused(
            f"{file}{where}: not {named}. Save the file as UTF-8, or name its encoding: --encoding euc-kr."
        ) from error


def _lines(text: str, file: Path) -> Iterator[Line]:
    numbered = enumerate(re.split(r"\r\n|\n|\r", text), 1)
    number, first = next(numbered)
    if re.fullmatch(r"(?i)sep=.", first.strip('" ')):  # Excel's own line before the header
        number, first = next(numbered, (number, first))
    separator, header = _header(first, f"{file}, line {number}")
    earlier: dict[tuple[str, ...], int] = {}
    flights: dict[tuple[str, ...], int] = {}
    for number, written in numbered:
        if not written.strip(f" {separator}"):
            continue
        line = _line(number, header, written, separator)
        yield line if line.reason else replace(line, reason=_repeated(line, earlier, flights))


def _repeated(line: Line, earlier: dict[tuple[str, ...], int], flights: dict[tuple[str, ...], int]) -> str | None:
    """Why a line says nothing new. `earlier` and `flights` have the number of the first line with these values."""
    known = earlier.setdefault(tuple(line.fields.values()), line.number)
    if known != line.number:
        return f"the same as line {known}"
    known = flights.setdefault((line.fields["flightCode"], line.fields["takeoffDate"]), line.number)
    return None if known == line.number else f"line {known} has this flight on this day with other values"


def _header(written: str, where: str) -> tuple[str, list[str]]:
    """What separates the columns, and their names. Raises Refused."""
    separator = max(SEPARATORS, key=written.count)
    try:
        names = _cells(written, separator)
    except csv.Error as error:
        raise Refused(f"{where}: {_in_words(error)}.") from error
    if missing := [name for name in COLUMNS if name not in names]:
        raise Refused(
            f"{where}: it must name the columns {', '.join(COLUMNS)}; {missing[0]} is missing. "
            f"Separated by {SEPARATORS[separator]} it names: {', '.join(names)[:200]}"
        )
    if twice := [name for name in COLUMNS if names.count(name) > 1]:
        raise Refused(f"{where}: the column {twice[0]} is there twice; which one counts? Remove the other.")
    return separator, names


def _cells(written: str, separator: str) -> list[str]:
    """The cells of one line. No field of a flight has a line break, so a quote that is not closed ends with its line,
    and not with the file. Raises csv.Error."""
    (row,) = csv.reader([written], delimiter=separator, skipinitialspace=True, strict=True)
    return [cell.strip() for cell in row]


def _in_words(error: csv.Error) -> str:
    """What Python's csv says, in words of the file."""
    said = str(error)
    if "unexpected end of data" in said:
        return "a quote is opened and not closed on this line"
    return "a quoted field goes on after its closing quote" if "expected after" in said else said


def _line(number: int, header: list[str], written: str, separator: str) -> Line:
    try:
        cells = _cells(written, separator)
    except csv.Error as error:
        return Line(number, {"": written}, _in_words(error))
    if cells == header:
        return Line(number, dict(enumerate_cells(cells)), "is the header again")
    if len(cells) != len(header):
        return Line(number, dict(enumerate_cells(cells)), f"has {len(cells)} fields, the header has {len(header)}")
    named = dict(zip(header, cells, strict=True))
    fields = {name: named[name] for name in COLUMNS}
    return Line(number, fields, "is too long for a flight" if sum(map(len, fields.values())) > LONGEST_FLIGHT else None)


def enumerate_cells(cells: list[str]) -> Iterator[tuple[str, str]]:
    """Cells without a heading."""
    return ((str(position), cell) for position, cell in enumerate(cells, 1))


def portions(name: str, lines: Iterable[Line]) -> Iterator[list[Line]]:
    """As many lines at a time as one request may have."""
    portion: list[Line] = []
    size = 0
    for line in lines:
        more = 0 if line.reason else len(json.dumps(_row(name, line)))
        if len(portion) == MOST_ROWS or size + more > LARGEST_PORTION:
            yield portion
            portion, size = [], 0
        portion.append(line)
        size += more
    yield portion


def add(airline: Airline, name: str, lines: Sequence[Line]) -> list[Line]:
    """The lines with their flights, or with the reasons why the service refused them.

    Raises Unreachable, and Refused where none of them is looked at.
    """
    rows = [_row(name, line) for line in lines if not line.reason]
    done = gateway.post(airline, "/flights/import", {"flights": rows}) if rows else {"rows": []}
    try:
        answers = {answer["key"]: answer for answer in done["rows"]}
        return [line if line.reason else _answered(line, answers[key_of(name, line.fields)]) for line in lines]
    except (AttributeError, KeyError, TypeError) as error:
        raise Unreachable(f"{airline.url} answers, but not as an airline that adds flights.") from error


def _row(name: str, line: Line) -> dict[str, str]:
    return {"key": key_of(name, line.fields), **line.fields}


def _answered(line: Line, answer: Mapping[str, Any]) -> Line:
    if answer["problem"]:
        return replace(line, reason=str(answer["problem"]["detail"]).rstrip("."))
    return replace(line, flight=answer["flight"], again=answer["repeated"])


def key_of(name: str, fields: Mapping[str, str]) -> str:
    """The same line of a file of that name is the same command, wherever it is in the file."""
    return "import-" + hashlib.sha256(json.dumps([name, dict(fields)], sort_keys=True).encode()).hexdigest()
