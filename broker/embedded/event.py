"""CloudEvents 1.0 over HTTP, binary and structured, as a broker needs them: attributes are text, data stays bytes.

Own code instead of the SDK: a broker must not touch the data, and it reads and writes every event many times.

The values of `ce-` headers are decoded once on the way in, and encoded on the way out so that decoding them once
gives the attribute back (CloudEvents HTTP binding 3.1.3.2). The Java SDK inside Knative's Kafka broker does neither;
docs/decisions/2026-11-28-attributes-are-decoded-once.md says what follows from it.
"""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_to_bytes

STRUCTURED = "application/cloudevents+json"
REQUIRED = ("id", "source", "type")
ADDED_BY_BROKERS = ("knativeerror", "knativekafka")
CONTEXT_ATTRIBUTES = frozenset({*REQUIRED, "specversion", "datacontenttype", "dataschema", "subject", "time"})
MAX_BYTES = 1_048_576  # Kafka producer: max.request.size
MOST_BRACKETS = 500
"""In data that are shown as JSON: at about nine hundred levels Python reads what it cannot write again."""
RECORD_OVERHEAD = 100  # what Kafka adds to a record with its headers, rounded up

_CONTENT_TYPE = "datacontenttype"
_EXTENSION_NAME = re.compile(r"[a-z0-9]+")
_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)", re.ASCII
)
_URI_REFERENCE = re.compile(r"[^\s<>\"{}|\\^`\x00-\x1f\x7f]+")
_JSON_TYPE = re.compile(r"(application|text)/([A-Za-z.\-]+\+)?json(\s*;.*)?", re.DOTALL)
_TO_ENCODE = re.compile(r"[^!#$&-~]+", re.ASCII)  # all but the printable ones, and blank, quote and percent of these
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_MEDIA_TYPE = re.compile(r"[ -~]+", re.ASCII)


# made once: `json.loads` and `json.dumps` make a decoder or an encoder for each call that wants something of its own
AS_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class NotAnEvent(ValueError):
    """The message is not a single valid CloudEvent 1.0."""


class Event(NamedTuple):
    """attributes: all of them as text, `specversion` and extensions too; data: the bytes, None if absent.

    A tuple, because a frozen dataclass takes three times as long to make.
    """

    attributes: dict[str, str]
    data: bytes | None

    @property
    def record_bytes(self) -> int:
        """About what Kafka counts against max.request.size: data, and each attribute as a header `ce_<name>`."""
        headers = sum(map(len, self.attributes)) + sum(map(len, self.attributes.values())) + 5 * len(self.attributes)
        return RECORD_OVERHEAD + headers + len(self.data or b"")

    def with_extensions(self, extensions: Mapping[str, str]) -> "Event":
        return Event({**self.attributes, **extensions}, self.data)

    def as_published(self) -> "Event":
        """Without what brokers add on the way."""
        kept = {name: value for name, value in self.attributes.items() if not name.startswith(ADDED_BY_BROKERS)}
        return Event(kept, self.data)


def parse(headers: Iterable[tuple[str, str]], body: bytes) -> Event:
    """The CloudEvent in a request or answer; header names in any case. Raises NotAnEvent."""
    attributes: dict[str, str] = {}
    content_type = None
    for name, value in headers:
        lowered = name.lower()
        if lowered.startswith("ce-"):
            attribute = lowered[3:]
            if attribute in attributes:
                raise NotAnEvent(f"the header {lowered} is there more than once; which one counts?")
            plain = value.isascii() and "%" not in value and '"' not in value  # as nearly all are
            attributes[attribute] = value if plain else _decoded(name, value)
        elif lowered == "content-type":
            if content_type is not None:
                raise NotAnEvent("the header content-type is there more than once; which one counts?")
            content_type = value
    if content_type is not None and content_type.lower().startswith("application/cloudevents"):
        return _parse_structured(readable(content_type), body)
    if content_type:
        attributes[_CONTENT_TYPE] = content_type
    return Event(_validated(attributes), body or None)


def parse_reply(headers: Iterable[tuple[str, str]], body: bytes) -> Event | None:
    """The event in a subscriber's 2xx answer, None for no reply. Raises NotAnEvent for a body that is not an event.

    Broken ce- headers without a body count as no reply (Knative Kafka: BaseResponseHandler.java).
    """
    try:
        return parse(headers, body)
    except NotAnEvent:
        if body:
            raise
        return None


def binary_head(event: Event) -> bytes:
    """The event's HTTP header lines in binary mode, each ended by CRLF."""
    values = event.attributes
    if _TO_ENCODE.search("".join(values.values())):  # which hardly ever is so
        values = {name: _TO_ENCODE.sub(_encoded, value) for name, value in values.items()}
    lines = [f"ce-{name}: {value}\r\n" for name, value in values.items() if name != _CONTENT_TYPE]
    if _CONTENT_TYPE in values:
        lines.append(f"content-type: {event.attributes[_CONTENT_TYPE]}\r\n")
    return "".join(lines).encode("ascii")


def readable(header_value: str) -> str:
    """Header bytes are read as UTF-8 with surrogate escapes, which no database takes: they become U+FFFD."""
    return header_value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def to_structured(event: Event) -> dict[str, Any]:
    """The event in the CloudEvents JSON format: `data` where the data is JSON, `data_base64` otherwise."""
    document: dict[str, Any] = dict(event.attributes)
    if event.data is None:
        return document
    if (
        _is_json(event.attributes.get("datacontenttype"))
        and event.data.count(b"[") + event.data.count(b"{") < MOST_BRACKETS
    ):
        try:
            return {**document, "data": json.loads(event.data)}
        except ValueError:
            pass  # says JSON and is not: base64 keeps the bytes as they are
    return {**document, "data_base64": base64.b64encode(event.data).decode("ascii")}


def _parse_structured(content_type: str, body: bytes) -> Event:
    if content_type.lower().partition(";")[0].strip() != STRUCTURED:
        raise NotAnEvent(f"{content_type} is not supported: one event in {STRUCTURED}, or binary mode")
    try:
        document = _FROM_JSON(body.decode(json.detect_encoding(body), "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise NotAnEvent(f"the body is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise NotAnEvent("a structured event is one JSON object")
    if "data" in document and "data_base64" in document:
        raise NotAnEvent("data and data_base64 exclude each other")
    data, data_base64 = document.pop("data", None), document.pop("data_base64", None)
    attributes = {
        name: value if value.__class__ is str else _text(name, value)
        for name, value in document.items()
        if value is not None
    }
    _utf8("".join(attributes.values()))
    if data is not None:
        attributes.setdefault("datacontenttype", "application/json")
        return Event(_validated(attributes), _data_bytes(data, attributes["datacontenttype"]))
    return Event(_validated(attributes), None if data_base64 is None else _from_base64(data_base64))


def _validated(attributes: dict[str, str]) -> dict[str, str]:
    if attributes.get("specversion") != "1.0":
        raise NotAnEvent("specversion must be 1.0")
    for name in REQUIRED:
        if not attributes.get(name):
            raise NotAnEvent(f"attribute {name} is missing or empty")
    for name in attributes:
        if not is_attribute_name(name):
            raise NotAnEvent(f"{name!r} is not an attribute name: only a-z and 0-9, and not data")
    for name in ("source", "dataschema"):
        if name in attributes and not _URI_REFERENCE.fullmatch(attributes[name]):
            raise NotAnEvent(f"{name} is not a URI reference")
    if "datacontenttype" in attributes and not _MEDIA_TYPE.fullmatch(attributes["datacontenttype"]):
        raise NotAnEvent("datacontenttype is not a media type")
    if "time" in attributes and not _is_timestamp(attributes["time"]):
        raise NotAnEvent("time is not an RFC 3339 timestamp")
    return attributes


def is_extension_name(name: str) -> bool:
    return is_attribute_name(name) and name not in CONTEXT_ATTRIBUTES


def _is_timestamp(text: str) -> bool:
    try:
        return _RFC3339.fullmatch(text) is not None and bool(datetime.fromisoformat(text.upper()))
    except ValueError:  # a day that is in no calendar
        return False


@lru_cache(maxsize=512)
def is_attribute_name(name: str) -> bool:
    return name != "data" and _EXTENSION_NAME.fullmatch(name) is not None


def _is_json(content_type: str | None) -> bool:
    return content_type is None or _JSON_TYPE.fullmatch(content_type) is not None


def _data_bytes(data: Any, content_type: str) -> bytes:
    if isinstance(data, str) and not _is_json(content_type):
        return _utf8(data)
    try:
        return _utf8(AS_JSON(data))
    except RecursionError as error:  # the writer gives up a few levels before the reader
        raise NotAnEvent("the data are nested too deeply") from error


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:  # half a surrogate pair, written as an escape
        raise NotAnEvent("text that cannot be written as UTF-8") from error


def _from_base64(data: Any) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (TypeError, ValueError) as error:
        raise NotAnEvent("data_base64 is not base64") from error


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise NotAnEvent(f"attribute {name} is neither text nor number nor boolean")


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


_FROM_JSON = json.JSONDecoder(parse_constant=_refuse_constant).decode


def _decoded(name: str, value: str) -> str:
    text = value.strip(" \t")
    if text.startswith('"'):
        if not _QUOTED.fullmatch(text):
            raise NotAnEvent(f"the header {name} has a quoted string that does not end where it should")
        text = _QUOTED_PAIR.sub(r"\1", text[1:-1])
    if _BROKEN_ESCAPE.search(text):
        raise NotAnEvent(f"the header {name} has a percent sign that is not written as %25")
    try:
        return unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode()
    except UnicodeDecodeError as error:
        raise NotAnEvent(f"the header {name} is not UTF-8") from error


def _encoded(match: re.Match[str]) -> str:
    return quote(match[0], safe="")
