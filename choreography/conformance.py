"""What a broker would refuse in a CloudEvent that can be read, so that its sender learns of it at once.

Where an event is accepted before a broker has seen it, nothing may get in that the broker will never take. These are
the rules of CloudEvents 1.0.2 (names and types of attributes; JSON format 3.1: one of `data` and `data_base64`; HTTP
binding 3: content modes), as strict as the strictest broker.
"""

import base64
import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv6Address
from typing import Any

from flask import Request

from choreography import documents, fields, wire
from choreography.errors import Malformed, Unsupported
from choreography.wire import Envelope

_NO_EVENT = "This is not a CloudEvent"
_NAME = re.compile(r"[a-z0-9]+", re.ASCII)
# RFC 3986, appendix A; with an authority or a path after the scheme, which Java's URI asks for
_CHARACTER = r"[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2}"
_SEGMENT = f"(?:{_CHARACTER}|[:@])"
# Go, which brokers are written in, takes no encoded ASCII in the name of a host
_HOST = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[89A-Fa-f][0-9A-Fa-f])+"
_AUTHORITY = rf"(?:(?:{_CHARACTER}|:)*@)?(?:\[[0-9A-Fa-f:.]+\]|{_HOST})(?::\d*)?"
_BRACKETED = re.compile(r"\[(.*)\]")
_ROOTED = f"(?://{_AUTHORITY}(?:/{_SEGMENT}*)*|(?://)?/(?:{_SEGMENT}+(?:/{_SEGMENT}*)*)?)"
_AFTER = f"(?:\\?(?:{_SEGMENT}|[/?])*)?(?:#(?:{_SEGMENT}|[/?])*)?"
_ABSOLUTE = rf"[A-Za-z][A-Za-z0-9+.\-]*:(?:{_ROOTED}|{_SEGMENT}+(?:/{_SEGMENT}*)*)"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:", re.ASCII)
_RELATIVE = f"(?:{_ROOTED}|(?:{_CHARACTER}|@)+(?:/{_SEGMENT}*)*)?"
_URI_REFERENCE = re.compile(f"(?:{_ABSOLUTE}|{_RELATIVE}){_AFTER}", re.ASCII)


def read(request: Request, body: bytes) -> Envelope:
    """The CloudEvent of a request, to the letter of the specification. Raises Unsupported and Malformed.

    Its data must be JSON. A whole event may also come as application/json.
    """
    headers = [name.lower() for name, _ in request.headers if name.lower().startswith("ce-")]
    structured = _is_structured(request, binary=bool(headers))
    if structured:
        _check_document(documents.read(body, f"{_NO_EVENT}: the body"))
    envelope = wire.read(request.headers, body)
    if not structured:
        _check_names(name.removeprefix("ce-") for name in headers)
        if body:
            documents.read(body, f"The data of this {envelope.type}")
    _check(envelope.attributes)
    return envelope


def is_uri_reference(text: str) -> bool:
    """Whether every broker takes it as a source: a URI or a relative reference (RFC 3986, section 4.1), not empty."""
    return bool(text) and _URI_REFERENCE.fullmatch(text) is not None and _is_address(_BRACKETED.search(text))


def _is_uri(text: str) -> bool:
    return is_uri_reference(text) and _SCHEME.match(text) is not None


def _is_address(host: re.Match[str] | None) -> bool:
    try:
        return host is None or bool(IPv6Address(host[1]))
    except ValueError:
        return False


def _is_structured(request: Request, binary: bool) -> bool:
    media, charset = request.mimetype, request.mimetype_params.get("charset", "utf-8").lower()
    if charset not in ("utf-8", "utf8", "us-ascii"):
        raise Unsupported(f"An event must be sent as UTF-8, not as {charset}.")
    if media == wire.CLOUD_EVENT_JSON:
        return True
    if media.startswith("application/cloudevents"):
        raise Unsupported(f"{media} is not supported: send one event, as {wire.CLOUD_EVENT_JSON} or in binary mode.")
    if not (_is_json(media) or (binary and not media)):
        wanted = f"The data must be sent as {wire.JSON}" if binary else f"Send one event as {wire.CLOUD_EVENT_JSON}"
        raise Unsupported(f"{wanted}, not as {media or 'something without a media type'}.")
    return not binary


def _is_json(media: str) -> bool:
    return media in (wire.JSON, "text/json") or media.endswith("+json")


def _check_document(document: Any) -> None:
    # before the SDK reads it, whose errors speak of its own code
    if not isinstance(document, dict):
        raise _wrong("the body must be one JSON object")
    if document.get("specversion") != "1.0":
        raise _wrong('specversion must be the text "1.0"')
    if document.keys() >= {"data", "data_base64"}:
        raise _wrong("data and data_base64 exclude each other")
    if "data_base64" in document and not _is_base64(document["data_base64"]):
        raise _wrong("data_base64 must be text in base64 (RFC 4648, section 4)")
    _check_names(document.keys() - {"data", "data_base64"})
    for name in ("id", "source", "type"):
        if not isinstance(document.get(name), str) or not document[name]:
            raise _wrong(f"{name} must be a non-empty string")


def _is_base64(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(base64.b64decode(value, validate=True))
    except ValueError:
        return False


def _check_names(names: Iterable[str]) -> None:
    for name in names:
        if not _NAME.fullmatch(name) or name == "data":
            raise _wrong(f"{name[:40]!r} is not the name of an attribute, which has only a to z and 0 to 9")


def _check(attributes: Mapping[str, Any]) -> None:
    if "time" in attributes and not _is_timestamp(attributes["time"]):
        raise _wrong("time must be an RFC 3339 timestamp such as 2025-12-25T08:00:00Z")
    if "dataschema" in attributes and not _is_uri(str(attributes["dataschema"])):
        raise _wrong("dataschema must be an absolute URI, which begins with a scheme such as https:")
    if "subject" in attributes and not attributes["subject"]:
        raise _wrong("subject must not be empty; leave it out")
    media = str(attributes.get("datacontenttype", wire.JSON)).partition(";")[0].strip().lower()
    if not _is_json(media):
        raise Unsupported(f"The data of an event must be JSON, and datacontenttype says {media[:100] or 'nothing'}.")


def _is_timestamp(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(fields.instant(value))
    except ValueError:
        return False


def _wrong(what: str) -> Malformed:
    return Malformed(f"{_NO_EVENT}: {what}.")
