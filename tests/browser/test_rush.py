"""Twenty people press the button at the same moment."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, expect
from rich.progress import Progress

from client import gateway, reconciliation
from client.laws import Difference
from testbed.airline_under_test import AirlineUnderTest
from testbed.running_system import RunningSystem, eventually
from tests.browser.conftest import PATIENCE, PHONE, STILL, Screen, watched

PEOPLE, SEATS = 20, 15
LONG = 4 * PATIENCE
"""ms; twenty browsers and an airline that wakes share this machine."""
ENDS = """() => ["succeeded", "soldOut"].includes(document.querySelector("[data-testid=trip]")?.dataset.phase)
    || document.querySelector("[data-testid=gone]") !== null"""

ENDINGS = {
    "Confirmed: seats held and paid": "flies",
    "Canceled: not enough seats": "learns why not",
    "These seats are gone": "learns why not",
}


@pytest.fixture
def people(browser: Browser, system: RunningSystem) -> Iterator[list[Screen]]:
    """Each with a browser context of his own, who sees the form of the last flight and has filled it in."""
    with ExitStack() as open_contexts:
        contexts = [browser.new_context(viewport=PHONE, locale="en-GB", reduced_motion=STILL) for _ in range(PEOPLE)]
        for context in contexts:
            open_contexts.enter_context(closing(context))
            context.set_default_timeout(LONG)
        yield [watched(context.new_page(), system) for context in contexts]


@pytest.mark.timeout(400)
def test_of_twenty_people_who_book_the_last_fifteen_seats_fifteen_fly_and_five_learn_why_not(
    people: list[Screen], system: RunningSystem
) -> None:
    airline = AirlineUnderTest(system.gateway)
    flight = airline.add_flight(seats=SEATS, code="RUSH")
    for customer, screen in enumerate(people, 5001):
        screen.open(f"/book?flight={flight}&passengers=1")
        screen.find("customer").fill(str(customer))
        expect(screen.find("book")).to_be_enabled()

    for screen in people:  # a click returns at once; none waits for the answer of another
        screen.page.evaluate("document.querySelector('[data-testid=book]').click()")

    ends = Counter(end_of(screen) for screen in people)
    assert ends == {"flies": SEATS, "learns why not": PEOPLE - SEATS}
    assert airline.get(f"/flights/{flight}")["remainingSeatsCount"] == 0
    trips = airline.get("/reservations", flightId=flight, size=100)["_embedded"]["reservations"]
    subjects = {str(flight), *(trip["reservationId"] for trip in trips)}
    assert Counter(trip["status"] for trip in trips)["SUCCEED"] == SEATS
    eventually(lambda: not broken_laws(system, subjects), "all laws hold for the flight and its reservations", 120)
    assert [error for screen in people for error in screen.errors] == []


def end_of(screen: Screen) -> str:
    """What he reads on his screen."""
    screen.page.wait_for_function(ENDS, timeout=LONG)
    words = screen.page.locator("main").inner_text()
    return next((end for text, end in ENDINGS.items() if text in words), words)


def broken_laws(system: RunningSystem, subjects: set[str]) -> list[Difference]:
    """What reconcile finds about these; other tests break laws on purpose."""
    with Progress(disable=True) as bars:
        found = reconciliation.verdict(
            gateway.connect(system.gateway), reconciliation.Allowance(timedelta(0)), patience=0, bars=bars
        )
    return [one for one in (*found.broken, *found.busy) if one.subject in subjects]
