"""The components that a company adds: who may do what, telemetry, a payment provider that is somebody else, mails.

All of them in one installation of its own, with what they ask (an issuer, a collector, a mail server) on this machine.
"""

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from requests import Response

from demos import checks
from demos.kubectl import SERVICE
from demos.scale_to_zero import SLEEP_WITHIN
from testbed.airline_under_test import AirlineUnderTest
from testbed.overlays import with_components
from testbed.project import ROOT
from testbed.telemetry_receiver import LAST, ROAD, Span, roots
from tests.cluster.installation import Installation, installed, overlay_folder
from tests.cluster.watcher import watching
from tests.cluster.witnesses import SENDER, Witnesses, witnesses
from tests.openid_provider import person_signs_in
from tests.who_may import ROUTES, Route, refusals, tokens_of

COMPONENTS = ("payment-provider", "notifications", "identity", "observability")
ANN = "ann@customers.example"
TRIED = ("nobody", "expired", "for another audience", "forged operator", "customer A", "customer B", "operator")
"""Of the tokens that tests/laptop/test_who_may.py tries; the others differ only inside of the library that verifies."""
SIGNED = "/payments/webhook"
"""It asks for no token: as the provider apart has a secret, it answers 401 to what is not signed with that."""
ON_THE_ROAD = {"reserve", "decrease-seats", "charge-payment", "confirm-reservation"}
FLIGHT = {"flightCode": "ACE890", "takeoffDate": "2027-12-25", "cost": 200_000, "remainingSeatsCount": 5}


@dataclass(frozen=True)
class Company:
    """The airline with all of these components, and two reservations of customer 7, one of which was canceled."""

    installation: Installation
    outside: Witnesses
    kept: str
    canceled: str
    flight: int = 0

    def as_seen_by(self, who: str | None) -> AirlineUnderTest:
        """The airline, asked by a person, or by nobody."""
        token = self.outside.people.token(who) if who else None
        return replace(self.installation.airline, token=token)

    def function(self, name: str, who: str) -> AirlineUnderTest:
        """A function that no gateway leads to, asked as the gateway would."""
        url = str(self.installation.namespace.get(SERVICE, name)["status"]["url"])
        ingress = os.environ.get("AIRLINE_URL", url)
        return replace(self.as_seen_by(who), gateway=ingress, host=None if ingress == url else urlsplit(url).hostname)

    def until_it_is_done(
        self, who: str, method: str, path: str, body: object = None, at: AirlineUnderTest | None = None
    ) -> Any:
        """The answer to a command; one that a function was too busy for is sent again under its key, as clients do."""
        airline, key = at or self.as_seen_by(who), {"Idempotency-Key": str(uuid4())}

        def done() -> Response | None:
            answer = airline.ask(method, path, json=body, headers=key)
            return answer if answer.status_code < 500 else None

        answer = airline.eventually(done, f"{method} {path} is done")
        assert answer
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def trace(self) -> list[Span]:
        """Of the reservation that was kept; empty until the dashboard's last span is there."""
        spans = self.outside.telemetry.trace_of("handle ReservationPlaced", reservationId=self.kept)
        return spans if any(span.name == LAST for span in spans) and len(roots(spans)) == 1 else []


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    folder = tmp_path_factory.mktemp("company")
    with ExitStack() as stack:
        outside = stack.enter_context(witnesses(folder))
        overlay = with_components(overlay_folder(), folder, COMPONENTS, outside.settings())
        made = Company(stack.enter_context(installed(str(overlay))), outside, "", "")
        contact = {"name": "Ann", "address": ANN, "language": "en"}
        made.until_it_is_done("olga", "PUT", "/contacts/7", contact, at=made.function("contacts", "olga"))
        flight = made.until_it_is_done("olga", "POST", "/flights", FLIGHT)["flightId"]
        wish = {"flightId": flight, "seatQty": 2}
        kept, canceled = (
            made.until_it_is_done("ann", "POST", "/reservations", wish)["reservationId"] for _ in range(2)
        )
        ann = made.as_seen_by("ann")
        assert ann.outcome(kept)["status"] == ann.outcome(canceled)["status"] == "SUCCEED"
        made.until_it_is_done("ann", "DELETE", f"/reservations/{canceled}")
        yield replace(made, kept=kept, canceled=canceled, flight=flight)


def test_a_reservation_is_there_for_its_customer_and_for_operators_and_for_no_other_customer(company: Company) -> None:
    path = f"/reservations/{company.kept}"
    found = {who: company.as_seen_by(who).ask("GET", path).status_code for who in ("ann", "bob", "olga", None)}

    assert found == {"ann": 200, "bob": 404, "olga": 200, None: 401}


def test_a_customer_has_one_mail_for_each_piece_of_news(company: Company) -> None:
    mail, airline = company.outside.mail, company.installation.airline
    expected = Counter({("is confirmed", company.kept): 1, ("is confirmed", company.canceled): 1})
    expected |= Counter({("is canceled", company.canceled): 1, ("Refund", company.canceled): 1})

    def news() -> Counter[tuple[str, str]]:
        subjects = [str(one["Subject"]) for one in mail.inbox]
        kinds = ("is confirmed", "is canceled", "Refund")
        return Counter(
            (kind, re.findall(r"\b[0-9A-Z]{12}\b", text)[0]) for text in subjects for kind in kinds if kind in text
        )

    airline.eventually(lambda: news() >= expected, "the mails are there")
    assert news() == expected
    assert {*mail.recipients} == {ANN}
    assert {str(one["From"]) for one in mail.inbox} == {SENDER}
    assert len({str(one["Message-ID"]) for one in mail.inbox}) == len(mail.inbox)


def test_the_provider_was_paid_once_and_gave_back_what_was_canceled(company: Company) -> None:
    airline = company.as_seen_by("olga")
    airline.eventually(
        lambda: airline.ask("GET", f"/payments?reservationId={company.canceled}").text.count("REFUNDED"),
        "it is refunded",
    )
    pods = company.installation.namespace.run(
        "logs", "-l", "serving.knative.dev/service=payment-provider", "-c", "user-container", "--tail=-1"
    )

    assert airline.money_with_the_provider(company.kept) == 400_000
    assert airline.money_with_the_provider(company.canceled) == 0
    entries = airline.get("/ledger", key=company.kept)["_embedded"]["entries"]
    assert [(entry["kind"], entry["accepted"]) for entry in entries] == [("charge", True)]
    assert "POST /charges" in pods


def test_a_saga_is_one_connected_tree_of_what_functions_pushed(company: Company) -> None:
    airline = company.installation.airline
    trace = airline.eventually(company.trace, "one connected tree of the saga")

    (root,) = roots(trace)
    assert (root.service, root.name, root.parent) == ("gateway", "POST", "")
    for service, wanted in ROAD.items():
        assert wanted <= {span.name for span in trace if span.service == service}, service
    company.installation.figures["spans of a saga"] = str(len(trace))


def test_functions_push_what_they_measured_before_they_sleep(company: Company) -> None:
    """Nobody has woken what a deployment started: so all sleep first, and then somebody without a contact comes."""
    running, metrics = company.installation.running, company.outside.telemetry.metrics
    with running.watch() as watch:
        watch.until_asleep(ON_THE_ROAD, SLEEP_WITHIN)
    wish = {"customerId": 8, "flightId": company.flight, "seatQty": 1}
    company.until_it_is_done("olga", "POST", "/reservations", wish)
    names = ("function_call_seconds", "function_part_seconds", "function_cold_start_seconds")
    company.installation.airline.eventually(lambda: {*names} <= {*metrics}, "durations have come")

    def functions() -> set[str]:
        points = list(metrics["function_cold_start_seconds"])
        return {label.value.string_value for point in points for label in point.attributes if label.key == "function"}

    company.installation.airline.eventually(
        lambda: functions() >= ON_THE_ROAD,
        "each function of the saga has said how long its start took",
    )


def test_an_operator_who_watches_wakes_nobody_to_be_let_in(company: Company) -> None:
    """The board asks for the token itself; the guard of other lists would ask dead-letters at each stream."""
    with watching(company.as_seen_by("olga")) as watcher:
        company.installation.airline.eventually(lambda: watcher.functions, "an operator sees who is awake")
    assert watcher.refusals == []
    for who in ("ann", None):
        assert company.as_seen_by(who).ask("GET", "/board/feed").status_code == (403 if who else 401)


def test_who_signs_in_at_the_issuer_sees_their_own_reservations_in_a_terminal(
    company: Company, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """By the tunnel of knative/reach, as a token is shown to nobody by http but to this machine."""
    home = tmp_path_factory.mktemp("home")
    environment = {**os.environ, "XDG_CONFIG_HOME": str(home), "NAMESPACE": company.installation.namespace.name}
    environment["PORT"] = "18990"
    typed = [str(ROOT / "knative" / "reach"), sys.executable, "-m", "cli"]
    with subprocess.Popen(
        [*typed, "login"], cwd=ROOT, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    ) as login:
        assert login.stderr
        lines = []
        while not (found := re.search(r"open (\S+) and enter", line := login.stderr.readline())):
            lines.append(line)
            assert line, f"no address was shown: {''.join(lines)}"
        person_signs_in(found[1], "ann")
        said, complaints = login.communicate(timeout=120)
    assert login.returncode == 0, said + complaints
    command = [*typed, "reservations", "--json"]
    seen = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=True)
    assert company.kept in seen.stdout


def test_all_laws_hold_by_the_ledger_of_the_provider(company: Company) -> None:
    connection = company.installation.running.connect()
    connection.session.headers["Authorization"] = f"Bearer {company.outside.people.token('olga')}"
    company.installation.figures["laws that hold with all components"] = str(len(checks.check_laws(connection)))


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_every_route_lets_in_whom_it_says_and_nobody_else(company: Company, route: Route) -> None:
    numbers = {"flightId": "1", "paymentId": "1", "customerId": "7", "id": "f" * 32, "reservationId": company.kept}
    path = route.path.format_map(numbers)
    tokens = {who: token for who, token in tokens_of(company.outside.people).items() if who in TRIED}

    with ThreadPoolExecutor(len(tokens)) as askers:
        asked = askers.map(lambda token: status(company, route.method, path, token), tokens.values())
        answers = dict(zip(tokens, asked, strict=True))

    refused = {who: answer for who, answer in answers.items() if answer in (401, 403)}
    expected = dict.fromkeys(TRIED, 401) if route.path == SIGNED else refusals(route.access)
    assert refused == {who: answer for who, answer in expected.items() if who in TRIED}, answers


def status(company: Company, method: str, path: str, token: str | None) -> int:
    """Of the answer; one that says that a function is too busy is asked for again, as clients do."""
    airline = replace(company.installation.airline, token=token)
    request: dict[str, Any] = {"json": {}} if method in ("POST", "PATCH") else {}
    headers = {"If-Match": '"0"'} if method == "DELETE" else {}  # a condition that nothing meets

    def answer() -> int | None:
        with airline.ask(method, path, headers=headers, stream=True, allow_redirects=False, **request) as found:
            return found.status_code if found.status_code < 500 else None

    return airline.eventually(answer, f"{method} {path} is answered") or 0
