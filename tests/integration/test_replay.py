"""Dead letters people can work with: sent to the broker again as the events were, or discarded with a note."""

import base64
import json
import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest

from choreography import outbox
from choreography.errors import BrokerAway
from choreography.problems import MOST_BYTES
from testbed.hosting import Function, HostedAirline
from testbed.recording_broker import RecordingBroker
from testbed.vocabulary import CLOUD_EVENT, INSTANT, assert_refused, body_of, event, href, place
from tests.integration.conftest import Clock
from tests.integration.test_dead_letters import FUNCTION, dead, keep, kept

ADDED = {"knativeerrordest": FUNCTION, "knativeerrorcode": "500", "knativeerrordata": "", "knativekafkaoffset": "7"}
ADDED |= {"knativekafkapartition": "0", "knativebrokerttl": "255", "knativearrivaltime": INSTANT}
BARE = {"specversion": "1.0", "id": "1", "source": "/stranger", "type": "com.example.thing"}


@pytest.fixture
def sink(airline: HostedAirline) -> Function:
    return airline.function("dead-letters")


def only(airline: HostedAirline) -> dict[str, Any]:
    (letter,) = kept(airline)
    return letter


def replay(sink: Function, letter: dict[str, Any]) -> dict[str, Any]:
    answer = sink.post(f"/dead-letters/{letter['id']}/replay")
    assert answer.status_code == 200, answer.text
    return body_of(answer)


def replay_all(sink: Function, **wanted: object) -> tuple[int, int]:
    answer = sink.post("/dead-letters/replay", json=wanted)
    assert answer.status_code == 200, answer.text
    return body_of(answer)["replayed"], body_of(answer)["remaining"]


def statuses(airline: HostedAirline) -> dict[str, str]:
    return {letter["eventId"]: letter["status"] for letter in kept(airline)}


def test_a_letter_is_open_until_it_is_replayed(airline: HostedAirline, sink: Function, broker: RecordingBroker) -> None:
    keep(airline, dead(event("Paid")))
    letter = only(airline)
    assert (letter["status"], letter["note"], letter["decidedAt"]) == ("OPEN", None, None)

    replayed = replay(sink, letter)

    assert (replayed["status"], bool(replayed["decidedAt"])) == ("REPLAYED", True)
    assert broker.accepted == [event("Paid")]
    assert body_of(sink.get(href(letter, "self"))) == replayed
    assert [shown["id"] for shown in kept(airline, "status=REPLAYED")] == [letter["id"]]
    assert kept(airline, "status=OPEN") == []


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"data": {"a": [1, 2.5, "좌석", None]}},
        {"data": "text", "datacontenttype": "text/plain"},
        {"data": False, "datacontenttype": "application/json"},
        {"data": ""},
        {"data_base64": base64.b64encode(b"\xff\xd8").decode(), "datacontenttype": "image/jpeg"},
        {"data": {"base64": "/9g="}},
        {"data": {}, "extension": 7, "flag": True, "time": INSTANT, "subject": "x"},
    ],
    ids=str,
)
def test_an_event_is_replayed_as_it_was(
    airline: HostedAirline, sink: Function, broker: RecordingBroker, data: dict[str, Any]
) -> None:
    keep(airline, BARE | data | ADDED)

    replay(sink, only(airline))

    assert broker.accepted == [BARE | data]


@pytest.mark.parametrize(
    ("sent", "replayed"),
    [
        (("application/json", b'{"a": 1}'), {"data": {"a": 1}}),
        (("application/vnd.example+json; charset=utf-8", b"[1]"), {"data": [1]}),
        (("application/json", b"{"), {"data_base64": base64.b64encode(b"{").decode()}),
        (("application/json", b"NaN"), {"data_base64": base64.b64encode(b"NaN").decode()}),
        (("application/json", b"null"), {"data_base64": base64.b64encode(b"null").decode()}),
        (("text/plain", b"123"), {"data_base64": base64.b64encode(b"123").decode()}),
        (("image/jpeg", b"\xff\xd8"), {"data_base64": base64.b64encode(b"\xff\xd8").decode()}),
        (("application/json", b""), {}),
    ],
)
def test_an_event_that_came_in_binary_mode_keeps_its_data(
    airline: HostedAirline, sink: Function, broker: RecordingBroker, sent: tuple[str, bytes], replayed: dict[str, Any]
) -> None:
    media, body = sent
    headers = {f"ce-{name}": value for name, value in (BARE | ADDED).items()} | {"Content-Type": media}
    assert sink.post("/", data=body, headers=headers).status_code == 204

    replay(sink, only(airline))

    assert broker.accepted == [BARE | {"datacontenttype": media} | replayed]


def test_a_function_that_was_mended_hears_what_it_had_missed(
    airline: HostedAirline, sink: Function, broker: RecordingBroker
) -> None:
    reservation = place(airline)
    paid = event("Paid", reservationId=reservation["reservationId"])
    keep(airline, dead(paid))
    replay(sink, only(airline))

    for _ in range(2):
        assert airline.function("confirm-reservation").hear(broker.accepted[-1]).status_code == 200

    assert body_of(airline.function("reserve").get(href(reservation, "self")))["status"] == "SUCCEED"


def test_replaying_twice_sends_the_same_event_twice(
    airline: HostedAirline, sink: Function, broker: RecordingBroker
) -> None:
    keep(airline, dead(event("Paid")))

    replay(sink, only(airline))
    assert replay(sink, only(airline))["status"] == "REPLAYED"

    assert broker.accepted == [event("Paid")] * 2


def test_a_letter_that_fails_again_is_open_again(airline: HostedAirline, sink: Function) -> None:
    keep(airline, dead(event("Paid"), "first", "500"))
    replay(sink, only(airline))

    keep(airline, dead(event("Paid"), "second", "503"))

    letter = only(airline)
    assert (letter["status"], letter["times"], letter["reason"], letter["decidedAt"]) == ("OPEN", 2, "second", None)
    assert body_of(sink.get(href(letter, "self")))["attributes"]["knativeerrorcode"] == "503"


def test_a_letter_that_fails_again_before_the_replay_is_noted_stays_open(
    airline: HostedAirline, sink: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(airline, dead(event("Paid")))
    monkeypatch.setattr("choreography.outbox.deliver", lambda body: keep(airline, dead(json.loads(body))))

    letter = replay(sink, only(airline))

    assert (letter["status"], letter["times"]) == ("OPEN", 2)


def test_a_broker_that_does_not_take_it_leaves_the_letter_open(
    airline_without_broker: HostedAirline, broker: RecordingBroker
) -> None:
    airline = airline_without_broker
    keep(airline, dead(event("Paid")))
    sink, path = airline.function("dead-letters"), f"/dead-letters/{only(airline)['id']}/replay"

    assert_refused(sink.post(path), 503)
    assert_refused(sink.post("/dead-letters/replay", json={}), 503)

    airline.sink, broker.refusals["Paid"] = broker.url, 400
    assert_refused(airline.function("dead-letters").post(path), 503)
    assert only(airline)["status"] == "OPEN"


def test_a_function_without_a_broker_says_so(airline_without_broker: HostedAirline) -> None:
    airline_without_broker.sink = ""
    keep(airline_without_broker, dead(event("Paid")))

    answer = airline_without_broker.function("dead-letters").post("/dead-letters/replay", json={})

    assert_refused(answer, 503)
    assert "K_SINK" in answer.text


def test_what_is_discarded_has_a_note_and_is_not_replayed(
    airline: HostedAirline, sink: Function, broker: RecordingBroker
) -> None:
    keep(airline, dead(event("Paid")))
    path = f"/dead-letters/{only(airline)['id']}"

    for note in ("a test of ours", "a test of ours, really"):
        discarded = body_of(sink.post(f"{path}/discard", json={"note": note}))
        assert (discarded["status"], discarded["note"], bool(discarded["decidedAt"])) == ("DISCARDED", note, True)

    assert_refused(sink.post(f"{path}/replay"), 409)
    assert replay_all(sink) == (0, 0)
    assert broker.accepted == []
    assert [shown["note"] for shown in kept(airline, "status=DISCARDED")] == ["a test of ours, really"]


def test_what_fails_after_it_was_discarded_is_open_and_keeps_its_note(airline: HostedAirline, sink: Function) -> None:
    keep(airline, dead(event("Paid")))
    sink.post(f"/dead-letters/{only(airline)['id']}/discard", json={"note": "a test of ours"})

    keep(airline, dead(event("Paid")))

    assert (only(airline)["status"], only(airline)["note"]) == ("OPEN", "a test of ours")


@pytest.mark.parametrize("note", [None, "", " \n", 7, "x" * 501])
def test_nothing_is_discarded_without_saying_why(airline: HostedAirline, sink: Function, note: object) -> None:
    keep(airline, dead(event("Paid")))

    assert_refused(sink.post(f"/dead-letters/{only(airline)['id']}/discard", json={"note": note}), 422, "note")
    assert only(airline)["status"] == "OPEN"


@pytest.mark.parametrize(("decision", "body"), [("replay", None), ("discard", {"note": "why"})])
def test_a_letter_that_is_not_there_cannot_be_decided_on(sink: Function, decision: str, body: object) -> None:
    assert_refused(sink.post(f"/dead-letters/none/{decision}", json=body), 404)


@pytest.mark.parametrize(
    ("wanted", "replayed"),
    [
        ({}, 3),
        ({"type": "Paid"}, 1),
        ({"function": "restore-seats"}, 1),
        ({"reservationId": "000000000001"}, 1),
        ({"type": "ReservationCanceled", "function": "refund-payment"}, 1),
        ({"type": "Paid", "function": "restore-seats"}, 0),
    ],
)
def test_all_letters_of_a_kind_are_replayed_at_once(
    airline: HostedAirline, sink: Function, broker: RecordingBroker, wanted: dict[str, str], replayed: int
) -> None:
    canceled = event("ReservationCanceled", reservationId="000000000001")
    keep(airline, dead(event("Paid")))
    keep(airline, dead(canceled | {"id": "one"}, by="http://restore-seats.airline.svc.cluster.local"))
    keep(airline, dead(event("ReservationCanceled"), by="http://refund-payment.airline.svc.cluster.local"))

    assert replay_all(sink, **wanted) == (replayed, 0)

    assert len(broker.accepted) == list(statuses(airline).values()).count("REPLAYED") == replayed


def test_a_misspelt_kind_is_refused_and_replays_nothing(
    airline: HostedAirline, sink: Function, broker: RecordingBroker
) -> None:
    keep(airline, dead(event("Paid")))

    assert_refused(sink.post("/dead-letters/replay", json={"tpye": "Paid"}), 422, "tpye")
    assert_refused(sink.post("/dead-letters/replay", json={"before": "then"}), 422, "before")
    assert broker.accepted == []


@pytest.mark.parametrize("name", ["\ud800", "a\udfffb", "\x00", "\u202e", "é" * 200, "x" * 9_000, "\ud800" * 500])
def test_a_misspelt_kind_is_named_whatever_its_letters(airline: HostedAirline, sink: Function, name: str) -> None:
    answer = sink.post("/dead-letters/replay", json={name: "Paid"})

    named = body_of(answer).get("errors", [])
    assert (answer.status_code, answer.content_type, len(answer.data) <= MOST_BYTES) == (
        422,
        "application/problem+json",
        True,
    )
    assert [error["field"] for error in named] == (
        [] if len(name) > MOST_BYTES else [name.encode(errors="replace").decode()]
    )


def test_of_many_letters_some_are_replayed_by_each_call(
    airline: HostedAirline, sink: Function, broker: RecordingBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("replay.MOST_AT_ONCE", 2)
    for number in range(5):
        keep(airline, dead(event("Paid") | {"id": str(number)}))

    assert [replay_all(sink) for _ in range(4)] == [(2, 3), (2, 1), (1, 0), (0, 0)]
    assert sorted(said["id"] for said in broker.accepted) == ["0", "1", "2", "3", "4"]


def test_many_letters_are_each_sent_once_by_however_many_threads(
    airline: HostedAirline, sink: Function, broker: RecordingBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("replay.TOGETHER", 8)
    for number in range(20):
        keep(airline, dead(event("Paid") | {"id": str(number)}))

    assert replay_all(sink) == (20, 0)

    assert sorted(int(said["id"]) for said in broker.accepted) == [*range(20)]
    assert set(statuses(airline).values()) == {"REPLAYED"}


def test_a_letter_that_cannot_be_read_does_not_hold_up_the_others(
    airline: HostedAirline, sink: Function, broker: RecordingBroker
) -> None:
    for number in range(3):
        keep(airline, dead(event("Paid") | {"id": str(number)}))
    with closing(sqlite3.connect(airline.database("dead-letters"))) as database, database:
        database.execute("UPDATE dead_letters SET attributes = 'torn' WHERE event_id = '1'")

    assert replay_all(sink) == (2, 0)

    assert sorted(said["id"] for said in broker.accepted) == ["0", "2"]
    assert statuses(airline)["1"] == "OPEN"


def test_letters_that_fail_again_at_once_are_not_replayed_without_end(
    airline: HostedAirline, sink: Function, held_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("replay.MOST_AT_ONCE", 2)
    for number in range(5):
        keep(airline, dead(event("Paid") | {"id": str(number)}))

    def fail_again(body: bytes) -> None:
        held_clock.passes(timedelta(seconds=1))
        keep(airline, dead(json.loads(body)))

    monkeypatch.setattr("choreography.outbox.deliver", fail_again)

    answer = body_of(sink.post("/dead-letters/replay", json={}))
    calls = 1
    while answer["remaining"]:
        answer = body_of(sink.post("/dead-letters/replay", json={"before": answer["before"]}))
        calls += 1

    assert calls == 3
    assert [letter["times"] for letter in kept(airline)] == [2] * 5


def test_a_letter_that_the_broker_refuses_does_not_hold_up_the_others(
    airline: HostedAirline, sink: Function, broker: RecordingBroker
) -> None:
    keep(airline, dead(event("SeatsSoldOut")))
    keep(airline, dead(event("Paid")))
    broker.refusals["SeatsSoldOut"] = 400

    assert replay_all(sink) == (1, 0)

    assert statuses(airline) == {event("SeatsSoldOut")["id"]: "OPEN", event("Paid")["id"]: "REPLAYED"}


def test_a_broker_that_goes_away_meanwhile_leaves_the_rest_for_later(
    airline: HostedAirline, sink: Function, broker: RecordingBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        keep(airline, dead(event("Paid") | {"id": str(number)}))
    deliver = outbox.deliver

    def once(body: bytes) -> None:
        if broker.accepted:
            raise BrokerAway("gone")
        deliver(body)

    monkeypatch.setattr("choreography.outbox.deliver", once)

    assert replay_all(sink) == (1, 2)


def test_whatever_is_decided_the_broker_gets_an_empty_204(airline: HostedAirline, sink: Function) -> None:
    for _ in range(2):
        answer = sink.post("/", json=dead(event("Paid")), headers=CLOUD_EVENT)
        assert (answer.status_code, answer.data) == (204, b"")
        replay(sink, only(airline))
