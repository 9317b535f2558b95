"""CloudEvents 1.0 on the wire: the only importer of `cloudevents`.

Both HTTP modes are read. What we say is written structured, with `datacontenttype`: without it a structured event
leaves the MT broker as text. Only an event with an attribute that a header must encode is written binary, because
brokers pass an encoded header on untouched but spoil what they put into a header themselves; see `message`.
Only the attributes meant to travel are copied from a cause: the brokers add their own.
"""

import base64
import functools
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from cloudevents import conversion
from cloudevents.http import CloudEvent as HttpEvent
from werkzeug.datastructures import Headers

from choreography import attributes, clock, events, fields, tracing
from choreography.errors import Malformed
from choreography.events import Event, Glossary

JSON = "application/json"
CLOUD_EVENTS = "application/cloudevents"
CLOUD_EVENT_JSON = f"{CLOUD_EVENTS}+json"

E = TypeVar("E", bound=Event)
CloudEvent = dict[str, Any]
"""An event in the JSON format of CloudEvents 1.0: context attributes, and `data`."""
DEEPEST = 100
"""Levels of lists and objects that data may have; about nine hundred can be read, but not always written again."""
_NO_HEADERS = ("data", "data_base64", "datacontenttype")
_REQUIRED = {"specversion", "id", "source", "type"}
"""Attributes whose headers make a message one of the binary mode."""
_JSON_TYPE = re.compile(r"\s*[^;\s]+[/+]json\s*(;.*)?", re.ASCII | re.IGNORECASE)
_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Envelope:
    """One CloudEvent as it arrived. `attributes` holds all context attributes, extensions included."""

    attributes: Mapping[str, Any]
    data: Any
    content: bytes | None = None
    """The data's own bytes, where it came as bytes: in binary mode and as `data_base64`."""

    @property
    def id(self) -> str:
        return str(self.attributes["id"])

    @property
    def type(self) -> str:
        return str(self.attributes["type"])

    @property
    def source(self) -> str:
        return str(self.attributes["source"])

    @property
    def traceparent(self) -> str:
        return str(self.attributes.get("traceparent", ""))


def read(headers: Mapping[str, str] | Headers, body: bytes) -> Envelope:
    """The CloudEvent of an HTTP request, binary or structured; data that is not JSON stays bytes. Raises Malformed."""
    content_type = ""
    sent: dict[str, str] = {}
    for header, value in headers.items():
        name = header.lower()
        if name[:3] == "ce-":
            sent[name[3:]] = value
        elif name == "content-type":
            content_type = value
    return _envelope(sent, content_type, body)


def of_call(environ: Mapping[str, Any], body: bytes) -> Envelope:
    """As `read`, of a WSGI environment, without the detour by the names of its headers. Raises Malformed."""
    sent = {_attribute(name): value for name, value in environ.items() if name[:8] == "HTTP_CE_"}
    return _envelope(sent, environ.get("CONTENT_TYPE", ""), body)


@functools.lru_cache(maxsize=1024)
def _attribute(name: str) -> str:
    return name[8:].replace("_", "-").lower()


def _envelope(sent: dict[str, str], content_type: str, body: bytes) -> Envelope:
    try:
        found, data = _parsed(sent, content_type, body)
    except Exception as error:  # from_http lets JSON, base64 and type errors of many classes out
        raise Malformed(f"This is not a CloudEvent: {error}") from error
    if found.get("specversion") != "1.0":
        raise Malformed("This is not a CloudEvent of specversion 1.0.")
    for name in ("id", "source", "type"):
        if not isinstance(found.get(name), str) or not found[name]:
            raise Malformed(f"This is not a CloudEvent: {name} must be a non-empty string.")
    # the bytes of a binary event, but the JSON text of a structured one's data
    content = data if isinstance(data, bytes) else None
    understood = _unmarshal(data)
    if _is_deep(data, understood):
        if content is None:
            raise Malformed(f"This is not a CloudEvent: its data have more than {DEEPEST} levels.")
        understood = content
    return Envelope(found, understood, content)


def _parsed(sent: dict[str, str], content_type: str, body: bytes) -> tuple[dict[str, Any], Any]:
    """The attributes, and the data as they came. `sent`: attributes in headers. Raises whatever is wrong."""
    if content_type.lower().startswith(CLOUD_EVENTS):  # decides, whatever else is there (3.1)
        return _structured(content_type, body)
    plain = attributes.are_plain(sent.values())  # as nearly all are
    found: dict[str, Any] = sent if plain else {name: _decoded(name, value) for name, value in sent.items()}
    found.pop("data", None)  # no attribute: the body is the data
    if not found.keys() >= _REQUIRED:
        return _structured(content_type, body)
    # what brokers deliver: without the SDK, which takes four times as long to copy the headers
    return (found | {"datacontenttype": content_type} if content_type else found), body or None


def _structured(content_type: str, body: bytes) -> tuple[dict[str, Any], Any]:
    event = conversion.from_http(_AsSent, {"content-type": content_type}, body, data_unmarshaller=lambda data: data)
    found = {name: value for name, value in event.get_attributes().items() if value is not None}
    for name, value in found.items():
        attributes.as_text(name, value)  # an event without an id could not be repeated
    return found, event.get_data()


def _decoded(name: str, value: str) -> str:
    try:
        return attributes.decoded(value)
    except ValueError as error:
        raise ValueError(f"the header ce-{name} is wrongly encoded, {error}") from error


class _AsSent(HttpEvent):
    """Without the id and the time that the library makes up for an event that has none."""

    @classmethod
    def create(cls, attributes: Mapping[str, Any], data: Any) -> "_AsSent":
        event = cls(attributes, data)
        for name in {"id", "time"} - attributes.keys():
            del event[name]
        return event


def _unmarshal(data: Any) -> Any:
    try:
        return None if data is None else json.loads(data)
    except (ValueError, RecursionError):
        return data


def _is_deep(text: str | bytes | None, value: Any) -> bool:
    brackets = ("[", "{") if isinstance(text, str) else (b"[", b"{")
    if text is None or sum(map(text.count, brackets)) <= DEEPEST:  # type: ignore[arg-type]
        return False
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _inner(outer)]
    return any(isinstance(inner, dict | list) for inner in level)


def _inner(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def is_json(content_type: str) -> bool:
    """Whether data of that media type are JSON: a subtype json, or one that ends with +json."""
    return _JSON_TYPE.fullmatch(content_type) is not None


def json_data(envelope: Envelope) -> object:
    """The data of an event that must be JSON. Raises Malformed."""
    if isinstance(envelope.data, bytes):
        raise Malformed(f"The data of this {envelope.type} is not JSON, or has more than {DEEPEST} levels.")
    return envelope.data


def saga_of(envelope: Envelope, glossary: Glossary) -> str:
    """The correlation id of a saga, else what the data names; empty for a stranger."""
    named = envelope.data.get(glossary.saga_in_json, "") if isinstance(envelope.data, dict) else ""
    return str(envelope.attributes.get("correlationid") or named)


def event_of(envelope: Envelope, cls: type[E]) -> E:
    """What the envelope says, as a word of the glossary. Raises Malformed and Invalid."""
    return fields.into(cls, json_data(envelope))


def say(event: Event, source: str, cause: Envelope | None = None, traceparent: str = "") -> CloudEvent:
    """A word of the glossary as a CloudEvent from `source`, caused by `cause`.

    `traceparent` is where it belongs; without one, where its cause does.
    """
    type_ = type(event).__name__
    about = {"id": events.identity(event), "type": type_, "source": source}
    if cause is not None:
        about["causationid"] = cause.id
    return _event(about, event, traceparent or (cause.traceparent if cause else ""))


def forward(envelope: Envelope, command: Event, traceparent: str = "") -> CloudEvent:
    """A command from outside, cleaned: its own id, source and type, our data, and none of its extensions.

    `traceparent` as for `say`.
    """
    about = {name: envelope.attributes[name] for name in ("id", "source", "type")}
    return _event(about, command, traceparent or envelope.traceparent)


def _event(about: CloudEvent, said: Event, traceparent: str) -> CloudEvent:
    return about | {
        "specversion": "1.0",
        "time": clock.text(clock.now()),
        "datacontenttype": JSON,
        "dataschema": events.schema_of(type(said)),
        **events.routing(said),
        "traceparent": tracing.saying(type(said).__name__, traceparent) or next_traceparent(traceparent),
        "data": fields.as_json(said),
    }


def pack(event: CloudEvent) -> bytes:
    """The body of the structured mode; its content type is CLOUD_EVENT_JSON."""
    return json.dumps(event).encode()


def message(event: CloudEvent, packed: bytes = b"") -> tuple[dict[str, str], bytes]:
    """The headers and the body that bring an event through any broker as it is. `packed`: where `pack` has made it.

    Structured, unless an attribute has characters that a header must encode. Knative's Kafka broker writes those of a
    structured event into the headers of the delivery unencoded, which loses them, but passes on what is encoded.
    """
    content_type = event.get("datacontenttype", JSON if "data" in event else "")
    texts = {
        name: value if value.__class__ is str else attributes.as_text(name, value)  # nearly all are
        for name, value in event.items()
        if name not in _NO_HEADERS
    }
    if content_type == JSON and attributes.are_plain(texts.values()):  # as nearly all are
        return {"Content-Type": CLOUD_EVENT_JSON}, packed or pack(event)
    try:
        headers = {f"ce-{name}": attributes.encoded(text) for name, text in texts.items()}
        content_type.encode("ascii")
    except UnicodeEncodeError:  # only JSON has a way to write half a surrogate pair
        return {"Content-Type": CLOUD_EVENT_JSON}, packed or pack(event)
    if list(headers.values()) == list(texts.values()) or not content_type.isprintable():
        return {"Content-Type": CLOUD_EVENT_JSON}, packed or pack(event)
    return headers | ({"Content-Type": content_type} if content_type else {}), _content(event, content_type)


def _content(event: CloudEvent, content_type: str) -> bytes:
    if "data_base64" in event:
        return base64.b64decode(event["data_base64"])
    data = event.get("data")
    if isinstance(data, str) and not is_json(content_type):
        return data.encode(errors="replace")
    return b"" if data is None else json.dumps(data).encode()


def next_traceparent(traceparent: str) -> str:
    """The same trace with a new span; a new trace where there was none (W3C Trace Context, section 3.2)."""
    match = _TRACEPARENT.fullmatch(traceparent)
    trace, flags = match.groups() if match else (os.urandom(16).hex(), "01")
    return f"00-{trace}-{os.urandom(8).hex()}-{flags}"


def trace_id(traceparent: str) -> str:
    """The trace id, empty where the header is none."""
    match = _TRACEPARENT.fullmatch(traceparent)
    return match[1] if match else ""
