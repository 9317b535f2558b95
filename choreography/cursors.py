"""Where a page of a list goes on: behind the last row of the page before it, and not at a count of rows.

The database finds that place in an index, so the thousandth page costs as much as the first, and rows that are added or
removed before it neither repeat nor hide any. A cursor is opaque to clients: base64url of a JSON array with the number
of its page and the values of that row, in the order of the list.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import ColumnElement, literal

from choreography.columns import without_index
from choreography.errors import Invalid

LARGEST = 2**63 - 1
"""What every database takes as a number."""


@dataclass(frozen=True, slots=True)
class Order:
    """One column that a list is sorted by, and its direction."""

    column: ColumnElement[Any]
    descending: bool = False
    sorted_here: bool = False
    """The list is short before it is sorted, so no index that already has its order is looked for."""
    fixed: bool = False
    """All rows of the list have the same value there."""

    @property
    def place(self) -> ColumnElement[Any]:
        """The column in conditions and in ORDER BY."""
        return without_index(self.column) if self.sorted_here else self.column

    @property
    def direction(self) -> ColumnElement[Any]:
        """What is in ORDER BY."""
        return self.place.desc() if self.descending else self.place.asc()


@dataclass(frozen=True, slots=True)
class Cursor:
    """The number of the page that it begins, and the values of the row before that page."""

    number: int
    values: tuple[Any, ...]


def text(cursor: Cursor) -> str:
    """The cursor as the value of a parameter."""
    written = json.dumps([cursor.number, *map(_plain, cursor.values)], separators=(",", ":"), ensure_ascii=False)
    return urlsafe_b64encode(written.encode()).decode().rstrip("=")


def read(value: str, order: Sequence[Order]) -> Cursor:
    """The cursor that `text` wrote for a list in this order. Raises Invalid."""
    try:
        number, *values = json.loads(urlsafe_b64decode(value + "=" * (-len(value) % 4)))
        pairs = zip(order, values, strict=True)
        return Cursor(_number(number), tuple(_typed(one.column, plain) for one, plain in pairs))
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        wrong = "must be taken unchanged from a `next` link, with the `sort` of that link"
        raise Invalid(f"after {wrong}", {"after": wrong}) from error


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows that follow each other in a list: equal in what comes before, and beyond a value of the order's first."""

    equal: Sequence[ColumnElement[bool]]
    beyond: ColumnElement[bool]
    order: Sequence[Order]


def behind(order: Sequence[Order], values: Sequence[Any], nulls_last: bool) -> Iterator[Stretch]:
    """The rows that come after those values, stretch by stretch in the order of the list.

    `nulls_last`: where this database sorts NULL in ascending order.
    """
    # each stretch is one place in an index of the order's columns; for an OR of them a database reads whatever is equal
    # in the first column, which may be half of the table
    for place in reversed([place for place, one in enumerate(order) if not one.fixed]):
        equal = [_same(one, value) for one, value in zip(order[:place], values, strict=False)]
        for beyond in _beyond(order[place], values[place], nulls_last):
            yield Stretch(equal, beyond, order[place:])


def _same(one: Order, value: Any) -> ColumnElement[bool]:
    """The rows that have this value in that column."""
    return one.place.is_(None) if value is None else one.place == _value(one.column, value)


def _beyond(one: Order, value: Any, nulls_last: bool) -> Sequence[ColumnElement[bool]]:
    nulls_come_later = nulls_last != one.descending
    if value is None:
        return [] if nulls_come_later else [one.place.is_not(None)]
    edge = _value(one.column, value)
    later = one.place < edge if one.descending else one.place > edge
    return [later, one.place.is_(None)] if nulls_come_later and _nullable(one.column) else [later]


def _value(column: ColumnElement[Any], value: Any) -> ColumnElement[Any]:
    return literal(value, column.type)  # SQLAlchemy does not compare a bare True


def _nullable(column: ColumnElement[Any]) -> bool:
    return bool(getattr(column, "nullable", True))


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def _typed(column: ColumnElement[Any], plain: Any) -> Any:
    if plain is None and _nullable(column):
        return None
    wanted = column.type.python_type
    if issubclass(wanted, date):  # a datetime is one
        return _zoned(datetime.fromisoformat(plain)) if wanted is datetime else date.fromisoformat(plain)
    if wanted is int:
        return _number(plain, -LARGEST)
    if type(plain) is not wanted or (wanted is str and "\0" in plain):
        raise ValueError(plain)
    return plain.encode().decode() if wanted is str else plain  # half a surrogate pair raises ValueError


def _number(plain: Any, least: int = 1) -> int:
    if type(plain) is not int or not least <= plain <= LARGEST:
        raise ValueError(plain)
    return plain


def _zoned(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(moment)
    return moment.astimezone(UTC)
