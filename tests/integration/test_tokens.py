"""Deliveries with bearer tokens: who is accepted, who is not, and what is presented to the Broker."""

import base64
import hashlib
import hmac
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from werkzeug.test import TestResponse

from choreography import issuer as issuer_module
from choreography import tokens
from testbed.hosting import FOLDER_OF, Function, HostedAirline
from testbed.project import triggers
from testbed.recording_broker import RecordingBroker, nobody_listens
from testbed.running_system import ROOT
from testbed.vocabulary import CLOUD_EVENT, assert_refused, event, place, tick
from tests.integration.issuing import TRIGGER, PrivateKey, TokenIssuer, claims_for, signed, token_issuer

POLICY = "confirm-reservation"
HEARING = sorted(
    {trigger.spec["subscriber"]["ref"]["name"] for trigger in triggers().values()}
    | {"dead-letters"}
    | {service for service in FOLDER_OF if service.endswith("-housekeeping")}
)
"""Every Service that the Broker or a PingSource delivers to."""


@pytest.fixture(scope="session")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="session")
def other_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


class Clock:
    """The monotonic clock of the issuer's keys, held by a test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(issuer_module, "monotonic", lambda: self.now)


@pytest.fixture
def issuer(airline: HostedAirline, key: rsa.RSAPrivateKey) -> Iterator[TokenIssuer]:
    """The cluster's issuer, whose tokens all functions ask for."""
    with token_issuer() as made:
        made.keys["first"] = key
        airline.settings |= {
            "TOKEN_ISSUER": made.url,
            "TOKEN_AUDIENCE": "airline",
            "TOKEN_SUBJECTS": "system:serviceaccount:airline:*",
        }
        yield made


def deliver(function: Function, token: str | None, said: dict[str, object] | None = None) -> TestResponse:
    bearer = {} if token is None else {"Authorization": f"Bearer {token}"}
    return function.post("/", json=said or event("Paid"), headers=CLOUD_EVENT | bearer)


def deliver_paid(airline: HostedAirline, token: str | None) -> TestResponse:
    return deliver(airline.function(POLICY), token)


def assert_let_in(answer: TestResponse) -> None:
    """The token was good: the policy itself answered that the reservation was never placed."""
    assert_refused(answer, 422)
    assert "was never placed" in answer.text


def test_a_delivery_with_a_good_token_is_processed(airline: HostedAirline, issuer: TokenIssuer) -> None:
    airline.function("place-reservation").post(
        "/",
        json=event("ReservationRequested"),
        headers=CLOUD_EVENT | {"authorization": f"bearer {issuer.token('place-reservation')}"},
    )

    answer = deliver_paid(airline, issuer.token(POLICY))

    assert answer.status_code == 200, answer.text
    assert answer.get_json()["type"] == "ReservationConfirmed"


@pytest.mark.parametrize("service", HEARING)
def test_whoever_hears_events_asks_for_a_token_of_its_own(
    airline: HostedAirline, issuer: TokenIssuer, service: str
) -> None:
    function, said = airline.function(service), tick() if "housekeeping" in service else event("ReservationPlaced")
    before = airline.contents(FOLDER_OF[service])

    assert_refused(answer := deliver(function, None, said), 401)
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert_refused(deliver(function, issuer.token("another-service"), said), 401)
    assert airline.contents(FOLDER_OF[service]) == before
    assert deliver(function, issuer.token(service), said).status_code not in (401, 403)


@pytest.mark.parametrize("service", HEARING)
def test_readiness_needs_no_token(airline: HostedAirline, issuer: TokenIssuer, service: str) -> None:
    assert airline.function(service).get("/healthz").status_code == 204


@pytest.mark.parametrize(("service", "path"), [("reserve", "/reservations"), ("dead-letters", "/dead-letters")])
def test_the_resources_over_http_are_not_behind_tokens(
    airline: HostedAirline, issuer: TokenIssuer, service: str, path: str
) -> None:
    assert airline.function(service).get(path).status_code == 200


def test_without_an_issuer_nothing_is_asked_and_nothing_imported(airline: HostedAirline) -> None:
    assert deliver(airline.function("project-dashboard"), None).status_code == 204
    program = (
        "import choreography.policy, choreography.outbox, sys;"
        " sys.exit('jwt' in sys.modules or 'cryptography' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def in_seconds(name: str, seconds: float) -> dict[str, object]:
    """A claim about time."""
    return {name: int(time.time() + seconds)}


WRONG_CLAIMS: dict[str, dict[str, object]] = {
    "expired": in_seconds("exp", -3600),
    "not valid yet": in_seconds("nbf", 24 * 3600),
    "issued in the future": in_seconds("iat", 24 * 3600),
    "meant for the Broker": {"aud": ["eventing.knative.dev/broker/airline/airline"]},
    "meant for nobody": {"aud": []},
    "by another issuer": {"iss": "https://issuer.example"},
    "without an end": {"exp": None},
    "without an audience": {"aud": None},
    "without a subject": {"sub": None},
    "without an issuer": {"iss": None},
}


@pytest.mark.parametrize("claims", WRONG_CLAIMS.values(), ids=WRONG_CLAIMS)
def test_a_token_that_says_something_else_is_refused(
    airline: HostedAirline, issuer: TokenIssuer, claims: dict[str, object]
) -> None:
    assert_refused(deliver_paid(airline, issuer.saying(claims_for(POLICY) | claims)), 401)


@pytest.mark.parametrize(("claim", "seconds"), [("exp", -5), ("nbf", 30), ("iat", 30)])
def test_clocks_may_differ_a_little(airline: HostedAirline, issuer: TokenIssuer, claim: str, seconds: float) -> None:
    assert_let_in(deliver_paid(airline, issuer.saying(claims_for(POLICY) | in_seconds(claim, seconds))))


def test_somebody_of_another_namespace_is_forbidden(airline: HostedAirline, issuer: TokenIssuer) -> None:
    stranger = "system:serviceaccount:airline-staging:confirm-reservation-on-paid"
    assert_refused(deliver_paid(airline, issuer.saying(claims_for(POLICY) | {"sub": stranger})), 403)
    airline.settings["TOKEN_SUBJECTS"] = f"{TRIGGER} {stranger}"
    assert_let_in(deliver_paid(airline, issuer.saying(claims_for(POLICY) | {"sub": stranger})))
    assert_refused(deliver_paid(airline, issuer.saying(claims_for(POLICY) | {"sub": f"{stranger}-2"})), 403)


def by_hand(header: dict[str, str], sign: Callable[[bytes], bytes]) -> str:
    """A token that the library refuses to make."""
    body = b".".join(_segment(json.dumps(part).encode()) for part in (header, claims_for(POLICY)))
    return b".".join((body, _segment(sign(body)))).decode()


def _segment(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def unsigned(issuer: TokenIssuer, other: PrivateKey) -> str:
    return by_hand({"alg": "none", "kid": "first"}, lambda _: b"")


def signed_with_the_public_key_as_secret(issuer: TokenIssuer, other: PrivateKey) -> str:
    public = issuer.keys["first"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return by_hand({"alg": "HS256", "kid": "first"}, lambda body: hmac.digest(public, body, hashlib.sha256))


def signed_by_somebody_else_under_a_known_key_id(issuer: TokenIssuer, other: PrivateKey) -> str:
    return signed(other, claims_for(POLICY), "first")


def signed_with_a_key_that_nobody_published(issuer: TokenIssuer, other: PrivateKey) -> str:
    return signed(other, claims_for(POLICY), "stranger")


def without_a_key_id(issuer: TokenIssuer, other: PrivateKey) -> str:
    return jwt.encode(claims_for(POLICY), issuer.keys["first"], "RS256")


def with_other_claims_under_its_signature(issuer: TokenIssuer, other: PrivateKey) -> str:
    header, _, signature = issuer.token("another-service").split(".")
    _, claims, _ = issuer.token(POLICY).split(".")
    return f"{header}.{claims}.{signature}"


FORGERIES = (
    unsigned,
    signed_with_the_public_key_as_secret,
    signed_by_somebody_else_under_a_known_key_id,
    signed_with_a_key_that_nobody_published,
    without_a_key_id,
    with_other_claims_under_its_signature,
)


@pytest.mark.parametrize("forged", FORGERIES)
def test_a_forged_token_is_refused(
    airline: HostedAirline,
    issuer: TokenIssuer,
    other_key: rsa.RSAPrivateKey,
    forged: Callable[[TokenIssuer, PrivateKey], str],
) -> None:
    assert_refused(deliver_paid(airline, forged(issuer, other_key)), 401)
    assert airline.rows("reserve", "SELECT * FROM outbox") == []


DEEP = base64.urlsafe_b64encode(b"[" * 6000).decode()


@pytest.mark.parametrize(
    "garbage", ["", "x", "a.b.c", "..", "\xff\xfe", "é.é.é", "a b", f"{DEEP}.e30.AA", "e30.e30.AA"]
)
def test_garbage_is_not_a_token(airline: HostedAirline, issuer: TokenIssuer, garbage: str) -> None:
    assert_refused(deliver_paid(airline, garbage), 401)


@pytest.mark.parametrize("scheme", ["Basic", "", "Bearerly"])
def test_only_bearer_tokens_count(airline: HostedAirline, issuer: TokenIssuer, scheme: str) -> None:
    header = {"Authorization": f"{scheme} {issuer.token(POLICY)}"}
    assert_refused(airline.function(POLICY).post("/", json=event("Paid"), headers=CLOUD_EVENT | header), 401)


def test_elliptic_curves_are_understood(airline: HostedAirline, issuer: TokenIssuer) -> None:
    issuer.keys["curve"] = ec.generate_private_key(ec.SECP256R1())
    assert_let_in(deliver_paid(airline, issuer.token(POLICY, "curve")))


def test_the_keys_are_read_once_for_many_deliveries(airline: HostedAirline, issuer: TokenIssuer) -> None:
    for _ in range(5):
        deliver_paid(airline, issuer.token(POLICY))
    assert issuer.asked == ["/openid/v1/jwks", "/.well-known/openid-configuration"]


def test_a_new_key_is_found_when_its_first_token_comes(
    airline: HostedAirline, issuer: TokenIssuer, other_key: rsa.RSAPrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    assert_let_in(deliver_paid(airline, issuer.token(POLICY)))
    issuer.keys = {"second": other_key}
    clock.now += issuer_module.PAUSE

    assert_let_in(deliver_paid(airline, issuer.token(POLICY, "second")))


def test_a_key_that_was_withdrawn_is_forgotten(
    airline: HostedAirline, issuer: TokenIssuer, key: rsa.RSAPrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, old = Clock(monkeypatch), issuer.token(POLICY)
    assert_let_in(deliver_paid(airline, old))
    issuer.keys = {"second": key}
    clock.now += issuer_module.FRESH + 1

    assert_refused(deliver_paid(airline, old), 401)


def test_made_up_key_ids_do_not_make_us_ask_the_issuer_each_time(
    airline: HostedAirline, issuer: TokenIssuer, other_key: rsa.RSAPrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    answers = [deliver_paid(airline, signed(other_key, claims_for(POLICY), f"made-up-{n}")) for n in range(10)]

    # 503, as one of them might be the first with a new key: it is retried, a 401 would be a dead letter
    assert [answer.status_code for answer in answers] == [401] + [503] * 9
    assert len(issuer.asked) == 2
    assert_let_in(deliver_paid(airline, issuer.token(POLICY)))
    clock.now += issuer_module.PAUSE
    assert_refused(deliver_paid(airline, signed(other_key, claims_for(POLICY), "made-up")), 401)


def test_while_the_issuer_is_away_deliveries_are_retried_and_known_keys_do(
    airline: HostedAirline, issuer: TokenIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, token = Clock(monkeypatch), issuer.token(POLICY)
    issuer.away = True
    assert_refused(deliver_paid(airline, token), 503)
    issuer.away = False
    assert_refused(deliver_paid(airline, token), 503)  # asked a moment ago
    clock.now += issuer_module.PAUSE
    assert_let_in(deliver_paid(airline, token))

    issuer.away = True
    clock.now += issuer_module.FRESH + 1
    assert_let_in(deliver_paid(airline, token))


def test_an_issuer_out_of_reach_and_an_authority_that_is_not_there_mean_try_again(
    airline: HostedAirline, issuer: TokenIssuer, tmp_path: Path
) -> None:
    with nobody_listens() as url:
        airline.settings["TOKEN_ISSUER"] = url
        assert_refused(deliver_paid(airline, issuer.token(POLICY)), 503)
    airline.settings |= {"TOKEN_ISSUER": issuer.url, "TOKEN_CA": str(tmp_path / "missing")}
    assert_refused(deliver_paid(airline, issuer.token(POLICY)), 503)


def test_events_carry_the_token_that_is_mounted_and_the_new_one_once_it_is_replaced(
    airline: HostedAirline, broker: RecordingBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = tmp_path / "token"
    monkeypatch.setattr(tokens, "OURS", mounted)
    for token in (None, "first", "second"):
        if token:
            mounted.write_text(token + "\n")
        place(airline)

    assert broker.shown == [None, "Bearer first", "Bearer second"]


def test_a_mounted_token_that_cannot_be_read_leaves_the_event_in_the_outbox(
    airline: HostedAirline, broker: RecordingBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "OURS", tmp_path)  # a folder
    place(airline)

    assert broker.accepted == []
    assert len(airline.rows("reserve", "SELECT * FROM outbox")) == 1


def test_an_event_that_the_broker_does_not_let_in_stays_in_the_outbox(
    airline: HostedAirline, broker: RecordingBroker
) -> None:
    broker.refusals["ReservationPlaced"] = 401
    place(airline)
    assert len(airline.rows("reserve", "SELECT * FROM outbox")) == 1
