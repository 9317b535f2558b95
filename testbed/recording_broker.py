"""A broker that only records what is sent to it, and answers as configured."""

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from choreography import wire
from choreography.wire import CLOUD_EVENT_JSON
from testbed.listening import Quiet, listening


@dataclass
class RecordingBroker:
    """`accepted` are the events it answered with 202, `shown` the Authorization of each POST.

    `refusals` maps an event type to the status it gets instead; `refuses_all` is what every event gets.
    """

    url: str
    accepted: list[dict[str, Any]] = field(default_factory=list)
    shown: list[str | None] = field(default_factory=list)
    refusals: dict[str, int] = field(default_factory=dict)
    refuses_all: int | None = None

    def heard(self) -> list[str]:
        """The types of the accepted events, in their order."""
        return [event["type"] for event in self.accepted]

    def hear(self, event: dict[str, Any]) -> int:
        """The status for one event."""
        status = self.refuses_all or self.refusals.get(event["type"], 202)
        if status == 202:
            self.accepted.append(event)
        return status


def as_document(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """The event of a request in the JSON format, whichever mode it came in."""
    if headers.get("Content-Type") == CLOUD_EVENT_JSON:
        return dict(json.loads(body))
    found = wire.read(headers, body)
    return {**found.attributes, "data": found.data} if found.data is not None else {**found.attributes}


@contextmanager
def recording_broker() -> Iterator[RecordingBroker]:
    """Runs one on a free port of 127.0.0.1."""

    class Ingress(Quiet, BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            broker.shown.append(self.headers["Authorization"])
            self.send_response(broker.hear(as_document(dict(self.headers), body)))
            self.send_header("Content-Length", "0")
            self.end_headers()

    with listening(Ingress) as url:
        broker = RecordingBroker(f"{url}/airline/airline")
        yield broker


@contextmanager
def nobody_listens() -> Iterator[str]:
    """An ingress URL that refuses connections; its port stays reserved, so nobody else can open it meanwhile."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{closed.getsockname()[1]}/airline/airline"
