"""Who may see and do what, where the airline knows its clients: customers their own, operators everything."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from werkzeug.test import TestResponse

from choreography import issuer as issuer_module
from choreography import rates
from testbed.hosting import HostedAirline
from testbed.recording_broker import RecordingBroker
from testbed.running_system import ROOT, eventually
from testbed.vocabulary import CLOUD_EVENT, RESERVATION, assert_refused, body_of, event
from tests.integration.issuing import TokenIssuer, token_issuer

WISH = {"flightId": 1001, "seatQty": 2}
UNKNOWN = "0123456789AB"


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
def people(airline: HostedAirline, key: rsa.RSAPrivateKey) -> Iterator[TokenIssuer]:
    """Who signs people in, and whose tokens all functions ask for."""
    with token_issuer() as made:
        made.of_people = True
        made.keys["first"] = key
        airline.settings |= {
            "IDENTITY_ISSUER": made.url,
            "IDENTITY_AUDIENCE": "airline",
            "IDENTITY_OWNER_CLAIM": "customer_id",
        }
        yield made


class Person:
    """What somebody does at the airline with one token."""

    def __init__(self, airline: HostedAirline, token: str | None) -> None:
        self._airline = airline
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def open(self, service: str, method: str, path: str, **request: Any) -> TestResponse:
        headers = self._headers | request.pop("headers", {})
        return self._airline.function(service).open(method, path, headers=headers, **request)

    def reserve(self, **request: Any) -> TestResponse:
        return self.open("reserve", "POST", "/reservations", **({"json": WISH} | request))

    def say(self, type_: str, data: dict[str, Any], **attributes: str) -> TestResponse:
        said = {"specversion": "1.0", "id": "order-1", "source": "/agency/7", "type": type_, "data": data} | attributes
        return self.open("reserve-commands", "POST", "/events", json=said, headers=CLOUD_EVENT)


Signing = Callable[..., Person]


@pytest.fixture
def signing_in(airline: HostedAirline, people: TokenIssuer) -> Signing:
    """Somebody with a token that says so; without anything, a customer without a number."""
    return lambda subject, **claims: Person(airline, people.person(subject, **claims))


@pytest.fixture
def ann(signing_in: Signing) -> Person:
    return signing_in("ann", customer_id=7)


@pytest.fixture
def bob(signing_in: Signing) -> Person:
    return signing_in("bob", customer_id="8")


@pytest.fixture
def operator(signing_in: Signing) -> Person:
    return signing_in("olga", roles=["staff", "operator"])


def same_refusal(one: TestResponse, other: TestResponse, *names: str) -> None:
    """Two answers that nobody can tell apart, but for the name that was asked for."""
    texts = [answer.get_data(as_text=True) for answer in (one, other)]
    for name in names:
        texts = [text.replace(name, "") for text in texts]
    assert texts[0] == texts[1]
    assert one.status_code == other.status_code == 404
    dropped = ("Date", "Content-Length")
    assert [h for h in one.headers if h[0] not in dropped] == [h for h in other.headers if h[0] not in dropped]


def test_a_customer_reserves_under_the_number_of_the_token_and_for_nobody_else(ann: Person) -> None:
    made = ann.reserve()
    assert (made.status_code, body_of(made)["customerId"]) == (201, 7)
    assert body_of(ann.reserve(json=WISH | {"customerId": "7"}))["customerId"] == 7

    assert_refused(ann.reserve(json=WISH | {"customerId": 8}), 403)


def test_an_operator_says_for_whom(operator: Person) -> None:
    assert body_of(operator.reserve(json=WISH | {"customerId": 8}))["customerId"] == 8
    assert_refused(operator.reserve(), 422, "customerId")


def test_the_reservation_of_somebody_else_is_as_if_it_were_not_there(ann: Person, bob: Person) -> None:
    theirs = body_of(ann.reserve())["reservationId"]

    for method, body in (("GET", None), ("DELETE", None), ("PATCH", {"status": "CANCELED"})):
        found = bob.open("reserve", method, f"/reservations/{theirs}", json=body)
        nothing = bob.open("reserve", method, f"/reservations/{UNKNOWN}", json=body)
        same_refusal(found, nothing, theirs, UNKNOWN)
    assert body_of(ann.open("reserve", "GET", f"/reservations/{theirs}"))["status"] == "PENDING"
    assert ann.open("reserve", "DELETE", f"/reservations/{theirs}").status_code == 204


def test_a_list_has_ones_own_reservations_only_whatever_is_asked_for(
    ann: Person, bob: Person, operator: Person
) -> None:
    mine = body_of(ann.reserve())["reservationId"]
    bob.reserve()

    def listed(who: Person, query: str = "") -> list[str]:
        page = body_of(who.open("reserve", "GET", f"/reservations{query}"))
        assert page["page"]["totalElements"] == len(page["_embedded"]["reservations"])
        return [one["reservationId"] for one in page["_embedded"]["reservations"]]

    assert listed(ann) == listed(ann, "?customerId=7") == [mine]
    assert listed(ann, "?customerId=8") == []
    assert len(listed(operator)) == 2


def test_payments_counts_and_stories_of_somebody_else_are_as_if_they_were_not_there(
    airline: HostedAirline, ann: Person, bob: Person, operator: Person
) -> None:
    airline.function("charge-payment").hear(event("RemainingSeatsDecreased"))  # of customer 7
    airline.function("project-dashboard").hear(event("ReservationPlaced"))
    pages = [
        ("payment", "/payments", "payments"),
        ("dashboard", "/customerInfos", "customerInfos"),
    ]
    for service, path, plural in pages:
        seen = [body_of(who.open(service, "GET", path))["_embedded"][plural] for who in (ann, bob, operator)]
        assert list(map(len, seen)) == [1, 0, 1]
    for service, path, nothing, names in (
        ("payment", "/payments/1", "/payments/2", ("1", "2")),
        ("dashboard", "/customerInfos/7", "/customerInfos/9", ("7", "9")),
        ("dashboard", f"/reservations/{RESERVATION}/events", f"/reservations/{UNKNOWN}/events", (RESERVATION, UNKNOWN)),
    ):
        assert ann.open(service, "GET", path).status_code == operator.open(service, "GET", path).status_code == 200
        same_refusal(bob.open(service, "GET", path), bob.open(service, "GET", nothing), *names)


def test_a_key_of_somebody_else_tells_nothing_and_stops_nobody(ann: Person, bob: Person) -> None:
    key = {"Idempotency-Key": "guessed"}
    theirs = body_of(ann.reserve(headers=key))
    mine = bob.reserve(headers=key)

    assert (mine.status_code, body_of(mine)["customerId"]) == (201, 8)
    assert body_of(mine)["reservationId"] != theirs["reservationId"]
    assert body_of(ann.reserve(headers=key))["reservationId"] == theirs["reservationId"]


def test_a_command_as_an_event_carries_who_gave_it_and_nobody_can_say_it_of_themselves(
    ann: Person, broker: RecordingBroker
) -> None:
    forged = {"authtype": "system", "authid": "olga", "authclaims": '{"roles": ["operator"]}'}
    asked = ann.say("ReservationRequested", dict(WISH), **forged)

    assert asked.status_code == 202
    sent = next(said for said in broker.accepted if said["type"] == "ReservationRequested")
    assert (sent["authtype"], sent["authid"], sent["data"]["customerId"]) == ("app_user", "ann", 7)
    assert "authclaims" not in sent


def test_without_an_issuer_a_command_carries_nobody(airline: HostedAirline, broker: RecordingBroker) -> None:
    stranger = Person(airline, None)
    stranger.say("ReservationRequested", WISH | {"customerId": 7}, authid="olga", authtype="app_user")
    assert {"authid", "authtype"} & broker.accepted[-1].keys() == set()


def test_a_command_is_repeated_with_who_gave_it(airline: HostedAirline, ann: Person, broker: RecordingBroker) -> None:
    broker.refuses_all = 503
    ann.say("ReservationRequested", dict(WISH))
    broker.refuses_all = None
    ann.say("ReservationRequested", dict(WISH))

    eventually(lambda: broker.accepted, "what waited in the outbox is sent")
    assert {said["authid"] for said in broker.accepted} == {"ann"}


def test_a_customer_commands_nothing_about_others(ann: Person, bob: Person, broker: RecordingBroker) -> None:
    promised = body_of(ann.say("ReservationRequested", dict(WISH)))["reservationId"]
    placed = body_of(ann.reserve())["reservationId"]
    assert_refused(bob.say("ReservationRequested", WISH | {"customerId": 7}, id="order-2"), 403)

    for theirs in (promised, placed):  # one is not there yet
        found = bob.say("CancellationRequested", {"reservationId": theirs}, id="cancel-1")
        nothing = bob.say("CancellationRequested", {"reservationId": UNKNOWN}, id="cancel-1")
        same_refusal(found, nothing, theirs, UNKNOWN)
    assert "CancellationRequested" not in broker.heard()
    assert ann.say("CancellationRequested", {"reservationId": promised}, id="cancel-2").status_code == 202


def test_what_travels_inside_the_broker_is_believed(airline: HostedAirline, people: TokenIssuer) -> None:
    assert airline.function("place-reservation").hear(event("ReservationRequested")).status_code == 204
    assert airline.function("confirm-reservation").hear(event("Paid")).status_code == 200


def test_readiness_documents_and_flights_need_no_token(airline: HostedAirline, people: TokenIssuer) -> None:
    stranger = Person(airline, None)
    for service, path in (
        ("reserve", "/healthz"),
        ("payment", "/openapi.json"),
        ("flight-seats", "/flights"),
        ("flight-seats", "/flights/1001"),
        ("flight-seats", "/promotions"),
    ):
        assert stranger.open(service, "GET", path).status_code in (200, 204)
    assert people.asked == []


def test_a_token_without_a_number_and_without_the_role_reaches_nothing(signing_in: Signing) -> None:
    no_numbers: list[object] = [None, "Ann", True, -7, [7], 7.5]
    for number in no_numbers:
        assert_refused(signing_in("eve", customer_id=number).open("reserve", "GET", "/reservations"), 403)
    no_roles: list[object] = ["no-operator", {"operator": True}, None, ["Operator"]]
    for roles in no_roles:
        customer = signing_in("eve", customer_id=7, roles=roles)
        assert_refused(customer.open("dead-letters", "GET", "/dead-letters"), 403)


@pytest.mark.parametrize(
    ("claim", "claims"),
    [
        ("scope", {"scope": "openid operator"}),
        ("realm_access.roles", {"realm_access": {"roles": ["operator"]}}),
        ("https://airline.example/roles", {"https://airline.example/roles": ["operator"]}),
    ],
)
def test_the_claim_that_makes_an_operator_is_a_setting(
    airline: HostedAirline, signing_in: Signing, claim: str, claims: dict[str, object]
) -> None:
    airline.settings["IDENTITY_OPERATOR_CLAIM"] = claim
    assert signing_in("olga", **claims).open("payment", "GET", "/ledger").status_code == 200


@pytest.mark.parametrize("subject", ["", "a" * 256, "olga\0", "olga\nboss", "\ud800", "\u202eaglo"])
def test_a_token_whose_subject_nobody_could_keep_or_read_is_refused(signing_in: Signing, subject: str) -> None:
    assert_refused(signing_in(subject, roles=["operator"]).reserve(), 401)


def test_who_invents_keys_is_counted_by_address_as_who_guesses_tokens(
    airline: HostedAirline, people: TokenIssuer, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates, "_left", type(rates._left)())
    assert ann.open("reserve", "GET", "/reservations").status_code == 200
    airline.settings["RATE_LIMIT"] = "1"
    people.keys["../../etc/passwd"] = rsa.generate_private_key(65537, 2048)
    invented = Person(airline, people.person("ann", "../../etc/passwd", customer_id=7))

    asked = [invented.open("reserve", "GET", "/reservations") for _ in range(2)]
    assert [answer.status_code for answer in asked] == [503, 429]  # it may be one that was published a moment ago


def test_keys_that_cannot_be_read_are_a_503_that_says_so_and_never_a_200(
    airline: HostedAirline, people: TokenIssuer, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.away = True
    refused = ann.open("reserve", "GET", "/reservations")
    assert_refused(refused, 503)
    assert "keys of the token issuer cannot be read" in body_of(refused)["detail"]

    people.away = False
    later = time.monotonic() + issuer_module.PAUSE
    monkeypatch.setattr(issuer_module, "monotonic", lambda: later)
    assert ann.open("reserve", "GET", "/reservations").status_code == 200

    people.keys["second"] = rsa.generate_private_key(65537, 2048)
    monkeypatch.setattr(issuer_module, "monotonic", lambda: later + issuer_module.PAUSE)
    newer = Person(airline, people.person("ann", "second", customer_id=7))
    assert newer.open("reserve", "GET", "/reservations").status_code == 200


@pytest.mark.parametrize("document", [{"issuer": "https://other.example"}, {"jwks_uri": "http://198.51.100.1/keys"}])
def test_an_issuer_that_is_another_or_has_its_keys_in_the_open_is_not_believed(
    people: TokenIssuer, ann: Person, document: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = people.document

    def spoiled(path: str) -> dict[str, Any] | None:
        found = usual(path)
        return found and (found | document if "issuer" in found else found)

    monkeypatch.setattr(people, "document", spoiled)
    assert_refused(ann.open("reserve", "GET", "/reservations"), 503)


def test_a_client_that_asks_too_often_is_answered_429_and_others_are_not(
    airline: HostedAirline, ann: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates, "_left", type(rates._left)())
    now = 1000.0
    monkeypatch.setattr(rates, "monotonic", lambda: now)
    airline.settings["RATE_LIMIT"] = "2"

    answers = [ann.open("reserve", "GET", "/reservations") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert_refused(answers[-1], 429)
    assert answers[-1].headers["Retry-After"] == "30"
    assert bob.open("reserve", "GET", "/reservations").status_code == 200
    now += 30
    assert ann.open("reserve", "GET", "/reservations").status_code == 200


def test_who_guesses_tokens_or_has_none_is_counted_by_address(
    airline: HostedAirline, people: TokenIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates, "_left", type(rates._left)())
    monkeypatch.setattr(rates, "MOST_CLIENTS", 2)
    airline.settings["RATE_LIMIT"] = "1"
    guess, stranger = Person(airline, "a.b.c"), Person(airline, None)

    def asks(who: Person, address: str, path: str = "/flights") -> int:
        service = "flight-seats" if path == "/flights" else "reserve"
        return who.open(service, "GET", path, headers={"X-Client-Address": address}).status_code

    assert [asks(stranger, "198.51.100.1"), asks(stranger, "198.51.100.1")] == [200, 429]
    assert [asks(guess, "198.51.100.2", "/reservations"), asks(guess, "198.51.100.2", "/reservations")] == [401, 429]
    assert [asks(stranger, "198.51.100.3"), asks(stranger, "198.51.100.1")] == [200, 200]  # only two are remembered


def test_what_operators_do_is_kept_with_who_and_how_it_ended(airline: HostedAirline, operator: Person) -> None:
    made = operator.reserve(json=WISH | {"customerId": 8}, headers={"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"})
    there = body_of(made)["reservationId"]
    operator.open("reserve", "DELETE", f"/reservations/{there}")
    operator.open("reserve", "DELETE", f"/reservations/{UNKNOWN}")
    operator.say("CancellationRequested", {"reservationId": there, "reason": "ill"})

    page = body_of(operator.open("reserve", "GET", "/audit/reserve?sort=at"))["_embedded"]["actions"]

    assert [(one["actor"], one["method"], one["path"], one["status"]) for one in page] == [
        ("olga", "POST", "/reservations", 201),
        ("olga", "DELETE", f"/reservations/{there}", 204),
        ("olga", "DELETE", f"/reservations/{UNKNOWN}", 404),
        ("olga", "POST", "/events", 202),
    ]
    assert [one["subject"] for one in page] == [f"/reservations/{one}" for one in (there, there, UNKNOWN, there)]
    of_it = body_of(operator.open("reserve", "GET", f"/audit/reserve?subject=/reservations/{there}&sort=at"))
    assert [one["method"] for one in of_it["_embedded"]["actions"]] == ["POST", "DELETE", "POST"]
    assert (page[0]["traceId"], page[0]["body"]) == ("a" * 32, '{"flightId": 1001, "seatQty": 2, "customerId": 8}')
    assert page[1]["body"] is None


def test_what_an_operator_did_and_its_row_are_one_transaction(
    airline: HostedAirline, operator: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    flight = {"flightCode": "ACE890", "takeoffDate": "2027-12-25", "cost": 1, "remainingSeatsCount": 5}
    key = {"Idempotency-Key": "once"}
    for _ in range(2):  # the second does nothing
        assert operator.open("flight-seats", "POST", "/flights", json=flight, headers=key).status_code == 201
    assert airline.rows("flight-seats", "SELECT actor, status FROM actions") == [("olga", 201)]

    airline.function("dead-letters").hear(event("Paid"))
    letter = airline.rows("dead-letters", "SELECT id FROM dead_letters")[0][0]
    operator.open("dead-letters", "POST", f"/dead-letters/{letter}/discard", json={"note": "a test"})
    operator.open("dead-letters", "POST", f"/dead-letters/{letter}/replay")
    operator.open("dead-letters", "POST", "/dead-letters/replay", json={})
    operator.open("dashboard", "POST", "/customerInfos/rebuild")
    query = "SELECT path, status FROM actions ORDER BY at"
    assert airline.rows("dead-letters", query) == [
        (f"/dead-letters/{letter}/discard", 200),
        (f"/dead-letters/{letter}/replay", 409),
        ("/dead-letters/replay", 200),
    ]
    assert airline.rows("dashboard-projector", query) == [("/customerInfos/rebuild", 200)]
    about = [subject for (subject,) in airline.rows("dead-letters", "SELECT subject FROM actions ORDER BY at")]
    assert about == [*[f"/reservations/{RESERVATION}"] * 2, "/dead-letters/replay"]


def test_each_row_of_an_import_is_kept_as_what_an_operator_did(airline: HostedAirline, operator: Person) -> None:
    flight = {"flightCode": "ACE890", "takeoffDate": "2027-12-25", "cost": 1, "remainingSeatsCount": 5}
    rows = [{"key": "a", **flight}, {"key": "b", "cost": "cheap"}]
    for _ in range(2):  # the second adds nothing, and is refused where the first was
        operator.open("flight-seats", "POST", "/flights/import", json={"flights": rows})

    kept = airline.rows("flight-seats", "SELECT subject, status, body FROM actions ORDER BY status")
    assert kept == [("/flights/1", 201, json.dumps(flight)), *[("/flights", 422, '{"cost": "cheap"}')] * 2]


def test_two_senders_with_the_same_keys_import_a_flight_each(operator: Person, signing_in: Signing) -> None:
    rows = [{"key": "a", "flightCode": "ACE890", "takeoffDate": "2027-12-25", "cost": 1, "remainingSeatsCount": 5}]
    for who in (operator, signing_in("otto", roles=["operator"])):
        answered = body_of(who.open("flight-seats", "POST", "/flights/import", json={"flights": rows}))["rows"]
        assert answered[0]["repeated"] is False


def test_what_is_broken_off_is_kept_as_begun(
    airline: HostedAirline, operator: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """The process ends here."""

    airline.function("dashboard").get("/healthz")  # imports its modules

    def killed(*_: object, **__: object) -> None:
        raise Killed

    monkeypatch.setattr(sys.modules["rebuild"], "rebuild", killed)
    with pytest.raises(Killed):
        operator.open("dashboard", "POST", "/customerInfos/rebuild")
    assert airline.rows("dashboard-projector", "SELECT path, status FROM actions") == [("/customerInfos/rebuild", None)]


def test_customers_leave_no_trace_in_the_audit_log_and_cannot_read_it(airline: HostedAirline, ann: Person) -> None:
    ann.reserve()
    assert airline.rows("reserve", "SELECT * FROM actions") == []
    assert_refused(ann.open("reserve", "GET", "/audit/reserve"), 403)


def test_neither_customers_nor_jwt_are_known_without_an_issuer(airline: HostedAirline) -> None:
    assert Person(airline, "no token at all").reserve(json=WISH | {"customerId": 8}).status_code == 201
    assert airline.rows("reserve", "SELECT * FROM actions") == []
    program = (
        "import choreography.web, choreography.access, choreography.audit, sys;"
        " sys.exit('jwt' in sys.modules or 'cryptography' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
