"""A Kubernetes API with lists and a watch of pods, over HTTP on 127.0.0.1."""

import json
import queue
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from choreography.settings import Cluster
from testbed.listening import serving

Thing = dict[str, Any]
PODS = "/api/v1/namespaces/airline/pods"
SERVICES = "/apis/serving.knative.dev/v1/namespaces/airline/services"
TRIGGERS = "/apis/eventing.knative.dev/v1/namespaces/airline/triggers"
CREATED = "2026-11-28T12:00:00Z"


@dataclass
class FakeKubernetes:
    """What it has, and what it was asked. `changes` are sent to whoever watches; None ends a watch."""

    cluster: Cluster
    things: dict[str, list[Thing]]
    status: int = 200
    changes: "queue.Queue[Thing | None]" = field(default_factory=queue.Queue)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def lists(self) -> int:
        """How often everything was asked for."""
        return sum(path == SERVICES for path, _ in self.asked)

    def becomes(self, kind: str, pod: Thing) -> None:
        """Lets whoever watches know, and lists it from now on."""
        kept = [one for one in self.things[PODS] if one["metadata"]["uid"] != pod["metadata"]["uid"]]
        self.things[PODS] = kept if kind == "DELETED" else [*kept, pod]
        self.changes.put({"type": kind, "object": pod})


@contextmanager
def fake_kubernetes(folder: Path) -> Iterator[FakeKubernetes]:
    """Answers until the end; the ServiceAccount is in `folder`."""
    (folder / "token").write_text("secret\n")
    (folder / "namespace").write_text("airline")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    fake = FakeKubernetes(
        Cluster(f"http://127.0.0.1:{server.server_port}", folder), {PODS: [], SERVICES: [], TRIGGERS: []}
    )
    server.fake = fake  # type: ignore[attr-defined]
    with serving(server):
        try:
            yield fake
        finally:
            fake.changes.put(None)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        fake: FakeKubernetes = self.server.fake  # type: ignore[attr-defined]
        address = urlsplit(self.path)
        query = parse_qs(address.query)
        fake.asked.append((address.path, self.headers.get("Authorization", "")))
        if fake.status != 200:
            self._send(json.dumps({"kind": "Status", "code": fake.status}).encode(), fake.status)
        elif "watch" in query:
            assert query["resourceVersion"] == ["7"]
            self._watch(fake)
        else:
            items = fake.things[address.path]
            self._send(json.dumps({"items": items, "metadata": {"resourceVersion": "7"}}).encode())

    def _watch(self, fake: FakeKubernetes) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with suppress(BrokenPipeError, ConnectionResetError):  # who watched has gone
            while change := fake.changes.get():
                line = json.dumps(change).encode() + b"\n"
                self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            self.wfile.write(b"0\r\n\r\n")

    def _send(self, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Says nothing."""


def service(name: str, folder: str, least: str = "0") -> Thing:
    container = {"image": f"registry.example:5000/airline/{folder}:7@sha256:{'0' * 64}"}
    target = {"env": [{"name": "FUNCTION_TARGET", "value": name.replace("-", "_")}]} if name != "gateway" else {}
    annotations = {"autoscaling.knative.dev/min-scale": least}
    template = {"metadata": {"annotations": annotations}, "spec": {"containers": [container | target]}}
    return {"metadata": {"name": name, "namespace": "airline"}, "spec": {"template": template}}


def trigger(name: str, subscriber: str, **spec: Any) -> Thing:
    reference = {"ref": {"kind": "Service", "name": subscriber}}
    return {
        "metadata": {"name": name, "namespace": "airline"},
        "spec": {"broker": "airline", "subscriber": reference, **spec},
    }


def pod(of: str, uid: str = "", ready: str = "", *, ending: bool = False) -> Thing:
    """`ready`: since when it is."""
    condition = {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": ready or CREATED}
    about: Thing = {"name": f"{of}-{uid}", "uid": uid or of, "creationTimestamp": CREATED}
    about |= {"labels": {"serving.knative.dev/service": of}} | ({"deletionTimestamp": CREATED} if ending else {})
    return {"metadata": about, "status": {"phase": "Running", "conditions": [condition]}}
