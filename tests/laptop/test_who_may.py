"""Every route of the gateway with every kind of token, by a real OpenID provider: who is let in, and who is not."""

import io
import re
import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from werkzeug.serving import WSGIRequestHandler, make_server

from testbed.hosting import Function, HostedAirline, isolated, migrate_all
from testbed.listening import Quiet, listening, serving
from testbed.recording_broker import recording_broker
from testbed.running_system import ROOT
from testbed.vocabulary import event
from tests.laptop.test_gateway import caddy
from tests.openid_provider import openid_provider
from tests.who_may import ROUTES, Route, refusals, tokens_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

SERVICES = ("reserve", "reserve-commands", "flight-seats", "payment", "dashboard", "dead-letters")
NUMBERS = {"flightId": "1002", "paymentId": "1", "customerId": "7", "id": "f" * 32}
"""Of things that are there; the payment, the counts and the reservation are of customer 7."""


@dataclass(frozen=True)
class Place:
    """A gateway, what is behind it, and tokens by who shows them."""

    gateway: str
    airline: HostedAirline
    reservation: str
    tokens: dict[str, str | None]

    def ask(self, who: str, route: Route, **request: Any) -> requests.Response:
        """Without a body, a condition that nothing meets keeps what is there."""
        path = route.path.format_map(NUMBERS | {"reservationId": self.reservation})
        headers = {"Authorization": f"Bearer {token}"} if (token := self.tokens[who]) else {}
        if route.method in ("POST", "PATCH"):
            request = {"json": {}} | request
        if route.method == "DELETE":
            headers["If-Match"] = '"0"'
        url = self.gateway + path
        return requests.request(route.method, url, headers=headers, timeout=60, allow_redirects=False, **request)


@contextmanager
def closed_port() -> Iterator[int]:
    """Where nobody listens, and nobody else begins to."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        yield int(closed.getsockname()[1])


class Silent(WSGIRequestHandler):
    """Logs nothing."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - the name is werkzeug's
        """Tests have their own words."""


@contextmanager
def served(app: Function) -> Iterator[int]:
    """The port of one function; all of them take turns, as they are one process."""

    def complete(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        # that of a function ends with the body, werkzeug's with the connection
        length = int(environ.get("CONTENT_LENGTH") or 0)
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(length))
        return app(environ, start_response)

    server = make_server("127.0.0.1", 0, complete, request_handler=Silent)
    with serving(server):
        yield server.port


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("who")
    with ExitStack() as stack:
        people = stack.enter_context(openid_provider(folder))
        broker = stack.enter_context(recording_broker())
        stack.enter_context(isolated())
        (folder / "migrated").mkdir()
        migrate_all(folder / "migrated")
        airline = HostedAirline(folder, folder / "migrated", broker.url)
        stack.callback(airline.close)
        airline.function("charge-payment").hear(event("RemainingSeatsDecreased"))
        airline.settings |= people.settings()
        functions = {name: stack.enter_context(served(airline.function(name))) for name in SERVICES}
        ports = {name.upper().replace("-", "_"): port for name, port in functions.items()}
        ports |= dict.fromkeys(("BROKER", "BOARD"), ports["RESERVE"])  # answers 404 to what is not its own
        url = stack.enter_context(caddy(folder, ports, **people.settings()))
        tokens = tokens_of(people)
        made = requests.post(
            f"{url}/reservations",
            json={"flightId": 1001, "seatQty": 1},
            headers={"Authorization": f"Bearer {tokens['customer A']}"},
            timeout=60,
        )
        assert made.status_code == 201, made.text
        reservation = made.json()["reservationId"]
        airline.function("project-dashboard").hear(event("ReservationPlaced", reservationId=reservation))
        yield Place(url, airline, reservation, tokens)


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_every_route_lets_in_whom_it_says_and_nobody_else(place: Place, route: Route) -> None:
    answers = {who: place.ask(who, route, stream=True) for who in place.tokens}
    statuses = {who: answer.status_code for who, answer in answers.items()}
    refused = {who: status for who, status in statuses.items() if status in (401, 403)}

    assert refused == refusals(route.access)
    assert all(status < 500 for status in statuses.values()), statuses
    for who, status in refused.items():
        assert answers[who].headers["Content-Type"] == "application/problem+json"
        assert ("WWW-Authenticate" in answers[who].headers) == (status == 401)


@pytest.mark.parametrize(
    "route", [one for one in ROUTES if one.access == "owner" and "{" in one.path and one.method == "GET"], ids=str
)
def test_what_is_of_customer_a_is_there_for_a_and_for_operators_and_not_for_b(place: Place, route: Route) -> None:
    found = {who: place.ask(who, route).status_code for who in ("customer A", "customer B", "operator")}

    assert found == {"customer A": 200, "customer B": 404, "operator": 200}


def test_no_route_of_the_gateway_is_left_out() -> None:
    caddyfile = (ROOT / "gateway" / "Caddyfile").read_text("utf-8")
    handled = re.findall(r"^\t+handle (/\S+) \{", caddyfile, re.MULTILINE)
    matched = [
        path for line in re.findall(r"^\t@(?!screen)\w+ path (.+)", caddyfile, re.MULTILINE) for path in line.split()
    ]
    by_pattern = re.findall(r"^\t@\w+ path_regexp \^(/\S+)\$", caddyfile, re.MULTILINE)
    asked = {re.sub(r"\{\w+\}", "7", route.path) for route in ROUTES}

    def is_asked(path: str) -> bool:
        pattern = re.escape(path).replace(r"\*", ".+").replace(r"\{args\[0\]\}", "[a-z-]+").removesuffix("/")
        return any(re.fullmatch(pattern, one) for one in asked)

    assert len(handled) > 10
    assert [path for path in [*handled, *matched] if not is_asked(path)] == []
    assert all(any(re.fullmatch(pattern, one) for one in asked) for pattern in by_pattern)


def test_the_gateway_says_how_to_sign_in_and_its_pages_may_call_the_issuer(place: Place) -> None:
    identity = requests.get(f"{place.gateway}/identity", timeout=30).json()
    policy = requests.get(place.gateway, timeout=30).headers["Content-Security-Policy"]

    assert (identity["client"], identity["ownerClaim"]) == ("airline", "customer_id")
    assert f"connect-src 'self' {identity['issuer']}/" in policy
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


def test_who_watches_a_board_that_asks_for_tokens_itself_wakes_nobody_to_be_let_in(tmp_path: Path) -> None:
    class Board(Quiet, BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(204)
            self.end_headers()

    with listening(Board) as board, closed_port() as nobody:
        ports = dict.fromkeys([name.upper().replace("-", "_") for name in SERVICES], nobody)
        ports["BOARD"] = int(board.rpartition(":")[2])
        with caddy(tmp_path, ports, IDENTITY_ISSUER="https://id.example", BOARD_GUARD="unguarded") as url:
            assert requests.get(f"{url}/board/feed", timeout=30).status_code == 204
            assert requests.get(f"{url}/metrics", timeout=30).status_code == 502  # dead-letters is asked, and away


def test_without_an_issuer_the_gateway_says_so_and_its_pages_call_nobody_else(tmp_path: Path) -> None:
    with closed_port() as port:
        ports = dict.fromkeys([name.upper().replace("-", "_") for name in (*SERVICES, "broker")], port)
        with caddy(tmp_path, ports, IDENTITY_ISSUER="") as url:
            assert requests.get(f"{url}/identity", timeout=30).json() == {"issuer": None}
            page = requests.get(url, timeout=30).headers
            assert "connect-src" not in page["Content-Security-Policy"]
            assert "Server-Timing" not in page
            assert requests.get(f"{url}/deliveries", timeout=30).status_code == 502  # asked, and not guarded
