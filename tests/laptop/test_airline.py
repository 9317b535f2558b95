"""The whole airline on one machine: every way a reservation can go, through the gateway and by events."""

import json
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import psutil
import pytest
import requests

from testbed.airline_under_test import AirlineUnderTest
from testbed.running_system import RunningSystem, eventually, running_system

HTTPIE = Path(sys.executable).with_name("http")


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    with running_system(tmp_path_factory.mktemp("airline"), "--window", "1h") as running:
        yield running


@pytest.fixture(scope="module")
def airline(system: RunningSystem) -> AirlineUnderTest:
    return AirlineUnderTest(system.gateway)


def typed(system: RunningSystem, command: str) -> Any:
    """What httpie prints for a command of the original, its ports being those of this system."""
    ports = {
        ":8082": system.url("reserve"),
        ":8083": system.url("flight-seats"),
        ":8084": system.url("payment"),
        ":8085": system.url("dashboard"),
        ":8088": system.gateway,
    }
    tool, address, *items = shlex.split(command)
    assert tool == "http"
    url = ports[address[:5]] + address[5:]
    done = subprocess.run(
        [HTTPIE, "--ignore-stdin", "--check-status", "--body", url, *items], capture_output=True, check=True, timeout=30
    )
    return json.loads(done.stdout)


def test_the_commands_of_the_original_work_unchanged(system: RunningSystem, airline: AirlineUnderTest) -> None:
    flight = typed(
        system, 'http :8083/flights remainingSeatsCount=5 flightCode="ACE890" takeoffDate="2025-12-25" cost=200000'
    )
    assert flight["_links"]["self"]["href"].endswith("/flights/1")
    first = typed(
        system, 'http :8082/reservations customerId=1 flightId=1 seatQty=3 reserveDate="2024-11-21" status="SUCCEED"'
    )
    assert first["status"] == "PENDING"
    assert airline.outcome(first["reservationId"])["status"] == "SUCCEED"
    second = typed(
        system, 'http :8082/reservations customerId=2 flightId=1 seatQty=3 reserveDate="2024-11-22" status="SUCCEED"'
    )
    refused = airline.outcome(second["reservationId"])
    assert (refused["status"], refused["reason"]) == ("CANCELED", "not enough seats left: 2 remain")
    assert typed(system, "http :8083/flights")["_embedded"]["flights"][0]["remainingSeatsCount"] == 2
    statuses = [found["status"] for found in typed(system, "http :8082/reservations")["_embedded"]["reservations"]]
    assert sorted(statuses) == ["CANCELED", "SUCCEED"]
    assert [found["amount"] for found in typed(system, "http :8084/payments")["_embedded"]["payments"]] == [600_000]
    eventually(lambda: (airline.customer(2) or {}).get("canceledCount") == 1, "the dashboard knows the cancel")
    customers = typed(system, "http :8085/customerInfos")["_embedded"]["customerInfos"]
    assert [(found["customerId"], found["flightCount"], found["recentReserveDate"]) for found in customers] == [
        (1, 1, "2024-11-21"),
        (2, 1, "2024-11-22"),
    ]


@pytest.mark.parametrize("resource", ["flights", "promotions", "reservations", "payments", "customerInfos"])
def test_the_gateway_reaches_every_resource(system: RunningSystem, resource: str) -> None:
    found = typed(system, f"http :8088/{resource}")
    assert resource in found["_embedded"]
    assert found["_links"]["self"]["href"] == f"{system.gateway}/{resource}"


def test_flights_and_reservations_can_be_posted_through_the_gateway(
    system: RunningSystem, airline: AirlineUnderTest
) -> None:
    flight = typed(system, "http :8088/flights remainingSeatsCount=2 flightCode=KE1 takeoffDate=2027-01-01 cost=5")
    made = typed(system, f"http :8088/reservations customerId=3 flightId={flight['flightId']} seatQty=2")
    assert made["_links"]["self"]["href"].startswith(f"{system.gateway}/reservations/")
    assert airline.outcome(made["reservationId"])["status"] == "SUCCEED"


def test_a_promotion_that_somebody_writes_is_read_through_the_gateway(system: RunningSystem) -> None:
    (system.data / "promotions" / "summer-event.txt").write_text("[SUMMER EVENT] 50% DISCOUNT!\n")
    (promotion,) = typed(system, "http :8088/promotions")["_embedded"]["promotions"]
    assert promotion == {"name": "summer-event.txt", "text": "[SUMMER EVENT] 50% DISCOUNT!"}


def test_a_declined_payment_cancels_and_gives_the_seats_back(airline: AirlineUnderTest) -> None:
    flight = airline.add_flight(seats=5)
    reservation = airline.place_reservation(flight, 3, method="decline")
    assert airline.outcome(reservation)["reason"] == "declined by the provider"
    airline.eventually_remaining(flight, 5)
    assert airline.payment(reservation)["status"] == "FAILED"


def test_a_cancel_gives_seats_and_money_back_and_the_dashboard_still_counts_it(airline: AirlineUnderTest) -> None:
    flight = airline.add_flight(seats=5)
    reservation = airline.place_reservation(flight, 3, customer=40)
    assert airline.outcome(reservation)["status"] == "SUCCEED"
    airline.cancel(reservation)
    airline.cancel(reservation)
    airline.eventually_remaining(flight, 5)
    airline.eventually_refunded(reservation)
    eventually(lambda: airline.customer(40)["canceledCount"] == 1, "the dashboard knows the cancel")
    assert (airline.customer(40)["flightCount"], airline.customer(40)["confirmedCount"]) == (1, 0)


def test_a_cancel_while_the_provider_is_slow_leaves_no_money_with_it(airline: AirlineUnderTest) -> None:
    flight = airline.add_flight(seats=5)
    reservation = airline.place_reservation(flight, 3, method="slow")
    eventually(lambda: (airline.payment(reservation) or {}).get("status") == "CHARGING", "the provider is asked")
    airline.cancel(reservation)
    airline.eventually_remaining(flight, 5)
    airline.eventually_undone(reservation)
    assert airline.money_with_the_provider(reservation) == 0
    assert airline.reservation(reservation)["status"] == "CANCELED"


def test_a_cancel_right_after_the_reservation_leaves_nothing_behind(airline: AirlineUnderTest) -> None:
    flight = airline.add_flight(seats=5)
    reservation = airline.place_reservation(flight, 3)
    airline.cancel(reservation)
    airline.eventually_compensated(reservation)  # five seats remain from the beginning
    airline.eventually_remaining(flight, 5)
    assert airline.reservation(reservation)["status"] == "CANCELED"
    assert (airline.payment(reservation) or {}).get("status") != "PAID"


def test_an_unknown_flight_ends_as_canceled_with_the_reason(airline: AirlineUnderTest) -> None:
    assert airline.outcome(airline.place_reservation(flight=999_999, seats=1))["reason"] == "unknown flight"


def test_a_reservation_and_its_cancel_come_from_outside_as_events(airline: AirlineUnderTest) -> None:
    flight = airline.add_flight(seats=5)
    answer = airline.say("ReservationRequested", {"customerId": 41, "flightId": flight, "seatQty": "2"})
    assert answer.status_code == 202
    reservation = answer.json()["reservationId"]
    assert answer.json()["_links"]["status"]["href"] == f"{airline.gateway}/reservations/{reservation}"
    assert airline.outcome(reservation)["status"] == "SUCCEED"
    assert airline.say("CancellationRequested", {"reservationId": reservation, "reason": "ill"}).status_code == 202
    assert airline.eventually_canceled(reservation)["reason"] == "ill"
    airline.eventually_remaining(flight, 5)


def test_a_command_may_go_straight_to_the_brokers_ingress(system: RunningSystem, airline: AirlineUnderTest) -> None:
    flight = airline.add_flight(seats=5)
    event = {"specversion": "1.0", "id": str(uuid4()), "source": "/agency/8", "type": "ReservationRequested"}
    wish = {"customerId": 44, "flightId": str(flight), "seatQty": 2}
    headers = {"Content-Type": "application/cloudevents+json"}
    assert requests.post(system.broker, json=event | {"data": wish}, headers=headers, timeout=30).status_code == 202
    eventually(lambda: (airline.customer(44) or {}).get("confirmedCount") == 1, "it is confirmed")
    airline.eventually_remaining(flight, 3)


def test_a_command_sent_twice_is_one_reservation(airline: AirlineUnderTest) -> None:
    flight = airline.add_flight(seats=5)
    wish = {"customerId": 42, "flightId": flight, "seatQty": 1}
    promised = {airline.say("ReservationRequested", wish, id="order-1").json()["reservationId"] for _ in range(3)}
    assert len(promised) == 1
    airline.outcome(promised.pop())
    eventually(lambda: (airline.customer(42) or {}).get("flightCount") == 1, "the dashboard counts it")
    airline.eventually_remaining(flight, 4)


def test_a_binary_event_is_taken_from_curl(airline: AirlineUnderTest) -> None:
    flight = airline.add_flight(seats=5)
    wish = json.dumps({"customerId": 43, "flightId": flight, "seatQty": 2})
    headers = ["ce-specversion: 1.0", f"ce-id: {uuid4()}", "ce-source: /agency/7", "ce-type: ReservationRequested"]
    options = [option for header in [*headers, "content-type: application/json"] for option in ("-H", header)]
    done = subprocess.run(
        ["curl", "-sf", f"{airline.gateway}/events", *options, "-d", wish], capture_output=True, check=True, timeout=30
    )
    assert airline.outcome(json.loads(done.stdout)["reservationId"])["status"] == "SUCCEED"


@pytest.mark.parametrize("identity", ["order 1", "주문-1", "100%", "order%201"])
def test_an_order_is_charged_once_in_whichever_mode_it_came(airline: AirlineUnderTest, identity: str) -> None:
    flight = airline.add_flight(seats=5)
    wish = {"customerId": 45, "flightId": flight, "seatQty": 1}
    reservation = airline.say("ReservationRequested", wish, id=identity).json()["reservationId"]
    headers = {"ce-specversion": "1.0", "ce-id": quote(identity), "ce-source": "/agency/7"}
    again = airline.ask("POST", "/events", json=wish, headers=headers | {"ce-type": "ReservationRequested"})
    assert again.json()["reservationId"] == reservation

    assert airline.outcome(reservation)["status"] == "SUCCEED"
    eventually(lambda: len(airline.events(reservation)) == 4, "the dashboard has heard everything")
    assert airline.events(reservation)[0]["causationId"] == identity
    airline.eventually_remaining(flight, 4)


@pytest.mark.parametrize("type_", ["Paid", "ReservationPlaced", "Weather"])
def test_a_stranger_cannot_speak_for_the_airline(airline: AirlineUnderTest, type_: str) -> None:
    assert airline.say(type_, {"reservationId": "R1"}).status_code == 403
    assert airline.say("ReservationRequested", {}, source="/airline/reserve").status_code == 403


def test_a_broken_event_at_the_ingress_is_found_in_the_dead_letters_with_its_reason(
    system: RunningSystem, airline: AirlineUnderTest
) -> None:
    event: dict[str, Any] = {"specversion": "1.0", "id": str(uuid4()), "source": "/airline/reserve"}
    event |= {
        "type": "ReservationPlaced",
        "correlationid": "BROKEN000001",
        "data": {"reservationId": "BROKEN000001", "seatQty": -10},
    }
    headers = {"Content-Type": "application/cloudevents+json"}
    assert requests.post(system.broker, data=json.dumps(event), headers=headers, timeout=30).status_code == 202

    def letters() -> list[Any]:
        found = airline.dead_letters(reservationId="BROKEN000001")
        return [letter for letter in found if letter["function"] == "decrease-seats"]

    (letter,) = eventually(letters, "the letter of decrease-seats is there")
    assert letter["code"] == 422
    assert "seatQty must be between 1 and 1000" in letter["reason"]


def test_the_history_of_a_reservation_names_every_cause(airline: AirlineUnderTest) -> None:
    reservation = airline.place_reservation(airline.add_flight(seats=5), 1)
    airline.outcome(reservation)
    eventually(lambda: len(airline.events(reservation)) == 4, "the dashboard has heard everything")
    events = {event["type"]: event for event in airline.events(reservation)}
    assert events["ReservationPlaced"]["causationId"] is None
    assert events["RemainingSeatsDecreased"]["causationId"] == events["ReservationPlaced"]["id"]
    assert events["Paid"]["causationId"] == events["RemainingSeatsDecreased"]["id"]
    assert events["ReservationConfirmed"]["causationId"] == events["Paid"]["id"]


def test_nothing_of_all_this_is_left_in_the_broker_or_went_wrong(
    system: RunningSystem, airline: AirlineUnderTest
) -> None:
    eventually(lambda: system.on_their_way() == 0, "the broker is empty")
    assert [letter for letter in airline.dead_letters() if not letter["reservationId"].startswith("BROKEN")] == []


def test_the_broker_knows_the_short_way_to_each_policy_that_is_awake(
    system: RunningSystem, airline: AirlineUnderTest
) -> None:
    airline.outcome(airline.place_reservation(airline.add_flight(seats=1), 1))
    command = psutil.Process(system.state["brokerPid"]).cmdline()
    ways = dict(word.partition("#")[::2] for word in command if "=http" in word)
    for policy in ("decrease-seats", "charge-payment", "confirm-reservation", "project-dashboard"):
        assert system.process_of(policy)
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(ways[f"{policy}={system.url(policy)}"])
