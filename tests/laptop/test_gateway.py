"""The gateway: real Caddy with the real Caddyfile, in front of a stub that tells what it was asked."""

import json
import os
import socket
import subprocess
import sysconfig
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.system import ROOT, eventually

SERVICES = ("RESERVE", "RESERVE_COMMANDS", "FLIGHT_SEATS", "PAYMENT", "DASHBOARD", "DEAD_LETTERS", "BROKER")
MEBIBYTE = 1024 * 1024
CADDY = str(Path(sysconfig.get_path("scripts")) / "caddy")


class Stub(BaseHTTPRequestHandler):
    """Answers every call with what it got; `?drop` hangs up without an answer."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        chunked = "transfer-encoding" in self.headers
        body = self.rfile.read(None if chunked else int(self.headers.get("content-length") or 0))
        if chunked or "drop" in self.path:  # chunked is what the gateway gave up in the middle
            self.close_connection = True
            return
        heard = {
            "service": self.connection.getsockname()[1],
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "size": len(body),
        }
        content = json.dumps(heard).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.send_header("location", "/somewhere")
        self.send_header("access-control-allow-origin", "https://evil.example")
        self.send_header("access-control-allow-credentials", "true")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):  # the base class looks for do_GET, do_POST, ...
            return self.answer
        raise AttributeError(name)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Says nothing."""


class Gateway:
    """The address of the gateway and of the stub behind each route."""

    def __init__(self, url: str, stubs: dict[str, ThreadingHTTPServer], log: Path) -> None:
        self.url, self.log = url, log
        self.ports = {name: stub.server_port for name, stub in stubs.items()}

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        return requests.request(method, self.url + path, timeout=30, allow_redirects=False, **options)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    stubs = {name: ThreadingHTTPServer(("127.0.0.1", 0), Stub) for name in SERVICES if name != "PAYMENT"}
    for stub in stubs.values():
        threading.Thread(target=stub.serve_forever, daemon=True).start()
    # Nobody listens for payments: bound, not listening, so that the port stays ours and refuses.
    with socket.socket() as refusing:
        refusing.bind(("127.0.0.1", 0))
        ports = {name: stub.server_port for name, stub in stubs.items()} | {"PAYMENT": refusing.getsockname()[1]}
        with caddy(folder, ports) as url:
            yield Gateway(url, stubs, folder / "log")
    for stub in stubs.values():
        stub.shutdown()
        stub.server_close()


@contextmanager
def caddy(folder: Path, ports: dict[str, int]) -> Iterator[str]:
    """The gateway's URL; `ports` of its services by name."""
    with socket.socket() as free, (folder / "log").open("wb") as log:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        environment = {f"{name}_URL": f"http://127.0.0.1:{number}" for name, number in ports.items()}
        process = subprocess.Popen(
            [CADDY, "run", "--config", str(ROOT / "gateway" / "Caddyfile"), "--adapter", "caddyfile"],
            env={
                **os.environ,
                **environment,
                "PORT": str(port),
                "LISTEN": "127.0.0.1",
                "WEB_ROOT": str(ROOT / "gateway" / "web"),
                "XDG_DATA_HOME": str(folder),
                "XDG_CONFIG_HOME": str(folder),
            },
            stdout=log,
            stderr=log,
        )
        try:
            eventually(lambda: b"serving initial configuration" in (folder / "log").read_bytes(), "Caddy serves")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)


ROUTES = [
    ("/reservations", "RESERVE", "/reservations"),
    ("/reservations/4F7K", "RESERVE", "/reservations/4F7K"),
    ("/reservations/4F7K/events", "DASHBOARD", "/reservations/4F7K/events"),
    ("/reservations?page=0&size=1", "RESERVE", "/reservations?page=0&size=1"),
    ("/events", "RESERVE_COMMANDS", "/events"),
    ("/flights/1", "FLIGHT_SEATS", "/flights/1"),
    ("/customerInfos/1", "DASHBOARD", "/customerInfos/1"),
    ("/customerInfos/rebuild?dryRun=true", "DASHBOARD", "/customerInfos/rebuild?dryRun=true"),
    ("/holds?status=HELD", "FLIGHT_SEATS", "/holds?status=HELD"),
    ("/promotions", "FLIGHT_SEATS", "/promotions"),
    ("/outbox/reserve", "RESERVE", "/outbox"),
    ("/dead-letters", "DEAD_LETTERS", "/dead-letters"),
    ("/deliveries?correlationid=4F7K", "BROKER", "/-/deliveries?correlationid=4F7K"),
    ("/openapi/reserve.json", "RESERVE", "/openapi.json"),
    ("/openapi/reserve-commands.json", "RESERVE_COMMANDS", "/openapi.json"),
    ("/openapi/flight-seats.json", "FLIGHT_SEATS", "/openapi.json"),
    ("/openapi/dashboard.json", "DASHBOARD", "/openapi.json"),
    ("/openapi/dead-letters.json", "DEAD_LETTERS", "/openapi.json"),
]


@pytest.mark.parametrize(("path", "service", "upstream"), ROUTES)
def test_a_path_leads_to_its_function(gateway: Gateway, path: str, service: str, upstream: str) -> None:
    heard = gateway.call("GET", path).json()
    assert (heard["service"], heard["path"]) == (gateway.ports[service], upstream)


def test_a_broker_that_tells_nothing_of_its_deliveries_is_said_to_be_one(tmp_path: Path) -> None:
    with caddy(tmp_path, dict.fromkeys(SERVICES[:-1], 9)) as url:
        answer = requests.get(f"{url}/deliveries?correlationid=4F7K", timeout=30)
    assert (answer.status_code, answer.json()["detail"]) == (404, "this broker does not tell its deliveries")


def test_a_function_learns_the_address_that_the_client_used_and_cannot_be_lied_to(gateway: Gateway) -> None:
    lies = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "X-Forwarded-For": "1.2.3.4"}
    headers = gateway.call("GET", "/flights", headers={**lies, "Forwarded": "host=evil.example"}).json()["headers"]
    assert headers["host"] == f"127.0.0.1:{gateway.ports['FLIGHT_SEATS']}"
    assert headers["x-forwarded-host"] == gateway.url.removeprefix("http://")
    assert headers["x-forwarded-proto"] == "http"
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert "forwarded" not in headers


def test_no_connection_to_a_function_is_used_twice(gateway: Gateway) -> None:
    assert gateway.call("GET", "/flights").json()["headers"]["connection"] == "close"


@pytest.mark.parametrize(
    "path",
    [
        "/nope",
        "/flightsx",
        "/flights/../healthz/x",
        "/openapi/other.json",
        "/.env",
        "/web/../Caddyfile",
        "/outbox",
        "/outbox/dashboard",
    ],
)
def test_an_unknown_path_is_a_404_problem(gateway: Gateway, path: str) -> None:
    prepared = requests.Request("GET", gateway.url).prepare()
    prepared.url = gateway.url + path  # as it stands: requests would clean it
    with requests.Session() as session:
        answer = session.send(prepared, timeout=30)
    assert_problem(answer, 404)


@pytest.mark.parametrize("path", ["/healthz", "/reservations/../healthz", "/flights/%2e%2e/healthz"])
def test_healthz_is_the_gateways_own(gateway: Gateway, path: str) -> None:
    prepared = requests.Request("GET", gateway.url).prepare()
    prepared.url = gateway.url + path
    with requests.Session() as session:
        assert session.send(prepared, timeout=30).status_code == 204


@pytest.mark.parametrize("path", ["/payments", "/ledger", "/outbox/payment"])
def test_a_function_that_cannot_be_reached_is_a_502_problem(gateway: Gateway, path: str) -> None:
    assert_problem(gateway.call("GET", path), 502)


def test_a_function_that_hangs_up_is_a_502_problem(gateway: Gateway) -> None:
    assert_problem(gateway.call("POST", "/flights?drop", data=b"{}"), 502)


def test_a_body_of_a_mebibyte_passes(gateway: Gateway) -> None:
    assert gateway.call("POST", "/flights", data=b"x" * MEBIBYTE).json()["size"] == MEBIBYTE


def test_a_larger_body_is_a_413_problem_with_and_without_a_declared_length(gateway: Gateway) -> None:
    body = b"x" * (MEBIBYTE + 1)
    assert_problem(gateway.call("POST", "/flights", data=body), 413)
    assert_problem(gateway.call("POST", "/flights", data=iter([body[:MEBIBYTE], body[MEBIBYTE:]])), 413)


def test_a_preflight_is_answered_by_the_gateway(gateway: Gateway) -> None:
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "PATCH"}
    answer = gateway.call("OPTIONS", "/reservations/1", headers=asked)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-methods"] == "GET, POST, PATCH, DELETE"
    allowed = answer.headers["access-control-allow-headers"].split(", ")
    assert {"content-type", "idempotency-key", "ce-id", "ce-source", "ce-type", "ce-specversion"} <= set(allowed)
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("path", ["/reservations", "/payments"])
def test_any_origin_may_read_an_answer_but_never_with_credentials(gateway: Gateway, path: str) -> None:
    answer = gateway.call("GET", path, headers={"Origin": "https://shop.example"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "location" in answer.headers["access-control-expose-headers"].lower()
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("path", ["/", "/flights", "/nope", "/payments", "/dead-letters"])
def test_every_answer_carries_the_security_headers(gateway: Gateway, path: str) -> None:
    headers = gateway.call("GET", path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "Caddy" not in headers.get("server", "")


def test_the_start_page_and_its_style_are_served(gateway: Gateway) -> None:
    page = gateway.call("GET", "/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert gateway.call("GET", "/start.css").headers["content-type"].startswith("text/css")


@pytest.mark.parametrize(
    "body", [b"zz\r\n", b"3\r\nabcXX\r\n", b"f" * 20_000, b"3\nabc\n", b"\r\n", b"0\r\nnone\r\n\r\n"]
)
def test_a_body_in_chunks_that_are_none_is_the_senders_fault(gateway: Gateway, body: bytes) -> None:
    with socket.create_connection(("127.0.0.1", urlsplit(gateway.url).port or 0), timeout=10) as connection:
        connection.sendall(b"POST /events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
        assert connection.recv(64).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("path", ["/dead-letters/1/replay", "/dead-letters/replay", "/dead-letters/1/discard"])
def test_dead_letters_can_be_decided_on(gateway: Gateway, path: str) -> None:
    heard = gateway.call("POST", path, json={}).json()
    assert (heard["service"], heard["method"], heard["path"]) == (gateway.ports["DEAD_LETTERS"], "POST", path)


@pytest.mark.parametrize("method", ["POST", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/dead-letters", "/dead-letters/1", "/dead-letters/1/2/replay"])
def test_nothing_else_can_be_written_to_dead_letters(gateway: Gateway, method: str, path: str) -> None:
    answer = gateway.call(method, path)
    assert_problem(answer, 405)
    assert answer.headers["allow"] == "GET, HEAD"


def test_every_call_is_in_the_access_log_as_json(gateway: Gateway) -> None:
    gateway.call("GET", "/flights?seen=1")

    def logged() -> bool:
        lines = [json.loads(line) for line in gateway.log.read_text("utf-8").splitlines()]
        return any(line.get("request", {}).get("uri") == "/flights?seen=1" for line in lines)

    eventually(logged, "the call is logged")


def assert_problem(answer: requests.Response, status: int) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
