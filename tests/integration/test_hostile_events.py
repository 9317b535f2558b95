"""Whatever is sent to a function as an event, it answers, does all of it or nothing, and says only what is an event.

HOSTILE_EXAMPLES=2000 pytest tests/integration/test_hostile_events.py           more of them, others each time
"""

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from broker.embedded import event as broker_event
from choreography import policy
from choreography.problems import MOST_BYTES
from testbed import hostile
from testbed.hosting import FOLDER_OF, Function, HostedAirline
from testbed.project import functions, wiring
from testbed.recording_broker import RecordingBroker
from testbed.vocabulary import DATA, body_of, event, tick
from tests.integration.test_every_target import prepare, rule

EXAMPLES = int(os.environ.get("HOSTILE_EXAMPLES", "60"))
MANY = "HOSTILE_EXAMPLES" in os.environ
POLICIES = sorted(name for name, service in functions().items() if wiring(service))
SINK, COMMANDS = "dead-letters", "reserve-commands"
READ = {
    "reserve": ("reserve", ["/reservations"]),
    "flight-seats": ("flight-seats", ["/flights", "/holds"]),
    "payment": ("payment", ["/payments", "/ledger"]),
    "dashboard-projector": ("dashboard", ["/customerInfos", "/reservations/7Q2M9XW4TBCK/events"]),
    "dead-letters": ("dead-letters", ["/dead-letters?sort=lastAt,desc"]),
}
"""Per folder, who shows what it has."""
FORWARDED = {
    *("specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data"),
    *("partitionkey", "correlationid", "traceparent"),
}

READ_ATTRIBUTES = [
    *("id", "source", "type", "time", "correlationid", "causationid", "traceparent", "datacontenttype"),
    *("knativeerrordest", "knativeerrorcode", "knativeerrordata"),
]
POISON: list[Any] = [
    *("", "\0", "\ud800", "/airline/\0", "/airline/\ud800", "x" * 300, "/airline/" + "x" * 300, "é", "%ff"),
    *(7, True, None, ["x"], {"x": 1}),
]
WORDS = st.sampled_from([event(word) for word in DATA] + [tick()])
OUTSIDE = st.sampled_from(
    [
        event(word, "/agency/7", reservationId="7Q2M9XW4TBCK")
        for word in ("ReservationRequested", "CancellationRequested")
    ]
)

sent_often = hypothesis.settings(
    max_examples=EXAMPLES,
    derandomize=not MANY,
    database=None,
    deadline=None,  # pytest has one
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)


@dataclass
class Watched:
    """A function and what its folder keeps, which is looked at again only after somebody has committed."""

    airline: HostedAirline
    service: str
    database: sqlite3.Connection
    version: int = -1
    contents: str = ""
    answers: Counter[int] = field(default_factory=Counter)

    @property
    def function(self) -> Function:
        return self.airline.function(self.service)

    def changed(self) -> bool:
        """Whether anything is kept now that was not at the last look."""
        (version,) = self.database.execute("PRAGMA data_version").fetchone()
        if version == self.version:
            return False
        before, self.version = self.contents, version
        self.contents = "\n".join(self.database.iterdump())
        return self.contents != before

    def assert_not_all_was_refused(self) -> None:
        assert {200, 202, 204} & self.answers.keys(), f"nothing came through: {self.answers}"

    def is_sent(self, request: hostile.Request, path: str) -> TestResponse:
        to = (path + request.path).replace("//", "/", 1)
        answer = self.function.open(request.method, to, headers=list(request.headers), data=request.body)
        self.answers[answer.status_code] += 1
        return answer


@contextmanager
def watched(airline: HostedAirline, service: str) -> Iterator[Watched]:
    with closing(sqlite3.connect(airline.database(FOLDER_OF[service]))) as database:
        found = Watched(airline, service, database)
        prepare(airline, service)
        found.changed()
        yield found


@pytest.fixture(autouse=True)
def nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provider.charges.SLOW_SECONDS", 0)


@pytest.mark.parametrize("service", [*POLICIES, COMMANDS])
def test_an_attribute_that_no_database_takes_is_read_or_refused(
    airline: HostedAirline, broker: RecordingBroker, service: str
) -> None:
    path, source = ("/events", "/agency/7") if service == COMMANDS else ("/", "/airline/x")
    word = "ReservationRequested" if service == COMMANDS else heard_by(service)[0]
    with watched(airline, service) as function:
        for attribute, value in product(READ_ATTRIBUTES, POISON):
            spoilt = event(word, source) | {attribute: value}
            headers = (("Content-Type", hostile.STRUCTURED),)
            request = hostile.Request("POST", "", headers, json.dumps(spoilt).encode())
            assert_all_or_nothing(function, function.is_sent(request, path))


@pytest.mark.parametrize("service", [*POLICIES, COMMANDS])
def test_data_nested_to_about_where_python_gives_up_are_read_or_refused(
    airline: HostedAirline, broker: RecordingBroker, service: str
) -> None:
    whole = json.dumps(event("ReservationPlaced", "/agency/7", more=hostile.MARKED))
    with watched(airline, service) as function:
        for depth in (*range(97, 103), *range(850, 1000, 4)):
            body = whole.replace(json.dumps(hostile.MARKED), "[" * depth + "]" * depth).encode()
            request = hostile.Request("POST", "", (("Content-Type", hostile.STRUCTURED),), body)
            assert_all_or_nothing(function, function.is_sent(request, "/events" if service == COMMANDS else "/"))


@pytest.mark.parametrize("service", POLICIES)
def test_a_policy_does_all_or_nothing_whatever_it_is_sent(
    airline: HostedAirline, broker: RecordingBroker, service: str
) -> None:
    with watched(airline, service) as target:

        @sent_often
        @given(hostile.requests(st.sampled_from([event(word) for word in heard_by(service)]) | WORDS))
        def is_sent(request: hostile.Request) -> None:
            broker.accepted.clear()
            answer = target.is_sent(request, "/")
            assert_all_or_nothing(target, answer)
            if answer.status_code < 300 and request.method not in ("GET", "HEAD"):
                assert_fit_for_a_broker(answer)
            assert_events(broker.accepted)

        is_sent()
        target.assert_not_all_was_refused()


def test_the_dead_letter_sink_keeps_and_shows_and_sends_again_whatever_is_an_event(
    airline: HostedAirline, broker: RecordingBroker
) -> None:
    with watched(airline, SINK) as sink:

        @sent_often
        @given(hostile.requests(WORDS))
        def is_sent(request: hostile.Request) -> None:
            answer = sink.is_sent(request, "/")
            if assert_all_or_nothing(sink, answer):
                assert (answer.status_code, answer.data) == (204, b"")
                assert_readable_and_replayable(sink.function)
                sink.changed()

        is_sent()
        sink.assert_not_all_was_refused()


def test_commands_from_outside_are_forwarded_clean_or_refused(airline: HostedAirline, broker: RecordingBroker) -> None:
    with watched(airline, COMMANDS) as function:

        @sent_often
        @given(hostile.requests(OUTSIDE) | hostile.requests(WORDS))
        def is_sent(request: hostile.Request) -> None:
            broker.accepted.clear()
            answer = function.is_sent(request, "/events")
            assert_all_or_nothing(function, answer)
            assert len(broker.accepted) == (answer.status_code == 202)
            for said in broker.accepted:
                assert said.keys() == FORWARDED
                assert not said["source"].startswith("/airline/")
            assert_events(broker.accepted)

        is_sent()
        function.assert_not_all_was_refused()


def heard_by(service: str) -> list[str]:
    """The words that a policy hears; all of them, where it hears any event."""
    found = wiring(functions()[service])
    heard = policy.hears(rule(found.rules[0])) if found else {}
    return [word for word in DATA if word in heard] or list(DATA)


def assert_all_or_nothing(watched: Watched, answer: TestResponse) -> bool:
    """No fault of ours; what is refused in few bytes has changed nothing. Returns whether something was changed."""
    assert answer.status_code < 500, answer.text
    changed = watched.changed()
    if answer.status_code >= 300:
        assert len(answer.data) <= MOST_BYTES
        assert not changed, f"refused with {answer.status_code}, and yet something was done"
    elif changed:
        assert_shown(watched)
    return changed


def assert_shown(watched: Watched) -> None:
    """What is kept now does not spoil the reading, and no seat was made or lost."""
    shows, paths = READ[FOLDER_OF[watched.service]]
    for path in paths:
        assert watched.airline.function(shows).get(path).status_code in (200, 404)
    if FOLDER_OF[watched.service] == "flight-seats":
        query = """SELECT 1 FROM flights WHERE remaining_seats_count + coalesce(
            (SELECT sum(seat_qty) FROM holds WHERE flight_id = flights.id AND status = 'HELD'), 0) <> capacity"""
        assert watched.database.execute(query).fetchall() == []


def assert_fit_for_a_broker(answer: TestResponse) -> None:
    """204 and nothing, or one event that the embedded broker takes, which is stricter than Knative's."""
    if answer.status_code == 204:
        assert answer.data == b""
    else:
        assert answer.status_code == 200
        assert broker_event.parse(answer.headers.items(), answer.data)


def assert_events(accepted: list[dict[str, Any]]) -> None:
    for said in accepted:
        headers = {"Content-Type": "application/cloudevents+json"}
        assert broker_event.parse(headers.items(), json.dumps(said).encode())


def assert_readable_and_replayable(sink: Function) -> None:
    latest = body_of(sink.get("/dead-letters?sort=lastAt,desc&size=1"))["_embedded"]["deadLetters"][0]
    assert sink.get(f"/dead-letters/{latest['id']}").status_code == 200
    replayed = sink.post(f"/dead-letters/{latest['id']}/replay").status_code
    assert replayed == (409 if latest["status"] == "DISCARDED" else 200)  # a stranger's, too large to be kept
