"""Every answer that passes the gateway is ours in form, also where the servers behind it refuse by themselves."""

import http.client
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from testbed.airline_under_test import AirlineUnderTest
from testbed.running_system import ROOT, RunningSystem, running_system

DOCUMENTS = {
    "reserve": "reserve/reservations",
    "reserve-commands": "reserve/commands",
    "flight-seats": "flight-seats/flights",
    "payment": "payment/payments",
    "dashboard": "dashboard-projector/dashboard",
    "dead-letters": "dead-letters/letters",
}
OUTBOXES = {"reserve": "/outbox/reserve", "payment": "/outbox/payment"}
"""Where the gateway has what each function has at /outbox."""


def documented() -> list[tuple[str, str]]:
    """Method and path of everything in the OpenAPI documents that is behind the gateway; names filled in at random."""
    found = set()
    for service, file in DOCUMENTS.items():
        paths = json.loads((ROOT / "functions" / f"{file}.openapi.json").read_text())["paths"]
        for path, verbs in paths.items():
            if path not in {"/", "/healthz"}:
                there = {"/outbox": OUTBOXES.get(service, ""), "/openapi.json": f"/openapi/{service}.json"}
                filled = re.sub(r"\{\w+\}", "999999", there.get(path, path))
                found |= {(verb.upper(), filled) for verb in verbs if verb != "parameters"}
    return sorted(found)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    with running_system(tmp_path_factory.mktemp("a folder with blanks")) as running:
        yield running


def sent(system: RunningSystem, request: bytes) -> tuple[int, str, bytes]:
    """Status, content type and body of the answer."""
    port = urlsplit(system.gateway).port or 0
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(request)
        answer = http.client.HTTPResponse(connection, method=request.split()[0].decode())
        answer.begin()
        return answer.status, answer.headers["content-type"] or "", answer.read()


def asked(line: str, *headers: str, body: bytes = b"", host: str = "localhost") -> bytes:
    lines = [f"{line} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


ORDER = b'{"customerId": 1, "flightId": 999999, "seatQty": 1}'
LENGTH = f"Content-Length: {len(ORDER)}"
JSON = "Content-Type: application/json"
REFUSED = {
    "120 headers": asked("GET /flights", *(f"X-{number}: y" for number in range(120))),
    "a header of 70,000 bytes": asked("GET /flights", "X: " + "y" * 70_000),
    "a header of 100 KB": asked("GET /reservations", "X: " + "y" * 100_000),
    "95 headers, more than its server takes with those of the gateway": asked(
        "GET /flights", *(f"X-{number}: y" for number in range(95))
    ),
    "a query that is not percent-encoded": asked("GET /flights?sort=가격"),
    "a path with a line break": asked("GET /flights/1%0a"),
    "a path with NUL": asked("GET /reservations/%00"),
    "an address of 100 KB": asked("GET /flights?" + "a" * 100_000),
    "two content types": asked("POST /reservations", JSON, JSON, LENGTH, body=ORDER),
    "a form": asked("POST /customerInfos/rebuild", "Content-Type: text/plain", "Content-Length: 0"),
    "no host in HTTP/1.0": b"GET /flights HTTP/1.0\r\n\r\n",
    "a host that is not ours": asked("GET /flights", host="evil.example"),
    "nothing there": asked("GET /nowhere"),
    "an unknown method": asked("BREW /flights"),
    "an unknown method, without a path": asked("BREW /"),
}
TAKEN = {
    "a cookie of 8,250 bytes": asked("GET /flights", "Cookie: a=" + "b" * 8250),
    "50 cookies": asked("GET /flights", *["Cookie: a=" + "b" * 250] * 50),
    "80 headers": asked("GET /flights", *(f"X-{number}: y" for number in range(80))),
    "an upgrade to another protocol": asked("GET /flights", "Upgrade: websocket").replace(b": close", b": Upgrade"),
    "an upgrade to HTTP/2": asked("GET /flights", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"),
    "a range": asked("GET /flights", "Range: items=1-2"),
    "HTTP/1.0 with a host": b"GET /flights HTTP/1.0\r\nHost: localhost\r\n\r\n",
}


@pytest.mark.parametrize("request_", REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_refused_with_a_problem(system: RunningSystem, request_: bytes) -> None:
    status, content_type, body = sent(system, request_)

    assert content_type == "application/problem+json", (status, body[:200])
    assert 400 <= status < 500
    assert json.loads(body)["status"] == status
    assert json.loads(body)["detail"]


@pytest.mark.parametrize("request_", TAKEN.values(), ids=TAKEN)
def test_what_has_no_meaning_here_is_passed_over(system: RunningSystem, request_: bytes) -> None:
    status, content_type, _ = sent(system, request_)
    assert (status, content_type) == (200, "application/hal+json")


def test_a_page_is_sent_whole_whatever_range_of_it_is_asked_for(system: RunningSystem) -> None:
    status, content_type, _ = sent(system, asked("GET /", "Range: bytes=999999-"))
    assert (status, content_type) == (200, "text/html; charset=utf-8")


@pytest.mark.parametrize(("method", "path"), documented())
def test_a_slash_at_the_end_makes_no_difference(system: RunningSystem, method: str, path: str) -> None:
    plain, slashed = (
        requests.request(method, f"{system.gateway}{address}?size=1", timeout=60) for address in (path, f"{path}/")
    )
    assert (plain.status_code, plain.headers["content-type"]) == (slashed.status_code, slashed.headers["content-type"])
    assert plain.json().keys() == slashed.json().keys()
    # a missing resource is a different 404 from a missing path
    assert plain.json().get("detail") == slashed.json().get("detail")


def test_httpie_and_curl_rebuild_without_a_body(system: RunningSystem) -> None:
    url = f"{system.gateway}/customerInfos/rebuild"
    by_httpie = [str(Path(sys.executable).with_name("http")), "--ignore-stdin", "--check-status", "POST", url]
    by_curl = ["curl", "--fail", "--silent", "-X", "POST", url]
    for command in (by_httpie, by_curl):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "repaired" in done.stdout, done.stderr


def test_a_page_elsewhere_changes_nothing_through_any_port_of_a_laptop(system: RunningSystem) -> None:
    airline = AirlineUnderTest(system.gateway)
    flight = airline.add_flight(1)
    strangers = [{"Origin": "http://localhost:3000"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
    for url in (system.gateway, system.url("flight-seats")):
        for headers in strangers:
            assert requests.delete(f"{url}/flights/{flight}", headers=headers, timeout=60).status_code == 403
    assert airline.get(f"/flights/{flight}")["remainingSeatsCount"] == 1


def test_the_airlines_own_page_may_write_by_both_names_of_this_machine(system: RunningSystem) -> None:
    port = urlsplit(system.gateway).port
    for name, page in (("127.0.0.1", "localhost"), ("localhost", "127.0.0.1"), ("localhost", "localhost")):
        headers = {"Origin": f"http://{page}:{port}", "Host": f"{name}:{port}"}
        answer = requests.post(f"{system.gateway}/customerInfos/rebuild", headers=headers, timeout=60)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == headers["Origin"]
