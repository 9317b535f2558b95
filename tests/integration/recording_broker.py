"""A broker that only listens: it records what is sent to it and answers as it is told."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass
class RecordingBroker:
    """`accepted` are the events it said 202 to, `shown` what each POST had as Authorization.

    `refusals` maps an event type to the status it gets instead.
    """

    url: str
    accepted: list[dict[str, Any]] = field(default_factory=list)
    shown: list[str | None] = field(default_factory=list)
    refusals: dict[str, int] = field(default_factory=dict)

    def heard(self) -> list[str]:
        """The types of the accepted events, in their order."""
        return [event["type"] for event in self.accepted]

    def hear(self, event: dict[str, Any]) -> int:
        """The status for one event."""
        status = self.refusals.get(event["type"], 202)
        if status == 202:
            self.accepted.append(event)
        return status


@contextmanager
def recording_broker() -> Iterator[RecordingBroker]:
    """Runs one on a free port of 127.0.0.1."""

    class Ingress(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            broker.shown.append(self.headers["Authorization"])
            self.send_response(broker.hear(json.loads(body)))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is BaseHTTPRequestHandler's
            """Tests have their own words."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Ingress) as server:
        broker = RecordingBroker(f"http://127.0.0.1:{server.server_port}/airline/airline")
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield broker
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def nobody_listens() -> Iterator[str]:
    """An ingress URL that refuses connections; its port stays ours, so nobody else can open it meanwhile."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{closed.getsockname()[1]}/airline/airline"
