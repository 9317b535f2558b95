"""What was decided is sent, sooner or later: by the outbox, or later by housekeeping."""

from datetime import timedelta

import pytest

from choreography import backlog, outbox
from testbed.hosting import HostedAirline
from testbed.policies import housekeeping
from testbed.recording_broker import RecordingBroker
from testbed.vocabulary import RESERVATION, body_of, event, href, place, tick
from tests.integration.conftest import Clock


def unsent(airline: HostedAirline) -> int:
    ((count,),) = airline.rows("reserve", "SELECT COUNT(*) FROM outbox")
    return int(count)


def keep_house(airline: HostedAirline, service: str = "reserve-housekeeping") -> None:
    answer = airline.function(service).hear(tick())
    assert (answer.status_code, answer.data) == (204, b""), answer.text


def say_nothing_again(airline: HostedAirline) -> None:
    airline.settings["OWED_AFTER"] = str(timedelta(days=7) // timedelta(seconds=1))


def test_a_reservation_is_placed_while_the_broker_is_away_and_announced_later(
    airline_without_broker: HostedAirline, broker: RecordingBroker
) -> None:
    airline = airline_without_broker
    reservation = place(airline)
    keep_house(airline)
    waiting = body_of(airline.function("reserve").get("/outbox"))
    assert (waiting["unsent"], waiting["oldest"] >= reservation["createdAt"]) == (1, True)

    airline.sink = broker.url
    keep_house(airline)

    assert [said["data"]["reservationId"] for said in broker.accepted] == [reservation["reservationId"]]
    assert unsent(airline) == 0


@pytest.mark.parametrize("status", [400, 500, 503])
def test_an_event_that_the_broker_refuses_does_not_block_the_others(
    airline_without_broker: HostedAirline, broker: RecordingBroker, status: int
) -> None:
    airline = airline_without_broker
    canceled = place(airline)
    airline.function("reserve").delete(href(canceled, "self"))
    place(airline)
    broker.refusals["ReservationCanceled"] = status
    airline.sink = broker.url

    keep_house(airline)
    assert broker.heard() == ["ReservationPlaced", "ReservationPlaced"]
    assert unsent(airline) == 1

    broker.refusals.clear()
    keep_house(airline)
    assert broker.heard()[-1] == "ReservationCanceled"
    assert unsent(airline) == 0


def test_what_was_sent_is_not_sent_again(airline: HostedAirline, broker: RecordingBroker) -> None:
    place(airline)

    keep_house(airline)

    assert broker.heard() == ["ReservationPlaced"]


def test_a_policy_that_announces_answers_204_while_the_broker_is_away(airline_without_broker: HostedAirline) -> None:
    airline = airline_without_broker

    answer = airline.function("place-reservation").hear(event("ReservationRequested"))

    assert (answer.status_code, answer.data) == (204, b"")
    assert unsent(airline) == 1


def test_a_reservation_that_stays_pending_expires(
    airline: HostedAirline, broker: RecordingBroker, held_clock: Clock
) -> None:
    airline.settings["RESERVATION_EXPIRES_AFTER"] = "60"
    here = href(place(airline), "self")

    held_clock.passes(timedelta(seconds=60))
    keep_house(airline)
    assert body_of(airline.function("reserve").get(here))["status"] == "PENDING"

    held_clock.passes(timedelta(seconds=1))
    keep_house(airline)
    expired = body_of(airline.function("reserve").get(here))
    assert (expired["status"], expired["reason"]) == ("CANCELED", "expired")
    assert broker.heard() == ["ReservationPlaced", "ReservationCanceled"]
    assert broker.accepted[-1]["data"]["reason"] == "expired"


def test_only_what_is_pending_expires(airline: HostedAirline, broker: RecordingBroker, held_clock: Clock) -> None:
    say_nothing_again(airline)
    confirmed, canceled = place(airline), place(airline)
    airline.function("confirm-reservation").hear(event("Paid", reservationId=confirmed["reservationId"]))
    airline.function("reserve").delete(href(canceled, "self"))

    held_clock.passes(timedelta(days=1))
    keep_house(airline)

    statuses = [body_of(airline.function("reserve").get(href(one, "self"))) for one in (confirmed, canceled)]
    assert [(one["status"], one["reason"]) for one in statuses] == [
        ("SUCCEED", None),
        ("CANCELED", "canceled by customer"),
    ]
    assert broker.heard().count("ReservationCanceled") == 1


def test_a_tick_that_comes_twice_expires_once(
    airline: HostedAirline, broker: RecordingBroker, held_clock: Clock
) -> None:
    say_nothing_again(airline)
    place(airline)
    held_clock.passes(timedelta(days=1))

    keep_house(airline)
    keep_house(airline)

    assert broker.heard() == ["ReservationPlaced", "ReservationCanceled"]


def test_a_charge_that_was_left_half_done_is_finished_and_announced(
    airline: HostedAirline, broker: RecordingBroker, held_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object) -> None:
        raise ConnectionError("no answer came")

    with monkeypatch.context() as cut:
        cut.setattr("payments.provider.charge", lost)
        assert airline.function("charge-payment").hear(event("RemainingSeatsDecreased")).status_code == 500

    held_clock.passes(timedelta(minutes=3))
    keep_house(airline, "payment-housekeeping")

    (payment,) = body_of(airline.function("payment").get("/payments"))["_embedded"]["payments"]
    assert (payment["reservationId"], payment["status"]) == (RESERVATION, "PAID")
    assert broker.heard() == ["Paid"]
    assert body_of(airline.function("payment").get("/outbox")) == {"unsent": 0, "oldest": None}


def test_a_reservation_that_is_paid_at_the_last_moment_does_not_expire(
    airline: HostedAirline, broker: RecordingBroker, held_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    say_nothing_again(airline)
    reservation = place(airline)
    house, confirming = airline.function("reserve-housekeeping"), airline.function("confirm-reservation")
    duties = housekeeping("reserve")
    expire = duties._expire

    def after_it_is_paid(identity: str) -> None:
        confirming.hear(event("Paid", reservationId=identity))
        expire(identity)

    monkeypatch.setattr(duties, "_expire", after_it_is_paid)
    held_clock.passes(timedelta(days=1))
    house.hear(tick())

    assert body_of(airline.function("reserve").get(href(reservation, "self")))["status"] == "SUCCEED"
    assert broker.heard() == ["ReservationPlaced"]


def test_what_was_sent_leaves_with_the_next_reservation_while_somebody_else_is_at_work(airline: HostedAirline) -> None:
    with outbox._sent.at_work():
        place(airline)
        assert unsent(airline) == 1
        place(airline)
        assert unsent(airline) == 1

    assert unsent(airline) == 0


def test_what_was_sent_and_not_yet_removed_is_not_sent_again_by_the_thread(
    airline: HostedAirline, broker: RecordingBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "YOUNG", timedelta(0))
    with outbox._sent.at_work():
        place(airline)
        (circuit,) = outbox._relays.values()
        circuit.work(circuit)

    assert len(broker.accepted) == 1
