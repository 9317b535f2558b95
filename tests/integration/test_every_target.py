"""What a broker and a probe may rely on, whichever target of whichever main.py they call."""

import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Request
from sqlalchemy import Connection
from werkzeug.test import TestResponse, create_environ

from airline.events import AIRLINE, Paid, ReservationConfirmed
from airline.values import ReservationId
from choreography import logs, policy
from testbed.hosting import FOLDER_OF, HostedAirline
from testbed.project import functions, wiring
from testbed.recording_broker import RecordingBroker
from testbed.vocabulary import DATA, RESERVATION, assert_refused, body_of, event, tick

WIRED = {name: found for name, service in functions().items() if (found := wiring(service))}
SPEAKING = {name: found for name, found in WIRED.items() if found.wrapper in ("reply", "reply_in_steps", "announce")}
PLACED = ("place-reservation", "ReservationRequested")
BEFORE = {
    "cancel-reservation": [PLACED],
    "confirm-reservation": [PLACED],
    "settle-reservations": [PLACED, ("confirm-reservation", "Paid")],
    "restore-seats": [("decrease-seats", "ReservationPlaced")],
    "refund-payment": [("charge-payment", "RemainingSeatsDecreased")],
}
"""What has to have happened for a policy to have something to do: who heard what."""


def rule(name: str) -> Any:
    module, _, attribute = name.partition(".")
    return getattr(importlib.import_module(module), attribute)


HEARD = [(name, word) for name, found in SPEAKING.items() for word in sorted(policy.hears(rule(found.rules[0])))]


def assert_fit_for_a_broker(answer: TestResponse, cause: dict[str, Any]) -> None:
    """204 and nothing, or one structured CloudEvent about the same saga, whose id says what it is."""
    if answer.status_code == 204:
        assert answer.data == b""
        return
    assert (answer.status_code, answer.content_type) == (200, "application/cloudevents+json")
    said = body_of(answer)
    assert said["specversion"] == "1.0"
    assert said["id"] == AIRLINE.event_id(said["type"], RESERVATION)
    assert said["source"] == f"/airline/{FOLDER_OF[SAYS[said['type']]]}"
    assert said["datacontenttype"] == "application/json"
    assert said["partitionkey"] == said["correlationid"] == said["data"]["reservationId"] == RESERVATION
    assert said["causationid"] == cause["id"]
    assert said["traceparent"].split("-")[1] == cause["traceparent"].split("-")[1]
    assert said["traceparent"] != cause["traceparent"]
    assert not {name for name in said if name.startswith("knative")}


SAYS = {word: name for name, found in SPEAKING.items() for word in policy.says(rule(found.rules[-1]))}


def replies(service: str) -> bool:
    """Whether a policy's event is its reply; otherwise it is announced, or there is none."""
    return SPEAKING[service].wrapper != "announce" and bool(policy.says(rule(SPEAKING[service].rules[-1])))


def prepare(airline: HostedAirline, service: str) -> None:
    for earlier, word in BEFORE.get(service, []):
        assert airline.function(earlier).hear(event(word)).status_code in (200, 204)


def as_kafka_delivers(cause: dict[str, Any]) -> dict[str, str]:
    """Binary mode, with what the broker adds."""
    headers = {f"ce-{name}": str(value) for name, value in cause.items() if name not in ("data", "datacontenttype")}
    added = {
        "ce-knativekafkaoffset": "7",
        "ce-knativekafkapartition": "0",
        "Kn-Namespace": "airline",
        "Prefer": "reply",
    }
    return headers | added | {"Content-Type": "application/json"}


@pytest.mark.parametrize("service", FOLDER_OF)
def test_a_function_is_ready(airline: HostedAirline, service: str) -> None:
    answer = airline.function(service).get("/healthz")

    assert (answer.status_code, answer.data) == (204, b"")


@pytest.mark.parametrize("service", FOLDER_OF)
def test_a_function_whose_database_is_away_is_not_ready(airline: HostedAirline, service: str, tmp_path: Path) -> None:
    airline.settings["DATABASE_URL"] = f"sqlite:///{tmp_path / 'no such folder' / 'x.db'}"

    assert_refused(airline.function(service).get("/healthz"), 503)


@pytest.mark.parametrize(("service", "word"), HEARD)
def test_a_policy_replies_with_nothing_or_one_event(airline: HostedAirline, service: str, word: str) -> None:
    prepare(airline, service)

    answer = airline.function(service).hear(event(word))

    assert_fit_for_a_broker(answer, event(word))
    assert answer.status_code == (200 if replies(service) else 204)


@pytest.mark.parametrize(("service", "word"), HEARD)
def test_a_policy_announces_only_events_fit_for_a_broker(
    airline: HostedAirline, broker: RecordingBroker, service: str, word: str
) -> None:
    prepare(airline, service)
    broker.accepted.clear()
    airline.function(service).hear(event(word))

    for said in broker.accepted:
        assert said["id"] == AIRLINE.event_id(said["type"], RESERVATION)
        assert said["partitionkey"] == said["correlationid"] == RESERVATION
        assert said["causationid"]
    assert bool(broker.accepted) == (SPEAKING[service].wrapper == "announce")


@pytest.mark.parametrize(("service", "word"), HEARD)
def test_a_redelivery_says_the_same_event_again(
    airline: HostedAirline, broker: RecordingBroker, service: str, word: str
) -> None:
    prepare(airline, service)
    broker.accepted.clear()
    function = airline.function(service)

    first, again = function.hear(event(word)), function.hear(event(word))

    assert_fit_for_a_broker(again, event(word))
    assert again.status_code == first.status_code
    said = [body_of(answer) for answer in (first, again) if answer.data] + broker.accepted
    assert [(one["id"], one["data"]) for one in said] == [(one["id"], one["data"]) for one in said[:1]] * 2
    assert bool(said) == bool(policy.says(rule(SPEAKING[service].rules[-1])))


@pytest.mark.parametrize(("service", "word"), HEARD)
def test_a_policy_hears_an_event_as_the_kafka_broker_delivers_it(
    airline: HostedAirline, service: str, word: str
) -> None:
    prepare(airline, service)
    cause, before = event(word), airline.contents(FOLDER_OF[service])

    answer = airline.function(service).post("/", data=json.dumps(cause["data"]), headers=as_kafka_delivers(cause))

    assert_fit_for_a_broker(answer, cause)
    assert answer.status_code == (200 if replies(service) else 204)
    assert airline.contents(FOLDER_OF[service]) != before


@pytest.mark.parametrize(("service", "word"), HEARD)
@pytest.mark.parametrize("data", [None, [], "text", {}, {"reservationId": 1}])
def test_a_broken_event_is_refused_for_good_and_changes_nothing(
    airline: HostedAirline, service: str, word: str, data: object
) -> None:
    prepare(airline, service)
    before = airline.contents(FOLDER_OF[service])

    answer = airline.function(service).hear(event(word) | {"data": data})

    assert answer.status_code in (400, 422)  # what a broker dead-letters at once
    assert answer.content_type == "application/problem+json"
    assert airline.contents(FOLDER_OF[service]) == before


@pytest.mark.parametrize("service", SPEAKING)
def test_a_policy_refuses_what_it_does_not_hear(airline: HostedAirline, service: str) -> None:
    for word in DATA.keys() - policy.hears(rule(SPEAKING[service].rules[0])).keys() - {AIRLINE.ahead}:
        assert_refused(airline.function(service).hear(event(word)), 422)


@pytest.mark.parametrize("service", [name for name, found in WIRED.items() if found.wrapper in ("observe", "tidy")])
def test_who_observes_or_keeps_house_never_replies(airline: HostedAirline, service: str) -> None:
    for heard in (event("ReservationPlaced"), event("ReservationCanceled"), tick()):
        assert_fit_for_a_broker(airline.function(service).hear(heard), heard)
        assert airline.function(service).hear(heard).status_code == 204


@pytest.mark.parametrize("service", WIRED)
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"[" * 100_000, b"\xff", b'{"specversion": "1.0"}'])
def test_what_is_not_an_event_is_refused_for_good(airline: HostedAirline, service: str, body: bytes) -> None:
    answer = airline.function(service).post("/", data=body, headers={"Content-Type": "application/cloudevents+json"})

    assert_refused(answer, 400)


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterSent:
    """An event that is not in the glossary."""

    reservation_id: ReservationId


def hears_a_stranger(heard: LetterSent, transaction: Connection) -> None:
    raise AssertionError("nothing may be done by a policy that cannot read what it hears")


def says_a_stranger(heard: ReservationConfirmed | Paid, transaction: Connection) -> LetterSent | None:
    raise AssertionError("nothing may be done by a policy that cannot say what it did")


@pytest.mark.parametrize("wrapper", [policy.reply, policy.announce])
@pytest.mark.parametrize("rule", [hears_a_stranger, says_a_stranger])
def test_a_policy_with_a_word_that_is_not_in_the_glossary_is_never_ready(wrapper: Any, rule: Any) -> None:
    for method in ("GET", "POST"):
        answer = wrapper(Request(create_environ(method=method)), rule, "/airline/x")

        assert (answer.status_code, answer.content_type) == (500, "application/problem+json")
        assert "LetterSent must be derived from the class Event of the glossary" in answer.get_data(as_text=True)


def hears_nobody_knows_what(heard: "NobodyImportedThis", transaction: Connection) -> None:  # type: ignore[name-defined] # noqa: F821
    raise AssertionError("nothing may be done by a policy that cannot read what it hears")


@pytest.mark.parametrize("rule", [hears_a_stranger, hears_nobody_knows_what])
def test_a_policy_that_can_never_be_ready_says_in_the_log_where(
    rule: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.configure()
    monkeypatch.setattr(logs.log, "handlers", [caplog.handler])

    answer = policy.reply(Request(create_environ()), rule, "/airline/x")

    assert (answer.status_code, answer.content_type) == (500, "application/problem+json")
    assert [record.exc_info is not None for record in caplog.records] == [True]


@pytest.mark.parametrize("service", SPEAKING)
def test_every_word_of_a_policy_is_in_the_glossary(service: str) -> None:
    policy.check(tuple(map(rule, SPEAKING[service].rules)))
