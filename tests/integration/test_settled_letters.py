"""Dead letters that need no work: settled by the end of their saga, limited for strangers, pruned when old."""

import base64
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from testbed.hosting import HostedAirline
from testbed.recording_broker import RecordingBroker
from testbed.vocabulary import DATA, RESERVATION, assert_refused, body_of, event, href
from tests.integration.conftest import Clock
from tests.integration.test_dead_letters import dead, keep, kept

OTHER = "7Q2M9XW4TBCM"
FORWARD = ["ReservationRequested", "ReservationPlaced", "RemainingSeatsDecreased", "Paid", "ReservationConfirmed"]
OF_A_CANCEL = ["CancellationRequested", "ReservationCanceled", "RemainingSeatsIncreased", "PaymentRefunded"]
OF_A_CANCEL += ["SeatsNotHeld", "PaymentNotTaken", "SeatsSoldOut", "PaymentFailed"]
STRANGER = {"specversion": "1.0", "source": "/stranger", "type": "com.example.thing", "data": {}}


def settle(airline: HostedAirline, status: str, *reservations: str) -> None:
    ended = event("SagasSettled") | {"data": {"status": status, "reservationIds": list(reservations or [RESERVATION])}}
    answer = airline.function("settle-letters").hear(ended)
    assert (answer.status_code, answer.data) == (204, b""), answer.text


def keep_all(airline: HostedAirline, words: Sequence[str]) -> None:
    for word in words:
        keep(airline, dead(event(word), code="503"))


def shown(airline: HostedAirline) -> dict[str, str]:
    return {letter["type"]: letter["status"] for letter in kept(airline, "size=100")}


def stranger(number: object, **more: object) -> dict[str, Any]:
    return dead(STRANGER | {"id": str(number)} | more, code="503")


@pytest.mark.parametrize("letters_first", [True, False])
@pytest.mark.parametrize("status", ["SUCCEED", "CANCELED"])
def test_a_letter_is_settled_by_the_end_of_its_saga_whichever_comes_first(
    airline: HostedAirline, status: str, letters_first: bool
) -> None:
    keep_all(airline, FORWARD if letters_first else ())
    settle(airline, status)
    keep_all(airline, () if letters_first else FORWARD)

    assert shown(airline) == dict.fromkeys(FORWARD, "SETTLED")
    assert len(kept(airline, "status=SETTLED")) == len(FORWARD)
    assert all(letter["decidedAt"] for letter in kept(airline))


@pytest.mark.parametrize("letters_first", [True, False])
def test_letters_about_a_cancel_are_settled_by_the_end_of_the_cancel_only(
    airline: HostedAirline, letters_first: bool
) -> None:
    keep_all(airline, OF_A_CANCEL if letters_first else ())
    settle(airline, "SUCCEED")
    keep_all(airline, () if letters_first else OF_A_CANCEL)
    assert shown(airline) == dict.fromkeys(OF_A_CANCEL, "OPEN")

    settle(airline, "CANCELED")
    settle(airline, "SUCCEED")  # sent before, delivered late

    assert shown(airline) == dict.fromkeys(OF_A_CANCEL, "SETTLED")
    keep(airline, dead(event("ReservationCanceled"), code="503", by="http://another"))
    assert {letter["status"] for letter in kept(airline)} == {"SETTLED"}


@pytest.mark.parametrize("data", [{"reservationIds": [RESERVATION, OTHER]}, {"reservationIds": 7}, [RESERVATION], None])
def test_a_report_that_was_given_up_on_is_settled_by_the_next_one_of_the_same_reservation(
    airline: HostedAirline, data: Any
) -> None:
    report = {name: value for name, value in event("SagasSettled").items() if name != "correlationid"}
    keep(airline, dead(report | {"data": data}, code="503"))
    settle(airline, "CANCELED", "5J79ZSY2E7MM")
    assert shown(airline) == {"SagasSettled": "OPEN"}

    settle(airline, "CANCELED", RESERVATION)

    names_it = isinstance(data, dict) and isinstance(data["reservationIds"], list)
    assert shown(airline) == {"SagasSettled": "SETTLED" if names_it else "OPEN"}


def test_letters_of_other_sagas_stay_open(airline: HostedAirline) -> None:
    keep(airline, dead(event("Paid", reservationId=OTHER)))
    keep(airline, stranger(1))

    settle(airline, "CANCELED")

    assert {letter["status"] for letter in kept(airline)} == {"OPEN"}


@pytest.mark.parametrize(("code", "status"), [("422", "OPEN"), ("400", "OPEN"), ("503", "SETTLED"), ("", "SETTLED")])
@pytest.mark.parametrize("word", ["ReservationRequested", "CancellationRequested"])
def test_a_command_that_was_refused_stays_open_as_no_end_does_what_it_asked_for(
    airline: HostedAirline, word: str, code: str, status: str
) -> None:
    keep(airline, dead(event(word, "/agency"), code=code))

    settle(airline, "CANCELED")

    assert shown(airline) == {word: status}


def test_what_somebody_has_decided_stays_decided(airline: HostedAirline) -> None:
    keep(airline, dead(event("Paid")))
    path = f"/dead-letters/{kept(airline)[0]['id']}/discard"
    airline.function("dead-letters").post(path, json={"note": "a test of ours"})

    settle(airline, "SUCCEED")

    assert shown(airline) == {"Paid": "DISCARDED"}


def test_a_settled_letter_can_be_replayed_and_a_repeat_of_it_is_settled_again(
    airline: HostedAirline, broker: RecordingBroker
) -> None:
    keep(airline, dead(event("Paid")))
    settle(airline, "SUCCEED")
    assert body_of(airline.function("dead-letters").post("/dead-letters/replay", json={}))["replayed"] == 0

    path = f"/dead-letters/{kept(airline)[0]['id']}/replay"
    replayed = body_of(airline.function("dead-letters").post(path))
    assert (replayed["status"], broker.heard()) == ("REPLAYED", ["Paid"])

    keep(airline, dead(event("Paid")))
    assert (kept(airline)[0]["status"], kept(airline)[0]["times"]) == ("SETTLED", 2)


def test_many_sagas_are_settled_at_once(airline: HostedAirline) -> None:
    many = [f"{number:012d}" for number in range(500)]
    for reservation in many[::100]:
        keep(airline, dead(event("Paid", reservationId=reservation)))

    settle(airline, "SUCCEED", *many)
    settle(airline, "SUCCEED", *many)

    assert [letter["status"] for letter in kept(airline)] == ["SETTLED"] * 5


def test_a_decided_letter_goes_after_its_time_and_an_open_one_never_does(
    airline: HostedAirline, held_clock: Clock
) -> None:
    for word in ("Paid", "PaymentFailed", "ReservationPlaced", "ReservationCanceled"):
        keep(airline, dead(event(word)))
    named = {letter["type"]: f"/dead-letters/{letter['id']}" for letter in kept(airline)}
    airline.function("dead-letters").post(f"{named['Paid']}/replay")
    airline.function("dead-letters").post(f"{named['PaymentFailed']}/discard", json={"note": "a test of ours"})
    settle(airline, "SUCCEED")

    held_clock.passes(timedelta(days=30))
    keep(airline, stranger(1))
    assert len(kept(airline)) == 5

    held_clock.passes(timedelta(seconds=1))
    keep(airline, stranger(2))
    assert shown(airline) == {"ReservationCanceled": "OPEN", "com.example.thing": "OPEN"}


def test_a_decision_removes_old_letters_as_well_a_few_at_a_time(
    airline: HostedAirline, held_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        keep(airline, dead(event("Paid") | {"id": str(number)}))
    settle(airline, "SUCCEED")
    held_clock.passes(timedelta(days=31))
    monkeypatch.setattr("retention.AT_ONCE", 2)

    for left in (3, 1, 0):
        assert airline.function("dead-letters").post("/dead-letters/replay", json={"type": "none"}).status_code == 200
        assert len(kept(airline, "status=SETTLED")) == left


def test_settled_sagas_are_forgotten_though_no_letter_ever_comes(airline: HostedAirline, held_clock: Clock) -> None:
    for batch in range(2):
        settle(airline, "SUCCEED", *(f"{batch}{number:011d}" for number in range(500)))
        held_clock.passes(timedelta(days=8))
    for batch in range(2, 4):
        settle(airline, "CANCELED", *(f"{batch}{number:011d}" for number in range(500)))
        held_clock.passes(timedelta(minutes=5))

    left = airline.rows("dead-letters", "SELECT substr(reservation_id, 1, 1), COUNT(*) FROM settled_sagas GROUP BY 1")
    assert left == [("2", 500), ("3", 500)]


def test_decided_letters_are_kept_for_ever_where_the_setting_says_so(airline: HostedAirline, held_clock: Clock) -> None:
    airline.settings["DEAD_LETTER_DAYS"] = "0"
    keep(airline, dead(event("Paid")))
    settle(airline, "SUCCEED")
    held_clock.passes(timedelta(days=9_000))
    keep(airline, stranger(1))

    assert shown(airline) == {"Paid": "SETTLED", "com.example.thing": "OPEN"}


def test_that_old_letters_cannot_be_removed_changes_no_answer(
    airline: HostedAirline, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[object] = []

    def fails(*what: object) -> None:
        failed.extend(what)
        raise RuntimeError("no disk")

    monkeypatch.setattr("retention._prune_some", fails)

    keep(airline, dead(event("Paid")))
    assert airline.function("dead-letters").post("/dead-letters/replay", json={}).status_code == 200
    assert len(failed) == 2


def test_strangers_fill_a_limited_number_of_letters_and_the_rest_are_counted(
    airline: HostedAirline, broker: RecordingBroker
) -> None:
    airline.settings["DEAD_LETTERS_FROM_OUTSIDE"] = "3"
    for number in range(10):
        keep(airline, stranger(number, source=f"/stranger/{number}"))
    keep(airline, dead(event("Paid")))

    assert len(kept(airline, "status=OPEN")) == 4
    (rest,) = kept(airline, "status=DISCARDED")
    assert (rest["times"], rest["eventId"]) == (7, "9")
    assert rest["note"] == "Represents all beyond 3 open letters from outside, and shows the latest."
    assert_refused(airline.function("dead-letters").post(f"/dead-letters/{rest['id']}/replay"), 409)
    keep(airline, stranger(1, source="/stranger/1"))
    assert {letter["times"] for letter in kept(airline, "status=OPEN") if letter["eventId"] == "1"} == {2}

    assert body_of(airline.function("dead-letters").post("/dead-letters/replay", json={}))["replayed"] == 4
    keep(airline, stranger(11))
    assert [letter["eventId"] for letter in kept(airline, "status=OPEN")] == ["11"]


def test_a_stranger_cannot_fill_the_disk_with_one_event(airline: HostedAirline) -> None:
    keep(airline, stranger(1, data={"a": "x" * 900_000}, extension="y" * 50_000))
    keep(airline, dead(event("Paid", note="x" * 900_000)))

    large, ours = sorted(kept(airline), key=lambda letter: str(letter["type"]), reverse=True)
    assert (large["status"], ours["status"]) == ("DISCARDED", "OPEN")
    whole = body_of(airline.function("dead-letters").get(href(large, "self")))
    assert (whole["data"], whole["attributes"]["id"], "extension" in whole["attributes"]) == (None, "1", False)
    assert "too large" in whole["note"]
    size = "SELECT length(attributes) + length(data) + length(reason) FROM dead_letters WHERE outside"
    assert airline.rows("dead-letters", size)[0][0] < 10_000


def test_a_letter_of_a_stranger_has_a_reason_of_bounded_length(airline: HostedAirline) -> None:
    keep(airline, dead(STRANGER | {"id": "1"}, base64.b64encode(b"why " * 50_000).decode()))

    reason = kept(airline)[0]["reason"]
    assert reason.startswith("why why ")
    assert len(reason) <= 4 * 1024


def test_every_word_of_the_glossary_is_of_a_way_to_success_or_of_a_cancel() -> None:
    # SagaExpected only wakes, and the sink keeps no letter of it
    assert sorted([*FORWARD, *OF_A_CANCEL, "SagasSettled", "SagaExpected"]) == sorted(DATA)
