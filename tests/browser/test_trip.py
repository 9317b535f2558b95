"""A reservation, live: each state as it is made by the functions behind it."""

import re
import sqlite3
from contextlib import closing

import requests
from playwright.sync_api import expect

from choreography import wire
from testbed.vocabulary import tick
from tests.browser.conftest import Screen, in_both_languages, stopped


def test_a_reservation_goes_from_requested_to_confirmed_before_ones_eyes(screen: Screen) -> None:
    flight = screen.airline.add_flight(seats=5)
    with stopped(screen.system, "decrease-seats"):
        screen.book(flight, passengers=2)
        screen.phase("pending", final=False)
        expect(screen.find("countdown")).to_have_text(re.compile(r"1[45]:\d\d"))

    screen.phase("succeeded")
    for step in ("requested", "seats", "paid", "confirmed"):
        expect(screen.find(f"step-{step}")).to_have_attribute("data-result", "done")


def test_seats_are_held_while_the_payment_is_under_way(screen: Screen) -> None:
    with stopped(screen.system, "charge-payment"):
        screen.book(screen.airline.add_flight(seats=5), passengers=2)
        screen.phase("held", final=False)

    screen.phase("succeeded")


def test_a_step_that_takes_long_is_shown_as_slow(screen: Screen) -> None:
    screen.page.clock.install()
    with stopped(screen.system, "charge-payment"):
        screen.book(screen.airline.add_flight(seats=5), passengers=1)
        screen.phase("held", final=False)
        screen.page.clock.fast_forward("00:11")
        screen.status(re.compile("longer than usual|오래 걸리고"))

    screen.phase("succeeded")


def test_a_party_without_seats_is_shown_other_flights(screen: Screen) -> None:
    flight = screen.airline.add_flight(seats=3)
    with stopped(screen.system, "decrease-seats"):
        screen.book(flight, passengers=2)
        one_left = {"remainingSeatsCount": 1}
        requests.patch(f"{screen.system.gateway}/flights/{flight}", json=one_left, timeout=60).raise_for_status()

    screen.phase("soldOut")
    expect(screen.find("step-seats")).to_have_attribute("data-result", "failed")
    expect(screen.find("seats-back")).to_have_text("✓ No seats were held")
    screen.status(re.compile("1"))
    screen.find("alternatives").click()
    expect(screen.find("passengers")).to_have_value("2")


def test_a_declined_card_cancels_and_the_seats_come_back(screen: Screen) -> None:
    flight = screen.airline.add_flight(seats=5)

    screen.book(flight, passengers=2, payment="decline")

    screen.phase("declined")
    expect(screen.find("seats-back")).to_have_attribute("data-done", "true")
    assert screen.airline.get(f"/flights/{flight}")["remainingSeatsCount"] == 5


@in_both_languages
def test_a_cancel_names_seats_and_refund_before_it_is_done_and_ticks_them_off(screen: Screen) -> None:
    flight = screen.airline.add_flight(seats=5, cost=1000)
    screen.book(flight, passengers=2)
    screen.phase("succeeded")
    screen.find("cancel").click()
    expect(screen.find("dialog")).to_contain_text("2")
    expect(screen.find("dialog")).to_contain_text("2,000")

    with stopped(screen.system, "restore-seats"):
        screen.find("confirm-cancel").click()
        expect(screen.find("money-back")).to_have_attribute("data-done", "true")
        expect(screen.find("seats-back")).to_have_attribute("data-done", "false")

    screen.phase("canceled")
    expect(screen.find("money-back")).to_contain_text("2,000")
    assert screen.airline.get(f"/flights/{flight}")["remainingSeatsCount"] == 5


def test_whoever_keeps_the_reservation_closes_the_dialog_and_nothing_happens(screen: Screen) -> None:
    identity = screen.book(screen.airline.add_flight(seats=5), passengers=1)
    screen.phase("succeeded")
    screen.find("cancel").click()

    screen.find("keep").click()

    expect(screen.find("dialog")).not_to_be_visible()
    assert screen.airline.get(f"/reservations/{identity}")["status"] == "SUCCEED"


def test_a_reservation_that_ran_out_of_time_says_so(screen: Screen) -> None:
    with stopped(screen.system, "charge-payment"):
        identity = screen.book(screen.airline.add_flight(seats=5), passengers=1)
        screen.phase("held", final=False)
        with closing(sqlite3.connect(screen.system.data / "reserve.db", timeout=60)) as connection, connection:
            long_ago = "2026-01-01 00:00:00.000000"
            connection.execute("UPDATE reservations SET expires_at = ? WHERE id = ?", (long_ago, identity))
        headers = {"Content-Type": wire.CLOUD_EVENT_JSON}
        requests.post(screen.system.url("reserve-housekeeping"), json=tick(), headers=headers, timeout=60)
        screen.phase("expired", final=False)

    screen.phase("expired")


def test_a_lost_connection_is_shown_and_restored(screen: Screen) -> None:
    with stopped(screen.system, "charge-payment"):
        screen.book(screen.airline.add_flight(seats=5), passengers=1)
        screen.phase("held", final=False)
        screen.page.context.set_offline(True)
        expect(screen.find("lost")).to_be_visible()
        screen.page.context.set_offline(False)
        expect(screen.find("lost")).to_have_count(0)

    screen.phase("succeeded")


def test_a_reservation_that_was_never_made_is_not_found(screen: Screen) -> None:
    screen.open("/trips/NOBODYSTRIP1")

    expect(screen.find("not-found")).to_contain_text("NOBODYSTRIP1")


def test_nothing_is_asked_of_the_functions_once_a_reservation_has_ended(screen: Screen) -> None:
    screen.page.clock.install()
    screen.book(screen.airline.add_flight(seats=5), passengers=1)
    screen.phase("succeeded")
    asked: list[str] = []
    screen.page.on("request", lambda request: asked.append(request.url))

    screen.page.clock.fast_forward("10:00")
    screen.find("timeline").click()

    assert asked == []


def test_a_screen_that_cannot_be_fetched_says_so_and_can_be_loaded_again(screen: Screen) -> None:
    screen.open("/")
    screen.page.context.set_offline(True)
    screen.page.get_by_test_id("navTrips").click()
    expect(screen.find("failure")).to_be_visible()
    screen.page.context.set_offline(False)

    screen.find("again").click()

    expect(screen.find("customer")).to_be_visible()


def test_the_timeline_names_each_event(screen: Screen) -> None:
    screen.book(screen.airline.add_flight(seats=5), passengers=1)
    screen.phase("succeeded")

    screen.find("timeline").click()

    for event in ("ReservationPlaced", "RemainingSeatsDecreased", "Paid", "ReservationConfirmed"):
        expect(screen.page.locator("details")).to_contain_text(event)
    expect(screen.page.locator("details time").first).to_have_text(re.compile(r"GMT\+9$"))
