"""Attributes of a CloudEvent as HTTP header values: percent-encoded UTF-8 (CloudEvents HTTP binding 1.0.2, 3.1.3.2).

An attribute is encoded once where it becomes a header and decoded once where it is read, at every hop alike. A hop
that forgot one of them would make another event of it. docs/decisions/2026-11-28-attributes-are-decoded-once.md says
what the brokers between us do.
"""

import json
import re
from collections.abc import Iterable
from urllib.parse import quote, unquote_to_bytes

_TO_ENCODE = re.compile(r"[^!#$&-~]+", re.ASCII)  # all but the printable ones, and blank, quote and percent of these
_AS_IT_IS = re.compile(r"[!#$&-~]*", re.ASCII)  # these characters and no others
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def encoded(value: str) -> str:
    """The header value of an attribute; printable ASCII. Raises UnicodeEncodeError for half a surrogate pair."""
    return _TO_ENCODE.sub(lambda match: quote(match[0], safe=""), value)


def are_plain(values: Iterable[str]) -> bool:
    """Whether each of them is its own header value: `encoded` would change none."""
    return _AS_IT_IS.fullmatch("".join(values)) is not None


def decoded(header: str) -> str:
    """The attribute in a header value, whose characters are bytes (latin-1), as WSGI hands them over.

    A quoted string is unquoted first, as older senders write it. Raises ValueError for a quote that does not close, a
    percent sign without two hexadecimal digits, and for bytes that are not UTF-8.
    """
    if _AS_IT_IS.fullmatch(header):
        return header
    text = header.strip(" \t")
    if text.startswith('"'):
        if not _QUOTED.fullmatch(text):
            raise ValueError("a quoted string that does not end where it should")
        text = re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
    if _BROKEN_ESCAPE.search(text):
        raise ValueError("a percent sign must be written as %25")
    try:
        return unquote_to_bytes(text.encode("latin-1")).decode()
    except UnicodeError:
        raise ValueError("the bytes are not UTF-8") from None


def as_text(name: str, value: object) -> str:
    """The canonical text of an attribute's JSON value: 3 is "3", true is "true". Raises ValueError for others."""
    if isinstance(value, dict | list):
        raise ValueError(f"{name} must be text, a number or a boolean")
    return value if isinstance(value, str) else json.dumps(value)
