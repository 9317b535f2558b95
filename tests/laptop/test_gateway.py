"""The gateway: real Caddy with the real Caddyfile, in front of a stub that answers with what it was asked."""

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from images import layout
from testbed.listening import serving
from testbed.ports import free_port
from testbed.running_system import ROOT, eventually

SERVICES = ("RESERVE", "RESERVE_COMMANDS", "FLIGHT_SEATS", "PAYMENT", "DASHBOARD", "DEAD_LETTERS", "BROKER")
MEBIBYTE = 1024 * 1024
JSON = {"Content-Type": "application/json"}
HOSTS = "localhost 127.0.0.1 airline.example"
FRIEND = "https://shop.example"
ORIGINS = f"http://localhost:3000 {FRIEND}"
CADDY = str(Path(sysconfig.get_path("scripts")) / "caddy")


class Stub(BaseHTTPRequestHandler):
    """Answers every call with what it got; `?drop` hangs up without an answer, `?status=431` refuses in HTML."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        chunked = "transfer-encoding" in self.headers
        body = self.rfile.read(None if chunked else int(self.headers.get("content-length") or 0))
        if chunked or "drop" in self.path:  # chunked is what the gateway gave up in the middle
            self.close_connection = True
            return
        if refused := re.search(r"status=(\d+)(&problem)?", self.path):
            self.refuse(int(refused[1]), "application/problem+json" if refused[2] else "text/html")
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

    def refuse(self, status: int, content_type: str) -> None:
        content = b'{"detail": "of the function"}' if "json" in content_type else b"<h1>No</h1>"
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
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

    def send(self, request: bytes) -> tuple[int, str, bytes]:
        """Status, content type and body of the answer to bytes that no client would write."""
        with socket.create_connection(("127.0.0.1", urlsplit(self.url).port or 0), timeout=10) as connection:
            connection.sendall(request)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            return answer.status, answer.headers["content-type"] or "", answer.read()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    stubs = {name: ThreadingHTTPServer(("127.0.0.1", 0), Stub) for name in SERVICES if name != "PAYMENT"}
    # Nothing listens for payments: the port is bound but not listening, so it stays ours and refuses.
    with ExitStack() as open_stubs, socket.socket() as refusing:
        for stub in stubs.values():
            open_stubs.enter_context(serving(stub))
        refusing.bind(("127.0.0.1", 0))
        ports = {name: stub.server_port for name, stub in stubs.items()} | {"PAYMENT": refusing.getsockname()[1]}
        with caddy(folder, ports, ALLOWED_HOSTS=HOSTS, ALLOWED_ORIGINS=ORIGINS) as url:
            yield Gateway(url, stubs, folder / "log")


@contextmanager
def caddy(folder: Path, ports: dict[str, int], **settings: str) -> Iterator[str]:
    """The gateway's URL; `ports` of its services by name."""
    port = free_port()
    with (folder / "log").open("wb") as log:
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
                **settings,
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
    ("/kept?after=7&limit=1", "BROKER", "/-/kept?after=7&limit=1"),
    ("/kept/8/replay", "BROKER", "/-/kept/8/replay"),
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


def documented() -> Iterator[tuple[str, str, str, str]]:
    """Service, method, path and the function's own path, of everything that the page at /docs offers to try out."""
    for file in sorted((ROOT / "gateway" / "web" / "contracts" / "openapi").glob("*.json")):
        for path, verbs in json.loads(file.read_text("utf-8"))["paths"].items():
            filled = re.sub(r"\{\w+\}", "7", path)
            own = re.sub(
                r"^/(outbox)/.*|^/(openapi)/.*", lambda found: f"/{found[1]}" if found[1] else "/openapi.json", filled
            )
            yield from ((file.stem.upper().replace("-", "_"), verb.upper(), filled, own) for verb in verbs)


@pytest.mark.parametrize(("service", "method", "path", "own"), [*documented()])
def test_everything_that_the_api_page_offers_leads_to_the_function_that_describes_it(
    gateway: Gateway, service: str, method: str, path: str, own: str
) -> None:
    answer = gateway.call(method, path)

    if service == "PAYMENT":  # nobody listens
        assert answer.status_code == 502
    else:
        assert (answer.json()["service"], answer.json()["path"]) == (gateway.ports[service], own)


def test_a_broker_that_does_not_report_its_deliveries_is_answered_as_such(tmp_path: Path) -> None:
    with caddy(tmp_path, dict.fromkeys(SERVICES[:-1], 9)) as url:
        answer = requests.get(f"{url}/deliveries?correlationid=4F7K", timeout=30)
        kept = requests.get(f"{url}/kept", timeout=30)
    assert (answer.status_code, answer.json()["detail"]) == (404, "this broker does not report its deliveries")
    assert (kept.status_code, kept.json()["detail"][:26]) == (404, "this broker keeps no event")


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
    prepared.url = gateway.url + path  # unchanged: requests would clean it
    with requests.Session() as session:
        answer = session.send(prepared, timeout=30)
    assert_problem(answer, 404)


ITS_OWN = ["/healthz", "/identity", "/", "/live", "/ops/sagas", "/trips/7Q2M9XW4TBCK", "/page.css"]


@pytest.mark.parametrize("path", ITS_OWN)
@pytest.mark.parametrize("method", ["POST", "DELETE", "TRACE"])
def test_what_the_gateway_answers_itself_can_only_be_read(gateway: Gateway, method: str, path: str) -> None:
    answer = gateway.call(method, path, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.headers["allow"], answer.json()["status"]) == (405, "GET, HEAD, OPTIONS", 405)


@pytest.mark.parametrize("path", ["/", "/live", "/page.css"])
def test_a_client_may_ask_what_can_be_done_with_a_page(gateway: Gateway, path: str) -> None:
    answer = gateway.call("OPTIONS", path)
    assert (answer.status_code, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS")


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
    assert_problem(gateway.call("POST", "/flights?drop", json={}), 502)


def test_a_body_of_a_mebibyte_passes(gateway: Gateway) -> None:
    assert gateway.call("POST", "/flights", data=b"x" * MEBIBYTE, headers=JSON).json()["size"] == MEBIBYTE


def test_a_larger_body_is_a_413_problem_with_and_without_a_declared_length(gateway: Gateway) -> None:
    body = b"x" * (MEBIBYTE + 1)
    assert_problem(gateway.call("POST", "/flights", data=body, headers=JSON), 413)
    assert_problem(gateway.call("POST", "/flights", data=iter([body[:MEBIBYTE], body[MEBIBYTE:]]), headers=JSON), 413)


def test_a_preflight_of_an_allowed_origin_is_answered_by_the_gateway(gateway: Gateway) -> None:
    asked = {"Origin": FRIEND, "Access-Control-Request-Method": "PATCH"}
    answer = gateway.call("OPTIONS", "/reservations/1", headers=asked)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == FRIEND
    assert answer.headers["access-control-allow-methods"] == "GET, POST, PATCH, DELETE"
    allowed = answer.headers["access-control-allow-headers"].split(", ")
    assert {"content-type", "idempotency-key", "if-match", "ce-id", "ce-source", "ce-specversion"} <= set(allowed)
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("path", ["/reservations", "/payments", "/nope", "/flights?status=431", "/"])
def test_an_allowed_origin_may_read_every_answer_but_never_with_credentials(gateway: Gateway, path: str) -> None:
    answer = gateway.call("GET", path, headers={"Origin": FRIEND})
    assert answer.headers["access-control-allow-origin"] == FRIEND
    assert "location" in answer.headers["access-control-expose-headers"].lower()
    assert "access-control-allow-credentials" not in answer.headers
    assert answer.headers["vary"] == "Origin"


def test_the_gateways_own_pages_may_write_by_whatever_name_it_is_called(gateway: Gateway) -> None:
    port = urlsplit(gateway.url).port
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", "airline.example", f"LOCALHOST:{port}"):
        for scheme in ("http", "https"):
            own = {"Host": host, "Origin": f"{scheme}://{host}", "Sec-Fetch-Site": "same-origin"}
            assert gateway.call("POST", "/flights", json={}, headers=own).status_code == 200


def test_an_allowed_origin_may_write(gateway: Gateway) -> None:
    headers = {"Origin": FRIEND, "Sec-Fetch-Site": "cross-site"}
    assert gateway.call("DELETE", "/reservations/1", headers=headers).status_code == 200


STRANGERS = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:3001"},
    {"Origin": "http://127.0.0.1"},
    {"Origin": FRIEND + ".evil.example"},
    {"Origin": FRIEND.upper()},
    {"Origin": ORIGINS},
    {"Origin": "http://localhost:3000, https://evil.example"},
]


@pytest.mark.parametrize("headers", STRANGERS, ids=lambda headers: headers["Origin"])
def test_a_page_of_another_origin_can_neither_read_nor_write_nor_ask_whether_it_may(
    gateway: Gateway, headers: dict[str, str]
) -> None:
    read = gateway.call("GET", "/reservations", headers=headers)
    asked = gateway.call("OPTIONS", "/reservations", headers=headers | {"Access-Control-Request-Method": "POST"})
    written = [
        gateway.call(method, "/reservations/1", headers=headers) for method in ("POST", "PATCH", "DELETE", "PUT")
    ]

    for answer in (read, asked, *written):
        assert not [name for name in answer.headers if name.lower().startswith("access-control-allow")]
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    for answer in (asked, *written):
        assert_problem(answer, 403)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_browser_that_names_no_page_but_says_that_it_is_another_ones_cannot_write(
    gateway: Gateway, site: str
) -> None:
    headers = {"Sec-Fetch-Site": site}
    assert_problem(gateway.call("POST", "/customerInfos/rebuild", headers=headers), 403)
    assert gateway.call("GET", "/flights", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "TEXT/PLAIN;charset=UTF-8",
        "text/plain; application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ],
)
@pytest.mark.parametrize("path", ["/customerInfos/rebuild", "/dead-letters/1/replay", "/events", "/reservations"])
@pytest.mark.parametrize("body", [b"", b"{}"])
def test_nothing_is_done_by_what_a_form_can_send(gateway: Gateway, path: str, content_type: str, body: bytes) -> None:
    assert_problem(gateway.call("POST", path, data=body, headers={"Content-Type": content_type}), 415)


def test_a_body_says_what_it_is(gateway: Gateway) -> None:
    assert_problem(gateway.call("POST", "/customerInfos/rebuild", data=b"{}"), 415)


@pytest.mark.parametrize("path", ["/customerInfos/rebuild", "/dead-letters/1/replay"])
def test_a_program_may_write_without_a_body_and_without_a_content_type(gateway: Gateway, path: str) -> None:
    assert gateway.call("POST", path).json()["method"] == "POST"  # as httpie and `curl -X POST` do


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8088", "localhost.evil.example", "[::1]", "0.0.0.0"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_name_that_leads_here_by_trickery_is_not_answered(gateway: Gateway, method: str, host: str) -> None:
    headers = {"Host": host, "Origin": f"http://{host}"}
    answer = gateway.call(method, "/reservations", headers=headers)
    assert_problem(answer, 421)


def test_a_gateway_without_a_list_answers_to_any_host(tmp_path: Path, gateway: Gateway) -> None:
    ports = {name: gateway.ports.get(name, 9) for name in SERVICES}
    for any_host in ({}, {"ALLOWED_HOSTS": "*"}):
        with caddy(tmp_path, ports, **any_host) as url:
            headers = {"Host": "gateway.airline.example.com"}
            assert requests.get(f"{url}/flights", headers=headers, timeout=30).status_code == 200
            assert requests.post(f"{url}/flights", headers={"Origin": FRIEND}, timeout=30).status_code == 403


def test_a_probe_is_answered_whatever_host_it_names(gateway: Gateway) -> None:
    assert gateway.call("GET", "/healthz", headers={"Host": "10.0.0.7:8012"}).status_code == 204
    assert gateway.send(b"GET /healthz HTTP/1.0\r\n\r\n")[0] == 204


@pytest.mark.parametrize("path", ["/", "/flights", "/nope", "/payments", "/dead-letters", "/holds?status=500"])
def test_every_answer_carries_the_security_headers(gateway: Gateway, path: str) -> None:
    headers = gateway.call("GET", path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "Caddy" not in headers.get("server", "")


def test_the_pages_may_be_in_a_folder_with_any_name(tmp_path: Path) -> None:
    for name in ("a folder", 'with "quotes"', "of {braces}", "with `ticks` and 100 %"):
        web = tmp_path / name / "web"
        shutil.copytree(ROOT / "gateway" / "web", web)
        with caddy(tmp_path, dict.fromkeys(SERVICES, 9), WEB_ROOT=str(web)) as url:
            assert requests.get(f"{url}/page.css", timeout=30).status_code == 200, name


def test_the_start_page_and_its_style_are_served(gateway: Gateway) -> None:
    page = gateway.call("GET", "/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert gateway.call("GET", "/page.css").headers["content-type"].startswith("text/css")


def test_a_person_with_a_browser_is_shown_the_page_where_there_is_no_screen(gateway: Gateway) -> None:
    lost = gateway.call("GET", "/tripz", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert (lost.status_code, lost.text) == (404, gateway.call("GET", "/").text)
    assert lost.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in lost.headers["content-security-policy"]


def test_the_page_of_an_image_is_not_sent_again_until_it_has_changed(tmp_path: Path) -> None:
    layout.gateway(CADDY, tmp_path / "image")
    web = tmp_path / "image" / "srv" / "web"
    with caddy(tmp_path, dict.fromkeys(SERVICES, 9), WEB_ROOT=str(web)) as url:

        def asked(path: str, **headers: str) -> requests.Response:
            return requests.get(url + path, headers=headers, timeout=30)

        for path in ("/", "/docs", "/page.css", "/vendor/swagger-ui.js", "/contracts/openapi/reserve.json"):
            tag = asked(path).headers["etag"]
            again = asked(path, **{"If-None-Match": tag})
            assert (again.status_code, again.content) == (304, b""), path
        assert asked("/page.css.etag").status_code == 404

        before = asked("/page.css").headers["etag"]
        changed = (web / "page.css").read_text("utf-8").replace("46rem", "64rem")  # a release with as many bytes
        (tmp_path / "release.css").write_text(changed, "utf-8")
        layout.tag(tmp_path / "release.css")
        for name in ("", layout.TAG):
            shutil.copyfile(tmp_path / f"release.css{name}", web / f"page.css{name}")
            os.utime(web / f"page.css{name}", (layout.EPOCH, layout.EPOCH))
        assert asked("/page.css", **{"If-None-Match": before}).text == changed


@pytest.mark.parametrize(
    "body", [b"zz\r\n", b"3\r\nabcXX\r\n", b"f" * 20_000, b"3\nabc\n", b"\r\n", b"0\r\nnone\r\n\r\n"]
)
def test_a_body_in_malformed_chunks_is_the_senders_fault(gateway: Gateway, body: bytes) -> None:
    with socket.create_connection(("127.0.0.1", urlsplit(gateway.url).port or 0), timeout=10) as connection:
        connection.sendall(b"POST /events HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
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


@pytest.mark.parametrize(
    "request_line",
    [
        "GET /flights?sort=가격",
        "GET /flights/1%0a",
        "GET /flights/1%00",
        "GET /flights/%7f",
        "GET /flights?" + "a" * 8000,
        "GET /" + "a" * 8000,
        "GET /flights?status=431",
        "POST /events?status=500",
        "GET /holds?status=503",
        "GET /reservations/1?status=404",
        "POST /dead-letters/replay?status=400",
        "GET /deliveries?status=502",
        "CONNECT localhost:443",
        "TRACE /nope",
    ],
)
def test_every_error_is_a_problem_document(gateway: Gateway, request_line: str) -> None:
    head = f"{request_line} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    status, content_type, body = gateway.send(head.encode() + b"Connection: close\r\n\r\n")

    wanted = re.search(r"status=(\d+)", request_line)
    assert content_type == "application/problem+json"
    assert json.loads(body)["status"] == status
    assert status == int(wanted[1]) if wanted else 400 <= status < 500


def test_what_a_function_says_is_wrong_is_passed_on(gateway: Gateway) -> None:
    answer = gateway.call("GET", "/flights?status=422&problem")
    assert (answer.status_code, answer.json()["detail"]) == (422, "of the function")


def test_a_function_that_has_too_much_to_do_says_when_to_come_back(gateway: Gateway) -> None:
    assert gateway.call("GET", "/flights?status=503").headers["retry-after"] == "1"


def test_a_request_without_a_host_is_not_answered_with_links_to_nowhere(gateway: Gateway) -> None:
    status, content_type, _ = gateway.send(b"GET /flights HTTP/1.0\r\n\r\n")
    assert (status, content_type) == (400, "application/problem+json")


def test_two_content_types_are_refused(gateway: Gateway) -> None:
    head = b"POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nConnection: close\r\n"
    two = b"Content-Type: application/json\r\n" * 2
    status, content_type, _ = gateway.send(head + two + b"\r\n{}")
    assert (status, content_type) == (400, "application/problem+json")


def test_a_function_never_sees_what_it_has_no_use_for(gateway: Gateway) -> None:
    odd = {"Cookie": "of=another-program" * 500, "Upgrade": "websocket", "Connection": "Upgrade"}
    own = {"Origin": FRIEND, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
    answer = gateway.call("POST", "/flights", json={}, headers=odd | own)
    assert not {"cookie", "upgrade", "origin", "sec-fetch-site", "sec-fetch-mode"} & set(answer.json()["headers"])


SLASHED = [(path, service, upstream) for path, service, upstream in ROUTES if "?" not in path]


@pytest.mark.parametrize(("path", "service", "upstream"), SLASHED)
def test_a_slash_at_the_end_makes_no_difference(gateway: Gateway, path: str, service: str, upstream: str) -> None:
    heard = gateway.call("GET", f"{path}/?page=0").json()
    assert (heard["service"], heard["path"]) == (gateway.ports[service], f"{upstream}?page=0")


@pytest.mark.parametrize("path", ["/dead-letters/1/replay/", "/dead-letters/replay/", "/customerInfos/rebuild/"])
def test_nor_does_it_where_something_is_done(gateway: Gateway, path: str) -> None:
    assert gateway.call("POST", path).json()["path"] == path.rstrip("/")


@pytest.mark.parametrize(
    ("method", "path", "road"),
    [
        ("POST", "/flights", "operators"),
        ("PATCH", "/flights/1/", "operators"),
        ("DELETE", "/flights/1", "operators"),
        ("GET", "/holds", "operators"),
        ("GET", "/ledger/", "operators"),
        ("GET", "/outbox/reserve", "operators"),
        ("GET", "/deliveries", "operators"),
        ("GET", "/dead-letters", "operators"),
        ("POST", "/dead-letters/1/replay", "operators"),
        ("POST", "/customerInfos/rebuild/", "operators"),
        ("GET", "/flights", "customers"),
        ("HEAD", "/flights/1", "customers"),
        ("POST", "/reservations", "customers"),
        ("DELETE", "/reservations/1", "customers"),
        ("POST", "/events", "customers"),
        ("GET", "/customerInfos", "customers"),
        ("GET", "/", "customers"),
    ],
)
def test_operators_and_customers_take_different_roads(gateway: Gateway, method: str, path: str, road: str) -> None:
    asked = f"{path}?road={method}"
    gateway.call(method, asked)

    def logged() -> list[str]:
        lines = [json.loads(line) for line in gateway.log.read_text("utf-8").splitlines()]
        return [line["road"] for line in lines if line.get("request", {}).get("uri") == asked and "road" in line]

    assert eventually(logged, "the call is logged") == [road]


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
