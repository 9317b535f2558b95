"""While versions differ nothing is lost: yesterday's consumers hear tomorrow's events, and the other way round."""

import functools
import importlib
from collections.abc import Callable
from dataclasses import fields, make_dataclass
from typing import Any, Union, get_type_hints

import pytest
from jsonschema import Draft202012Validator

from airline.events import AIRLINE, BY_TYPE, OF_SAGAS
from choreography import policy
from choreography.events import Event
from contracts import compatibility
from testbed.hosting import FOLDER_OF, HostedAirline
from testbed.project import ROOT
from testbed.recording_broker import RecordingBroker
from testbed.vocabulary import CLOUD_EVENT, DATA, RESERVATION, assert_refused, body_of, event
from tests.integration.test_every_target import HEARD, SPEAKING, prepare, replies

RELEASED = compatibility.released(ROOT)
each_policy = pytest.mark.parametrize(("service", "word"), HEARD)
ADDED: dict[str, Any] = {"luggage": 2, "seatNumbers": ["12A", "12B"], "fare": {"class": "Y", "tax": 1.5}, "note": None}
"""Fields of tomorrow, of every JSON type."""


def of_tomorrow(word: str) -> dict[str, Any]:
    """The same event with fields that are not known yet, and the schema that has them."""
    return event(word, **ADDED) | {"dataschema": f"{AIRLINE.schemas}{word}/2", "tenant": "tomorrow"}


def said(answer: Any, broker: RecordingBroker) -> list[tuple[str, Any]]:
    """The events of a policy since the last call of this, by its reply or through the outbox."""
    all_of_it = [*([body_of(answer)] if answer.data else []), *broker.accepted]
    broker.accepted.clear()
    return [(one["id"], one["data"]) for one in all_of_it]


@each_policy
def test_a_policy_of_yesterday_does_for_an_event_of_tomorrow_what_it_does_for_one_of_today(
    airline: HostedAirline, broker: RecordingBroker, service: str, word: str
) -> None:
    prepare(airline, service)
    broker.accepted.clear()
    function, folder = airline.function(service), FOLDER_OF[service]
    before = airline.contents(folder)

    answer = function.hear(of_tomorrow(word))

    assert answer.status_code in (200, 204), answer.text
    done, spoken = airline.contents(folder), said(answer, broker)
    assert done != before
    assert bool(spoken) == bool(policy.says(rule(SPEAKING[service].rules[-1])))
    # one of today is only a repeat now: it changes nothing and hears the same
    assert said(function.hear(event(word)), broker) == spoken
    assert airline.contents(folder) == done


@pytest.mark.parametrize("word", OF_SAGAS)
def test_the_dashboard_of_yesterday_keeps_what_only_that_of_tomorrow_will_understand(
    airline: HostedAirline, word: str
) -> None:
    assert airline.function("project-dashboard").hear(of_tomorrow(word)).status_code == 204

    (kept,) = body_of(airline.function("dashboard").get(f"/reservations/{RESERVATION}/events"))["_embedded"]["events"]
    assert kept["data"] == DATA[word] | ADDED


@pytest.mark.parametrize("added", ["x" * 20_000, float("nan")], ids=["too long", "no JSON"])
def test_the_dashboard_keeps_what_it_knows_of_an_event_with_fields_that_cannot_be_kept(
    airline: HostedAirline, added: object
) -> None:
    assert airline.function("project-dashboard").hear(event("Paid", note=added)).status_code == 204

    (kept,) = body_of(airline.function("dashboard").get(f"/reservations/{RESERVATION}/events"))["_embedded"]["events"]
    assert kept["data"] == DATA["Paid"]


@pytest.mark.parametrize("word", ["ReservationRequested", "CancellationRequested"])
def test_a_command_with_fields_of_tomorrow_is_accepted(airline: HostedAirline, word: str) -> None:
    command = of_tomorrow(word) | {"id": "order-1", "source": "/agency/7"}
    if word == "CancellationRequested":
        wanted = {"customerId": 7, "flightId": 1001, "seatQty": 3}
        made = body_of(airline.function("reserve").post("/reservations", json=wanted))
        command["data"] = command["data"] | {"reservationId": made["reservationId"]}

    assert airline.function("reserve-commands").post("/events", json=command, headers=CLOUD_EVENT).status_code == 202


@each_policy
def test_an_event_of_tomorrow_that_cannot_be_read_is_refused_and_kept_whole_for_a_replay(
    airline: HostedAirline, broker: RecordingBroker, service: str, word: str
) -> None:
    prepare(airline, service)
    name = next(iter(DATA[word]))
    heard = event(word, **ADDED | {name: {"as": "an object"}})

    assert_refused(airline.function(service).hear(heard), 422, name)  # which a broker gives to the dead letters at once

    letter = heard | {"knativeerrordest": f"http://{service}.airline.svc.cluster.local", "knativeerrorcode": 422}
    assert airline.function("dead-letters").hear(letter).status_code == 204
    (kept,) = body_of(airline.function("dead-letters").get("/dead-letters"))["_embedded"]["deadLetters"]
    assert kept["status"] == "OPEN"

    assert airline.function("dead-letters").post(f"/dead-letters/{kept['id']}/replay").status_code == 200
    assert broker.accepted[-1]["data"] == heard["data"]


@each_policy
def test_a_policy_of_tomorrow_hears_an_event_of_yesterday_without_the_fields_it_has_learned(
    airline: HostedAirline, monkeypatch: pytest.MonkeyPatch, service: str, word: str
) -> None:
    prepare(airline, service)
    function = airline.function(service)
    module, _, name = SPEAKING[service].rules[0].partition(".")
    heard: list[Event] = []
    monkeypatch.setattr(importlib.import_module(module), name, tomorrow(rule(SPEAKING[service].rules[0]), heard))

    assert function.hear(event(word)).status_code in (200, 204)
    assert function.hear(event(word, luggage="2")).status_code in (200, 204)

    yesterday, today = heard
    assert type(yesterday).__mro__[1] is BY_TYPE[word]
    assert (yesterday.luggage, today.luggage) == (None, 2)  # type: ignore[attr-defined]


@each_policy
def test_a_policy_of_today_hears_an_event_of_yesterday(airline: HostedAirline, service: str, word: str) -> None:
    prepare(airline, service)
    heard = event(word)  # without a schema, and with what the last release required
    yesterdays = heard | {"data": {name: heard["data"][name] for name in RELEASED[word]["required"]}}

    assert airline.function(service).hear(yesterdays).status_code == (200 if replies(service) else 204)


@each_policy
def test_consumers_of_yesterday_can_read_the_events_of_today(
    airline: HostedAirline, broker: RecordingBroker, service: str, word: str
) -> None:
    prepare(airline, service)
    broker.accepted.clear()
    answer = airline.function(service).hear(event(word))

    spoken = [*broker.accepted, *([body_of(answer)] if answer.data else [])]

    assert bool(spoken) == bool(policy.says(rule(SPEAKING[service].rules[-1])))
    for one in spoken:
        released = RELEASED[one["type"]]
        assert list(Draft202012Validator(released).iter_errors(one["data"])) == []
        assert one["dataschema"] == f"{AIRLINE.schemas}{one['type']}/{BY_TYPE[one['type']].version}"


def rule(name: str) -> Callable[..., Any]:
    module, _, attribute = name.partition(".")
    found: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    return found


def tomorrow(rule: Callable[..., Any], heard: list[Event]) -> Callable[..., Any]:
    """The rule with one more optional field in each of its events; it notes what it hears."""

    @functools.wraps(rule)
    def learned(event: Event, *others: Any) -> Any:
        heard.append(event)
        return rule(event, *others)

    hints = get_type_hints(rule)
    words = tuple(grown(word) for word in policy.hears(rule).values())
    learned.__annotations__ = {**hints, next(iter(hints)): Union[words]}  # noqa: UP007 - however many they are
    return learned


def grown(word: type[Event]) -> type[Event]:
    """Tomorrow's class of an event."""
    assert "luggage" not in {field.name for field in fields(word)}  # type: ignore[arg-type]
    return make_dataclass(word.__name__, [("luggage", int | None)], bases=(word,), frozen=True, kw_only=True)
