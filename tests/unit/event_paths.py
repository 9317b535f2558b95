"""The ways of an event through functions and brokers: an event goes in, what is read at its end comes out."""

import json
from collections.abc import Callable

from broker.embedded import event as embedded
from choreography import wire
from choreography.wire import CloudEvent

Hop = Callable[[CloudEvent], CloudEvent]


def _read(headers: dict[str, str], body: bytes) -> CloudEvent:
    as_wsgi = {name: value.encode().decode("latin-1") for name, value in headers.items()}
    return dict(wire.read(as_wsgi, body).attributes)


def said_and_read(event: CloudEvent) -> CloudEvent:
    """A function says it, a function hears it, or a dead letter is replayed."""
    return _read(*wire.message(event))


def through_the_embedded_broker(event: CloudEvent) -> CloudEvent:
    """A function says it, the laptop's broker delivers it."""
    headers, body = wire.message(event)
    return _delivered(embedded.parse(headers.items(), body))


def structured_through_the_embedded_broker(event: CloudEvent) -> CloudEvent:
    """Somebody else says it in structured mode."""
    return _delivered(embedded.parse([("content-type", wire.CLOUD_EVENT_JSON)], wire.pack(event)))


def through_two_embedded_brokers(event: CloudEvent) -> CloudEvent:
    """What one broker delivers is put into another one."""
    headers, body = wire.message(event)
    lines = _head(embedded.parse(headers.items(), body))
    return _delivered(embedded.parse(lines.items(), b""))


def through_kafka(event: CloudEvent) -> CloudEvent:
    """Knative's Kafka broker passes headers on, and writes the attributes of a structured event unencoded into headers.

    Characters beyond Latin-1 become a question mark there, which is why our functions do not use that mode for them.
    """
    headers, body = wire.message(event)
    if "Content-Type" in headers:
        attributes = json.loads(body)
        headers = {
            f"ce-{name}": text.encode("latin-1", "replace").decode("latin-1") for name, text in attributes.items()
        }
    return dict(wire.read(headers, b"").attributes)


def _delivered(event: embedded.Event) -> CloudEvent:
    return _read(_head(event), event.data or b"")


def _head(event: embedded.Event) -> dict[str, str]:
    lines = embedded.binary_head(event).decode("ascii").split("\r\n")[:-1]
    return {name: value for name, _, value in (line.partition(": ") for line in lines)}


HOPS: list[Hop] = [
    said_and_read,
    through_the_embedded_broker,
    structured_through_the_embedded_broker,
    through_two_embedded_brokers,
    through_kafka,
]
