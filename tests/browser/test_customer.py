"""My trips, and what the dashboard counts."""

import re

import requests
from playwright.sync_api import expect

from testbed.running_system import eventually
from tests.browser.conftest import Screen


def test_a_customer_sees_what_was_booked_before_the_newest_first(screen: Screen) -> None:
    flight, customer = screen.airline.add_flight(seats=9), 4001
    older = screen.airline.place_reservation(flight, seats=1, customer=customer)
    newer = screen.airline.place_reservation(flight, seats=2, customer=customer)

    screen.open("/trips")
    screen.find("customer").fill(str(customer))
    screen.find("show").click()

    expect(screen.find("trip-card").first).to_contain_text(newer)
    expect(screen.find("trips")).to_contain_text(older)
    screen.page.get_by_role("link", name=newer).click()
    screen.phase("succeeded")


def test_a_customer_without_reservations_sees_that_there_are_none(screen: Screen) -> None:
    screen.open("/trips?customer=4002")
    screen.status(re.compile("no reservations|예약이 없습니다"))

    screen.open("/customers?customer=4002")
    screen.status(re.compile("no reservations|예약이 없습니다"))


def test_the_dashboard_counts_confirmed_and_canceled_and_says_by_which_rule(screen: Screen) -> None:
    flight, customer = screen.airline.add_flight(seats=9), 4003
    before = int(screen.airline.get(f"/reservations?customerId={customer}")["page"]["totalElements"])
    for payment in ("accept", "decline"):
        screen.airline.place_reservation(flight, seats=1, customer=customer, method=payment)
    each = before // 2 + 1
    counted = {"flightCount": before + 2, "confirmedCount": each, "canceledCount": each}
    eventually(lambda: counts_of(screen, customer) == counted, "both are counted", 60)

    screen.open(f"/customers?customer={customer}")

    for name, count in counted.items():
        expect(screen.find(name)).to_have_text(str(count))
    expect(screen.find("recentReserveDate")).to_have_text(re.compile(r"\w+ \d{1,2}, \d{4}"))
    expect(screen.find("rule")).not_to_be_empty()


def test_the_dashboard_shows_what_was_spent_and_refunded(screen: Screen) -> None:
    flight, customer = screen.airline.add_flight(seats=9, cost=1500), 40_000 + screen.airline.add_flight(seats=1)
    kept, canceled = (screen.airline.place_reservation(flight, seats=2, customer=customer) for _ in range(2))
    for trip in (kept, canceled):
        screen.airline.outcome(trip, 60)
    screen.airline.cancel(canceled)
    screen.airline.eventually_compensated(canceled)
    eventually(lambda: screen.airline.customer(customer)["refunded"] == 3000, "the refund is heard", 60)

    screen.open(f"/customers?customer={customer}")

    expect(screen.find("spent")).to_contain_text("6,000")
    expect(screen.find("refunded")).to_contain_text("3,000")


def counts_of(screen: Screen, customer: int) -> dict[str, int]:
    answer = requests.get(f"{screen.system.gateway}/customerInfos/{customer}", timeout=60)
    return {name: answer.json().get(name, 0) for name in ("flightCount", "confirmedCount", "canceledCount")}
