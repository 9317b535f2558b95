"""Signing in from a terminal, at a real OpenID provider; and what operators read of each other."""

import json
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from client import sign_in, token_file
from client.sign_in import Device, Issuer
from tests.cli.conftest import Output
from tests.cli.fake_airline import FakeAirline
from tests.openid_provider import AUDIENCE, OpenIdProvider, openid_provider, person_signs_in

Typed = Callable[..., Output]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenIdProvider]:
    with openid_provider(tmp_path_factory.mktemp("openid")) as made:
        yield made


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the tokens of this test are kept."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("AIRLINE_TOKEN", raising=False)
    return tmp_path


@pytest.fixture
def asking(fake: FakeAirline, people: OpenIdProvider) -> FakeAirline:
    """An airline that asks who calls."""
    identity = {
        "issuer": people.url,
        "client": "airline",
        "scope": "openid offline_access",
        "ownerClaim": "customer_id",
    }
    fake.answers["identity"] = (200, identity)
    return fake


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Who opens the address that is shown, while the command waits; nobody where the list is empty."""
    names: list[str] = []
    shown: list[Device] = []
    begin = sign_in.begin

    def begun(issuer: Issuer) -> Device:
        shown.append(begin(issuer))
        return shown[-1]

    def sleep(_: float) -> None:
        if names:
            person_signs_in(shown[-1].whole, names.pop())

    monkeypatch.setattr(sign_in, "begin", begun)
    monkeypatch.setattr(sign_in, "time", SimpleNamespace(time=time.time, monotonic=time.monotonic, sleep=sleep))
    return names


def test_who_enters_the_code_in_a_browser_is_signed_in_at_the_terminal(
    asking: FakeAirline, typed: Typed, person: list[str], people: OpenIdProvider
) -> None:
    person.append("ann")

    done = typed("login", "--json")

    assert (done.code, done.json["sub"], done.json["customer_id"], done.json["aud"]) == (0, "ann", 7, AUDIENCE)
    assert f"{people.url}/device" in done.err
    typed("reservations")
    assert asking.shown[0] is None  # how to sign in is asked by nobody
    assert str(asking.shown[-1]).startswith("Bearer ey")
    assert typed("whoami", "--json").json["sub"] == "ann"


def test_the_token_is_in_a_file_that_only_its_owner_can_read_and_is_gone_after_a_logout(
    asking: FakeAirline, typed: Typed, person: list[str]
) -> None:
    person.append("ann")
    typed("login")

    file = token_file.place()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [*json.loads(file.read_text())] == [asking.url]

    assert typed("logout", "--json").json == {"signedOut": True}
    assert typed("logout", "--json").json == {"signedOut": False}
    assert json.loads(file.read_text()) == {}
    typed("reservations")
    assert asking.shown[-1] is None
    assert typed("whoami").code == 3


def expire(fields: dict[str, object]) -> None:
    """Changes what is kept of the one airline."""
    file = token_file.place()
    kept = json.loads(file.read_text())
    for one in kept.values():
        one["tokens"] |= fields
    file.write_text(json.dumps(kept))


def test_a_token_at_its_end_is_replaced_without_asking_the_person(
    asking: FakeAirline, typed: Typed, person: list[str]
) -> None:
    person.append("ann")
    typed("login")
    typed("reservations")
    expire({"expires_at": time.time()})

    assert typed("reservations").code == 0

    first, second = asking.shown[-2:]
    assert second not in (None, first)
    typed("reservations")
    assert asking.shown[-1] == second


def test_who_was_signed_out_at_the_issuer_is_told_to_sign_in_again(
    asking: FakeAirline, typed: Typed, person: list[str]
) -> None:
    person.append("ann")
    typed("login")
    expire({"expires_at": 0, "refresh": "withdrawn"})

    said = typed("reservations")

    assert said.code == 3
    assert said.err.endswith("airline login\n")


def test_an_airline_that_asks_nobody_has_nothing_to_sign_in_to(fake: FakeAirline, typed: Typed) -> None:
    fake.answers["identity"] = (200, {"issuer": None})
    said = typed("login")
    assert (said.code, "nothing to sign in to" in said.err) == (3, True)


def test_a_token_goes_to_no_other_airline_and_over_no_open_network(
    asking: FakeAirline, typed: Typed, person: list[str]
) -> None:
    said = typed("login", "--url", "http://airline.example")
    assert (said.code, "use https" in said.err) == (3, True)

    person.append("ann")
    typed("login")
    typed("reservations", "--url", asking.url.replace("127.0.0.1", "localhost"))
    assert asking.shown[-1] is None


def test_an_issuer_that_is_another_or_knows_no_terminals_is_refused(
    asking: FakeAirline, typed: Typed, people: OpenIdProvider
) -> None:
    for changed, said in (
        ({"issuer": people.url.replace("127.0.0.1", "localhost")}, "not an issuer that a terminal can sign in with"),
        ({"client": "nobody"}, "gives no code"),
        ({"issuer": asking.url}, "not an issuer"),
        ({"issuer": "http://127.0.0.1:9"}, "cannot be reached"),
    ):
        status, usual = asking.answers["identity"]
        asking.answers["identity"] = (status, usual | changed)
        asking.answers[".well-known/openid-configuration"] = (200, {})
        done = typed("login")
        asking.answers["identity"] = (status, usual)
        assert done.code in (2, 3)
        assert said in done.err


def test_a_program_brings_its_own_token(asking: FakeAirline, typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRLINE_TOKEN", "of.a.program")
    typed("reservations")
    assert asking.shown[-1] == "Bearer of.a.program"
    assert typed("whoami", "--json").json == {"token": "not a JWT"}


def test_what_operators_did_at_all_services_is_shown_latest_first(fake: FakeAirline, typed: Typed) -> None:
    def page(*moments: str) -> tuple[int, object]:
        actions = [
            {"id": at, "at": at, "actor": "olga", "method": "POST", "path": "/x", "status": 200} for at in moments
        ]
        return 200, {"_embedded": {"actions": actions}, "page": {"totalElements": len(actions)}}

    fake.answers |= {f"audit/{service}": page() for service in ("reserve", "dashboard")}
    fake.answers["audit/flight-seats"] = page("2026-03-01T12:00:00Z")
    fake.answers["audit/dead-letters"] = page("2026-03-01T13:00:00Z", "2026-03-01T11:00:00Z")

    done = typed("audit", "--json", "--limit", "2", "--since", "2026-03-01", "--actor", "olga").json

    assert done["total"] == 3
    assert [(one["at"][11:13], one["service"]) for one in done["actions"]] == [
        ("13", "dead-letters"),
        ("12", "flight-seats"),
    ]
    assert "olga" in typed("audit").out
    for about, address in (("7q2m", "/reservations/7Q2M"), ("1001", "/flights/1001"), ("/x", "/x")):
        typed("audit", "--about", about)
        assert fake.queried[-1]["subject"] == address
