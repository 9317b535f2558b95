"""Reading what others wrote: JSON values into int, str, date and datetime, or a sentence that names the field.

A reader takes one JSON value and returns it typed, or raises ValueError with the rest of the sentence
"<field> ...". Numbers in strings are accepted: httpie sends `bookQty=3` as "3". Each reader has a JSON Schema of its
values, from which the contracts are made.
"""

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from decimal import Decimal
from operator import attrgetter
from types import NoneType
from typing import Annotated, Any, Generic, TypeVar, get_args, get_origin, get_type_hints

from choreography import clock
from choreography.errors import Invalid

T = TypeVar("T")
ABSENT = object()
LARGEST_ID = 2**31 - 1
LARGEST_NUMBER = 2**53 - 1
"""The largest integer that every JSON reader keeps exact (RFC 8259, section 6)."""
LONGEST_TEXT = 200
LONGEST_LIST = 500

_INTEGER = re.compile(r"-?[0-9]{1,20}", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[^T]+)?", re.ASCII)
_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)", re.ASCII
)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
PRINTABLE = r"^[^\u0000-\u001F\u007F-\u009F]*$"
_SEEN = (
    r"[^\u0000-\u0020\u007F-\u00A0\u00AD\u034F\u061C\u115F\u1160\u1680\u17B4\u17B5\u180B-\u180F\u2000-\u200F\u2028-\u202F"
    r"\u205F-\u206F\u2800\u3000\u3164\uFDD0-\uFDEF\uFE00-\uFE0F\uFEFF\uFFA0\uFFF0-\uFFFF]+"
)
"""Not blanks of any kind, and not what has no width or turns the direction of writing."""
_NAME = re.compile(f"{_SEEN}( {_SEEN})*")


@dataclass(frozen=True, slots=True)
class Reader(Generic[T]):
    """Reads one JSON value, or raises ValueError. `schema` describes the value in its usual form: 3, not "3"."""

    read: Callable[[object], T]
    schema: Mapping[str, Any]

    def __call__(self, value: object) -> T:
        """The value, typed."""
        return self.read(value)


def integer(minimum: int = -LARGEST_NUMBER, maximum: int = LARGEST_NUMBER) -> Reader[int]:
    """A whole number within the bounds; 3, 3.0 and "3" are the same."""

    def read(value: object) -> int:
        number = _whole(value)
        if not minimum <= number <= maximum:
            raise ValueError(f"must be between {minimum} and {maximum}")
        return number

    return Reader(read, {"type": "integer", "minimum": minimum, "maximum": maximum})


def _whole(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        return int(value)
    raise ValueError("must be a whole number")


IDENTITY = integer(1, LARGEST_ID)
"""The number that a database gives to a row."""


def text(minimum: int = 1, maximum: int = LONGEST_TEXT) -> Reader[str]:
    """Printable text of that many characters."""

    def read(value: object) -> str:
        if not isinstance(value, str):
            raise ValueError("must be text")
        if not minimum <= len(value) <= maximum:
            raise ValueError(f"must have {minimum} to {maximum} characters")
        if _UNPRINTABLE.search(value):
            raise ValueError("must not contain control characters")
        return value

    return Reader(read, {"type": "string", "minLength": minimum, "maxLength": maximum, "pattern": PRINTABLE})


def name(maximum: int = LONGEST_TEXT) -> Reader[str]:
    """Text that people can distinguish by its looks: nothing in it is invisible."""
    read_text = text(1, maximum)

    def read(value: object) -> str:
        found = read_text(value)
        if not _NAME.fullmatch(found):
            raise ValueError("must be characters that can be seen, with at most one blank between them")
        return found

    return Reader(read, {**read_text.schema, "pattern": f"^{_NAME.pattern}$"})


def one_of(*choices: str) -> Reader[str]:
    """One of these words."""

    def read(value: object) -> str:
        if value not in choices:
            raise ValueError("must be " + " or ".join(choices))
        return str(value)

    return Reader(read, {"enum": list(choices)})


def several(read_one: Reader[T], maximum: int = LONGEST_LIST) -> Reader[tuple[T, ...]]:
    """A list of 1 to `maximum` values, each read by `read_one`, as a tuple."""

    def read(value: object) -> tuple[T, ...]:
        if not isinstance(value, list | tuple) or not 1 <= len(value) <= maximum:
            raise ValueError(f"must be a list of 1 to {maximum} values")
        try:
            return tuple(map(read_one, value))
        except ValueError as error:
            raise ValueError(f"has a value that {error}") from None

    return Reader(read, {"type": "array", "minItems": 1, "maxItems": maximum, "items": read_one.schema})


def _day(value: object) -> date:
    try:
        return datetime.fromisoformat(_DAY.fullmatch(str(value))[0]).date()  # type: ignore[index]
    except (TypeError, ValueError):
        raise ValueError('must be a date such as "2025-12-25"') from None


def _instant(value: object) -> datetime:
    try:
        return datetime.fromisoformat(_INSTANT.fullmatch(str(value))[0].upper()).astimezone(UTC)  # type: ignore[index]
    except (TypeError, ValueError, OverflowError):
        raise ValueError('must be an instant such as "2025-12-25T08:00:00Z"') from None


day = Reader(_day, {"type": "string", "format": "date", "examples": ["2025-12-25"]})
"""A date: "2025-12-25"; of an instant, "2025-12-25T00:00:00.000+00:00", the day it writes."""
instant = Reader(_instant, {"type": "string", "format": "date-time", "examples": ["2025-12-25T08:00:00.000Z"]})
"""An RFC 3339 instant with its offset, as UTC."""


@dataclass(frozen=True, slots=True)
class Field:
    """How to read one field, and its value where it is absent (without a default, it is required).

    `about` and `examples` are for people: they go into the contracts.
    """

    read: Reader[Any]
    default: Any = ABSENT
    about: str = ""
    examples: Sequence[Any] = ()


def read(body: object, spec: Mapping[str, Field]) -> dict[str, Any]:
    """The values of `spec` in `body`; other names are ignored. Raises Invalid with every wrong field at once."""
    if not isinstance(body, Mapping):
        raise Invalid("The body must be a JSON object.")
    values: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for name, field in spec.items():
        value = body.get(name, ABSENT)
        try:
            values[name] = _default(field) if value is ABSENT else field.read.read(value)
        except ValueError as error:
            wrong[name] = str(error)
    if wrong:
        raise Invalid("; ".join(f"{name} {what}" for name, what in wrong.items()), wrong)
    return values


def _default(field: Field) -> object:
    if field.default is ABSENT:
        raise ValueError("is missing")
    return field.default


_BARE: dict[object, Reader[Any]] = {
    int: integer(),
    str: text(minimum=0, maximum=4 * LONGEST_TEXT),
    date: day,
    datetime: instant,
}
"""Of a type that is not annotated with a reader."""


@functools.lru_cache(maxsize=1024)
def camel(name: str) -> str:
    """book_qty -> bookQty."""
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


@functools.cache
def _names(cls: Any) -> dict[str, str]:
    return {field.name: camel(field.name) for field in fields(cls)}


@functools.cache
def _values(cls: Any) -> Callable[[Any], tuple[Any, ...]]:
    names = tuple(_names(cls))
    if len(names) > 1:
        return attrgetter(*names)
    return lambda value: tuple(getattr(value, name) for name in names)  # of one name, attrgetter makes no tuple


@functools.cache
def spec(cls: Any) -> dict[str, Field]:
    """How to read the JSON object of a dataclass, by the names that it has there. A field `X | None` may be absent.

    A type is read as the reader in it says: `Annotated[int, integer(1, 9)]`. Raises TypeError for one without.
    """
    hints = get_type_hints(cls, include_extras=True)
    return {json: _field(f"{cls.__name__}.{name}", hints[name]) for name, json in _names(cls).items()}


def _field(name: str, hint: Any) -> Field:
    (type_, *others) = [one for one in get_args(hint) if one is not NoneType] if _is_optional(hint) else [hint]
    reader = (
        next((one for one in type_.__metadata__ if isinstance(one, Reader)), None)
        if get_origin(type_) is Annotated
        else _BARE.get(type_)
    )
    if reader is None or others:
        raise TypeError(f"{name} has a type without a reader: put one into it, as in Annotated[int, integer()].")
    return Field(reader, None) if _is_optional(hint) else Field(reader)


def _is_optional(hint: Any) -> bool:
    return NoneType in get_args(hint)


def into(cls: Callable[..., T], data: object) -> T:
    """A dataclass, such as an event, from its camelCase JSON object. Raises Invalid."""
    values = read(data, spec(cls))
    return cls(**{name: values[json] for name, json in _names(cls).items()})


_AS_THEY_ARE = {str, int, bool, type(None)}


def plain(value: object) -> object:
    """A typed value as JSON has it."""
    if value.__class__ in _AS_THEY_ARE:
        return value
    if isinstance(value, datetime):
        return clock.text(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value)  # MySQL makes one of a sum
    return list(value) if isinstance(value, tuple) else value


def plain_values(values: Mapping[str, object]) -> dict[str, object]:
    """Typed values as JSON has them; most of them are so already."""
    return {name: one if one.__class__ in _AS_THEY_ARE else plain(one) for name, one in values.items()}


def as_json(value: Any) -> dict[str, Any]:
    """The camelCase JSON object of a dataclass, such as an event, without what it leaves open."""
    cls = value.__class__
    return {
        json: one if one.__class__ in _AS_THEY_ARE else plain(one)
        for json, one in zip(_names(cls).values(), _values(cls)(value), strict=True)
        if one is not None
    }
