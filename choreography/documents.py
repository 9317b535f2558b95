"""JSON from outside, read to the letter: two readers of the same bytes must see the same values (RFC 7493).

Python's own reader takes NaN, lets the last of two equal names win, and speaks of its own limits where it gives up.
"""

import json
from typing import Any

from choreography.errors import Malformed


def read(body: bytes, what: str = "The body") -> Any:
    """The value of a JSON document. Raises Malformed, which begins with `what`."""
    try:
        text = body.decode("utf-8-sig")  # of bytes, Python's reader would also take UTF-16 and UTF-32
        return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        reason = f"{error.msg}, line {error.lineno}, column {error.colno}" if body.strip() else "there is nothing in it"
        raise Malformed(f"{what} is not JSON: {reason}.") from error
    except UnicodeDecodeError as error:
        raise Malformed(f"{what} is not JSON: its bytes are not UTF-8.") from error
    except RecursionError as error:
        raise Malformed(f"{what} cannot be read: it has too many lists and objects inside each other.") from error
    except _Refused as error:
        raise Malformed(f"{what} is not JSON: {error}.") from error
    except ValueError as error:  # Python's bound for whole numbers
        raise Malformed(f"{what} cannot be read: it has a number with too many digits.") from error


class _Refused(ValueError):
    """A document that some readers take, each in its own way."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _Refused(f"one object has the name {name[:40]!r} more than once")
        found[name] = value
    return found


def _refuse_constant(name: str) -> None:
    raise _Refused(f"{name} is not a number in JSON")
