"""Malformed CloudEvents: Hypothesis strategies of raw HTTP requests, in both modes and in neither.

They begin with an event of the glossary, so that most get past the first check, and spoil a few things of it.
"""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

Event = dict[str, Any]

MARKED = "<nested or long>"
"""A placeholder in JSON for what Python's own writer would not write."""
MOST_MEANT = 3
"""The number of things that are wrong in one event."""


@dataclass(frozen=True)
class Request:
    """What goes over the wire; header values are bytes as latin-1."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def __repr__(self) -> str:
        return f"{self.method} {self.path} {self.headers!r:.2000} {len(self.body)} bytes: {self.body[:500]!r}"


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=12)
"""With NUL, with half surrogate pairs."""
TEXTS = [
    *("", " ", "\0", "a\0b", "\ud800", "\udfff\ud800", "\ufeff", "\x1b[31m", "\x7f", "a\r\nX-Evil: yes", "\u202e"),
    *(
        "%00",
        "%ff%fe",
        "%",
        "%zz",
        "%C3%A9",
        "+",
        "é",
        "日本",
        "🛫",
        "null",
        "NaN",
        "true",
        "1.0",
        "0.3",
        "-1",
        "1e400",
    ),
    *("x" * 41, "x" * 65, "x" * 256, "x" * 5_000, "9" * 5_000, "é" * 200, "0123456789AB", "ZZZZZZZZZZZZ"),
    *("/airline/reserve", "/airline", "/agency/7", "http://[", "2026-02-30T00:00:00Z", "9999-12-31T23:59:59-23:59"),
    *("ReservationRequested", "CancellationRequested", "ReservationCanceled", "dev.knative.sources.ping"),
    *("00-" + "0" * 32 + "-" + "0" * 16 + "-01", "00-é-1-01", "'; DROP TABLE reservations; --", "{{7*7}}", "%s%n"),
]
ODD_TEXTS = st.sampled_from(TEXTS)
ODD_NUMBERS = st.sampled_from(
    [
        0,
        -1,
        1,
        3,
        1001,
        2**31 - 1,
        2**31,
        2**53,
        2**63,
        -(2**63),
        10**30,
        10**4000,
        1.0,
        1.5,
        -0.0,
        1e22,
        1e308,
        float("nan"),
        float("inf"),
        float("-inf"),
    ]
)
ODD_VALUES: st.SearchStrategy[Any] = st.one_of(
    ODD_TEXTS,
    ODD_TEXTS.map(lambda text: "/airline/" + text),
    ANY_TEXT,
    ODD_NUMBERS,
    st.integers(),
    st.floats(),
    st.sampled_from([None, True, False, MARKED]),
    st.builds(lambda value: [value], ODD_TEXTS | ODD_NUMBERS),
    st.builds(lambda name, value: {name: value}, ODD_TEXTS, ODD_TEXTS | ODD_NUMBERS),
)
ATTRIBUTES = st.sampled_from(
    [
        *(["id", "source", "time", "causationid", "correlationid", "data", "knativeerrordest", "knativeerrordata"] * 4),
        *("specversion", "id", "source", "type", "time", "subject", "datacontenttype", "dataschema", "data_base64"),
        *("partitionkey", "correlationid", "causationid", "traceparent", "tracestate"),
        *("knativeerrordest", "knativeerrorcode", "knativeerrordata", "knativebrokerttl", "knativekafkaoffset"),
        *("a", "data", "Id", "bad_name", "bad-name", "é", "x" * 300, "__proto__", "metadata", "self", "cls"),
    ]
)
NESTED = st.integers(1, 1_100).map(lambda depth: "[" * depth + "]" * depth)
# about where Python gives up, which a reader may reach before the writer does
VERY_NESTED = st.integers(850, 1_000).map(lambda depth: '{"a":' * depth + "1" + "}" * depth)
MARKS = NESTED | VERY_NESTED | st.sampled_from(["[" * 60_000, '{"a":' * 50_000, "9" * 5_000, "1e999", "-", "'", "nul"])
ENCODINGS: st.SearchStrategy[Callable[[str], bytes]] = st.sampled_from(
    [
        *([lambda text: text.encode(errors="surrogatepass")] * 8),
        lambda text: text.encode("utf-8-sig", "replace"),
        lambda text: text.encode("utf-16", "surrogatepass"),
        lambda text: text.encode("utf-16-le", "surrogatepass"),
        lambda text: text.encode("utf-32", "surrogatepass"),
        lambda text: text.encode("latin-1", "replace"),
        lambda text: text.encode(errors="surrogatepass")[:-1],
        lambda text: text.encode(errors="surrogatepass") + b"\xff",
        lambda text: b"\x1f\x8b" + text.encode(errors="surrogatepass"),
    ]
)
STRUCTURED = "application/cloudevents+json"
CONTENT_TYPES = st.sampled_from(
    [
        *("application/json", "APPLICATION/JSON", "application/json; charset=utf-16", "application/problem+json"),
        *(
            "text/plain",
            "text/xml",
            "multipart/form-data",
            "application/x-www-form-urlencoded",
            "",
            ";",
            "\xff",
            "a/b" * 90,
        ),
        *(STRUCTURED, STRUCTURED + "; charset=utf-8", STRUCTURED + "; charset=latin-1", "Application/CloudEvents+JSON"),
        *("application/cloudevents-batch+json", "application/cloudevents", "application/cloudevents+avro"),
    ]
)
OTHER_HEADERS = st.sampled_from(
    [
        *(("Prefer", "reply"), ("Kn-Namespace", "airline"), ("Content-Encoding", "gzip"), ("traceparent", "garbage")),
        *(("traceparent", "00-" + "f" * 32 + "-" + "f" * 16 + "-01"), ("X-Forwarded-Host", "evil.example")),
        *(
            ("X-Forwarded-Proto", "javascript"),
            ("Authorization", "Bearer \xff"),
            ("Accept", "text/html"),
            ("X", "y" * 4_000),
        ),
        *(
            ("Idempotency-Key", "\xe9"),
            ("X-HTTP-Method-Override", "DELETE"),
            ("Origin", "null"),
            ("Cookie", "a=b; " * 50),
        ),
        *(("ce-", ""), ("ce-id", "again"), ("CE-TYPE", "Paid"), ("ce-source", "/airline/reserve"), ("ce-data", "x")),
    ]
)
SIZES = st.sampled_from([0] * 12 + [60_000, 64 * 1024 - 200, 64 * 1024 + 1, 1_100_000])
METHODS = st.sampled_from(["POST"] * 20 + ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
PATHS = st.sampled_from(
    [""] * 16 + ["/", "//", "/..", "/%00", "/%ff", "/events", "/healthz", "?a=%00", "?" + "a=b&" * 90]
)


@st.composite
def spoilt(draw: st.DrawFn, events: st.SearchStrategy[Event]) -> Event:
    """An event with some of its attributes and data replaced, taken away or added."""
    event = dict(draw(events))
    for _ in range(draw(st.integers(0, MOST_MEANT))):
        if draw(st.booleans()) and isinstance(event.get("data"), dict) and event["data"]:
            event = event | {"data": _spoilt(draw, event["data"], st.sampled_from(sorted(event["data"])))}
        else:
            event = _spoilt(draw, event, ATTRIBUTES)
    return event


def _spoilt(draw: st.DrawFn, values: Event, names: st.SearchStrategy[str]) -> Event:
    name = draw(names)
    if draw(st.integers(0, 4)) == 0:
        return {other: value for other, value in values.items() if other != name}
    return values | {name: draw(ODD_VALUES)}


@st.composite
def structured(draw: st.DrawFn, events: st.SearchStrategy[Event]) -> Request:
    """The structured mode, or what looks like it."""
    event = draw(spoilt(events))
    if draw(st.integers(0, 9)) == 0:
        content = draw(_encoded(event.pop("data", None)))
        event["data_base64"] = base64.b64encode(content).decode() + draw(st.sampled_from(["", "", "=", "\0", "é"]))
    body: Any = event
    if draw(st.integers(0, 30)) == 0:
        body = draw(st.sampled_from([[event], [], MARKED, None, 1, "text", {}]))
    content_type = STRUCTURED if draw(st.integers(0, 7)) else draw(CONTENT_TYPES)
    return draw(_sent((("Content-Type", content_type),), draw(_encoded(body))))


@st.composite
def binary(draw: st.DrawFn, events: st.SearchStrategy[Event]) -> Request:
    """The binary mode, or what looks like it; a header may come twice, in other letters."""
    event = draw(spoilt(events))
    body = draw(_encoded(event.pop("data", None))) if draw(st.integers(0, 9)) else b""
    content_type = event.pop("datacontenttype", "") if draw(st.integers(0, 7)) else draw(CONTENT_TYPES)
    headers = [(f"ce-{name}", _in_a_header(value, draw(st.booleans()))) for name, value in event.items()]
    if headers and draw(st.integers(0, 9)) == 0:
        headers.append(draw(st.sampled_from(headers)))
    return draw(_sent((*headers, ("Content-Type", _in_a_header(content_type, False))), body))


def requests(events: st.SearchStrategy[Event]) -> st.SearchStrategy[Request]:
    """Any of them."""
    return structured(events) | binary(events)


@st.composite
def _sent(draw: st.DrawFn, headers: tuple[tuple[str, str], ...], body: bytes) -> Request:
    others = tuple(draw(st.lists(OTHER_HEADERS, max_size=2))) if draw(st.booleans()) else ()
    size = draw(SIZES)
    body = body + b" " * (size - len(body)) if size else body
    sent = tuple((_name(name), value) for name, value in (*headers, *others))
    return Request(draw(METHODS), draw(PATHS), sent, body)


@st.composite
def _encoded(draw: st.DrawFn, value: Any) -> bytes:
    """A value as JSON, nearly."""
    text = json.dumps(value, ensure_ascii=draw(st.booleans()))
    if json.dumps(MARKED) in text:
        text = text.replace(json.dumps(MARKED), draw(MARKS))
    if draw(st.integers(0, 20)) == 0 and isinstance(value, dict) and value:
        name = draw(st.sampled_from(sorted(value)))  # of two the reader may take either
        text = text[:-1] + f", {json.dumps(name)}: 1}}"
    return draw(ENCODINGS)(text)


def _in_a_header(value: Any, in_percents: bool) -> str:
    text = value if isinstance(value, str) else json.dumps(value)[:200]
    if in_percents:
        return quote(text.encode(errors="surrogatepass"), safe="/ ")
    raw = text.encode(errors="surrogatepass").decode("latin-1")
    return "".join(letter for letter in raw if letter not in "\r\n\0")


def _name(name: str) -> str:
    return "".join(letter for letter in name.encode(errors="replace").decode("latin-1") if letter not in "\r\n\0:")
