"""Whole sagas on a cluster: the ways a reservation can go, through the gateway and by events."""

import os

import pytest
import requests

from demos import checks
from testbed.airline_under_test import AirlineUnderTest
from tests.cluster.installation import Installation, broker_address


def test_a_reservation_is_paid_and_succeeds(airline: AirlineUnderTest) -> None:
    flight = airline.add_flight(seats=5)
    reservation = airline.place_reservation(flight, 3, customer=31)
    assert airline.outcome(reservation)["status"] == "SUCCEED"
    airline.eventually_remaining(flight, 2)
    assert airline.payment(reservation)["amount"] == 600_000
    airline.eventually(lambda: (airline.customer(31) or {}).get("confirmedCount") == 1, "the dashboard knows it")


def test_a_flight_with_too_few_seats_cancels_with_the_reason(airline: AirlineUnderTest) -> None:
    refused = airline.outcome(airline.place_reservation(airline.add_flight(seats=2), 3))
    assert (refused["status"], refused["reason"]) == ("CANCELED", "not enough seats left: 2 remain")


def test_a_declined_payment_cancels_and_gives_the_seats_back(airline: AirlineUnderTest) -> None:
    flight = airline.add_flight(seats=5)
    reservation = airline.place_reservation(flight, 3, method="decline")
    assert airline.outcome(reservation)["reason"] == "declined by the provider"
    airline.eventually_remaining(flight, 5)


def test_a_cancel_gives_seats_and_money_back(airline: AirlineUnderTest) -> None:
    flight = airline.add_flight(seats=5)
    reservation = airline.place_reservation(flight, 3)
    assert airline.outcome(reservation)["status"] == "SUCCEED"
    airline.cancel(reservation)
    airline.cancel(reservation)
    airline.eventually_remaining(flight, 5)
    airline.eventually_refunded(reservation)


def test_a_cancel_while_the_provider_is_slow_is_refunded_in_the_end(airline: AirlineUnderTest) -> None:
    flight = airline.add_flight(seats=5)
    reservation = airline.place_reservation(flight, 3, method="slow")
    airline.cancel(reservation)
    assert airline.eventually_canceled(reservation)
    airline.eventually_compensated(reservation)  # before, five seats may remain that are not taken yet
    airline.eventually_remaining(flight, 5)
    airline.eventually(
        lambda: (airline.payment(reservation) or {}).get("status") in ("REFUNDED", "CANCELED", "FAILED", None),
        "nobody paid for it",
    )


def test_a_reservation_and_its_cancel_come_from_outside_as_events(airline: AirlineUnderTest) -> None:
    flight = airline.add_flight(seats=5)
    answer = airline.say("ReservationRequested", {"customerId": 41, "flightId": flight, "seatQty": "2"})
    assert answer.status_code == 202
    reservation = answer.json()["reservationId"]
    airline.eventually(lambda: airline.reservation(reservation), "the reservation is placed")
    assert airline.outcome(reservation)["status"] == "SUCCEED"
    assert airline.say("CancellationRequested", {"reservationId": reservation, "reason": "ill"}).status_code == 202
    assert airline.eventually_canceled(reservation)["reason"] == "ill"
    airline.eventually_remaining(flight, 5)


def test_a_command_sent_twice_is_one_reservation(airline: AirlineUnderTest) -> None:
    flight = airline.add_flight(seats=5)
    wish = {"customerId": 42, "flightId": flight, "seatQty": 1}
    promised = {airline.say("ReservationRequested", wish, id="order-1").json()["reservationId"] for _ in range(3)}
    assert len(promised) == 1
    airline.outcome(promised.pop())
    airline.eventually_remaining(flight, 4)


@pytest.mark.parametrize("type_", ["Paid", "Weather"])
def test_a_stranger_cannot_speak_for_the_airline(airline: AirlineUnderTest, type_: str) -> None:
    assert airline.say(type_, {"reservationId": "R1"}).status_code == 403


def test_the_history_of_a_reservation_names_every_cause(airline: AirlineUnderTest) -> None:
    reservation = airline.place_reservation(airline.add_flight(seats=5), 1)
    airline.outcome(reservation)
    airline.eventually(lambda: len(airline.events(reservation)) == 4, "the dashboard has heard everything")
    events = {event["type"]: event for event in airline.events(reservation)}
    assert events["RemainingSeatsDecreased"]["causationId"] == events["ReservationPlaced"]["id"]
    assert events["Paid"]["causationId"] == events["RemainingSeatsDecreased"]["id"]
    assert events["ReservationConfirmed"]["causationId"] == events["Paid"]["id"]


def test_nothing_can_be_reached_from_outside_unless_the_gateway_is_opened(installation: Installation) -> None:
    services = installation.namespace.items("services.serving.knative.dev")
    public = [one["metadata"]["name"] for one in services if not one["status"]["url"].endswith(".svc.cluster.local")]
    assert public == (["gateway"] if os.environ.get("PUBLIC") == "1" else [])


def test_an_event_that_nobody_can_process_is_among_the_dead_letters_with_its_reason(
    installation: Installation, airline: AirlineUnderTest
) -> None:
    event = {"specversion": "1.0", "id": "broken", "source": "/airline/reserve", "type": "ReservationPlaced"}
    event |= {"correlationid": "BROKEN000001", "datacontenttype": "application/json"}
    broken = event | {"data": {"reservationId": "BROKEN000001", "seatQty": -10}}
    ingress = broker_address(installation.namespace.get("broker", "airline"))
    headers = {"Content-Type": "application/cloudevents+json"}
    assert requests.post(ingress, json=broken, headers=headers, timeout=90).status_code == 202
    letters = airline.eventually(lambda: airline.dead_letters(reservationId="BROKEN000001"), "the letter is there")
    assert {letter["code"] for letter in letters} == {422}
    assert "seatQty must be between 1 and 1000" in letters[0]["reason"]


def test_all_laws_hold_after_all_this(installation: Installation) -> None:
    laws = checks.check_laws(installation.running.connect())
    installation.figures["laws that hold after the sagas"] = str(len(laws))
