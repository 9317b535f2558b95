"""Twenty people press the button at the same moment."""

import os

import pytest
from playwright.sync_api import Browser, expect

from testbed.airline_under_test import AirlineUnderTest
from testbed.running_system import RunningSystem, eventually
from tests.browser.conftest import PATIENCE, PHONE, Screen, watched


@pytest.mark.timeout(300)
@pytest.mark.skipif("RUSH" not in os.environ, reason="twenty browsers need a quiet machine of their own: RUSH=1")
def test_of_twenty_people_who_book_the_last_fifteen_seats_fifteen_fly_and_five_learn_why_not(
    browser: Browser, system: RunningSystem
) -> None:
    airline = AirlineUnderTest(system.gateway)
    flight = airline.add_flight(seats=15, code="RUSH")
    people = [browser.new_context(viewport=PHONE, locale="en-GB", reduced_motion="reduce") for _ in range(20)]
    screens = [watched(person.new_page(), system) for person in people]
    for number, screen in enumerate(screens, 1):
        screen.page.set_default_timeout(4 * PATIENCE)
        screen.open(f"/book?flight={flight}&passengers=1")
        screen.find("customer").fill(str(5000 + number))

    for screen in screens:  # a click returns at once; none waits for the answer of another
        screen.page.evaluate("document.querySelector('[data-testid=book]').click()")

    phases = [ended(screen) for screen in screens]
    assert sorted(phases) == ["soldOut"] * 5 + ["succeeded"] * 15
    assert airline.get(f"/flights/{flight}")["remainingSeatsCount"] == 0
    for person in people:
        person.close()


def ended(screen: Screen) -> str:
    expect(screen.find("trip").or_(screen.find("gone"))).to_be_visible(timeout=4 * PATIENCE)
    if screen.find("gone").count():
        return "soldOut"
    return eventually(lambda: phase_at_the_end(screen), "the saga ended", 180)


def phase_at_the_end(screen: Screen) -> str:
    phase = screen.find("trip").get_attribute("data-phase") or ""
    screen.page.wait_for_timeout(100)  # lets the page work
    return phase if phase in ("succeeded", "soldOut") else ""
