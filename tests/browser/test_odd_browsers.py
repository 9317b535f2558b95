"""Browsers as people have them: a wrong clock, no storage, two tabs, a narrow screen, another language meanwhile."""

import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from testbed.running_system import RunningSystem, eventually
from tests.browser.conftest import PATIENCE, PHONE, STILL, Screen, in_both_languages, promoted, stopped, watched
from tests.browser.test_booking import form_of, reservations_of
from tests.browser.test_quality import BEYOND, NARROW

STORAGE = {
    "forbidden": """for (const name of ["localStorage", "sessionStorage"])
        Object.defineProperty(window, name, { get() { throw new DOMException("not allowed", "SecurityError"); } });""",
    "full": """Storage.prototype.setItem = () => { throw new DOMException("no room", "QuotaExceededError"); };""",
    "used by another program": """for (const name of ["booked-flights", "scale-to-zero-2", "customer", "language"])
        localStorage.setItem(name, "{of another program");""",
}


@pytest.mark.parametrize("state", STORAGE)
def test_whoever_has_a_browser_that_keeps_nothing_books_once_all_the_same(screen: Screen, state: str) -> None:
    screen.page.add_init_script(STORAGE[state])
    flight = screen.airline.add_flight(seats=5)

    screen.book(flight, passengers=1)

    screen.phase("succeeded")
    screen.find("language").click()
    expect(screen.page.locator("html")).to_have_attribute("lang", "ko")
    screen.find("navTrips").click()
    expect(screen.find("trip-card").first).to_be_visible()
    assert reservations_of(screen, flight) == 1


@pytest.mark.parametrize("hours", [-2, 2])
def test_the_time_that_is_left_to_pay_is_the_airlines_whatever_the_browsers_clock_says(
    screen: Screen, hours: int
) -> None:
    screen.page.clock.install(time=datetime.now(UTC) + timedelta(hours=hours))
    flight = screen.airline.add_flight(seats=5)
    with stopped(screen.system, "decrease-seats"):
        screen.book(flight, passengers=1)

        expect(screen.find("countdown")).to_have_text(re.compile(r" 1[45]:\d\d "))


def test_another_language_in_the_middle_of_a_booking_changes_the_words_and_nothing_else(screen: Screen) -> None:
    flight = form_of(screen, customer="71")
    screen.find("slow").check()
    screen.find("language").click()
    expect(screen.find("customer")).to_have_value("71")
    expect(screen.find("slow")).to_be_checked()
    expect(screen.page).to_have_title("확인 및 예약 · 항공 예약")
    with stopped(screen.system, "reserve"):
        screen.find("book").click()
        screen.status(re.compile("reserve"))
        screen.find("language").click()
        screen.status("Waking reserve …")
        expect(screen.find("book")).to_be_disabled()

    screen.page.wait_for_url("**/trips/*")
    assert reservations_of(screen, flight) == 1


def test_whoever_goes_elsewhere_while_a_booking_is_sent_and_books_again_has_booked_once(screen: Screen) -> None:
    flight = form_of(screen)
    with stopped(screen.system, "reserve"):
        screen.find("book").click()
        screen.status(re.compile("reserve"))
        screen.find("navSearch").click()
        expect(screen.find("initial")).to_be_visible()
        screen.page.go_back()
        screen.find("book").click()
        screen.status(re.compile("reserve"))

    screen.page.wait_for_url("**/trips/*")
    assert reservations_of(screen, flight) == 1


def test_a_cancel_in_one_tab_is_seen_in_the_other(screen: Screen) -> None:
    screen.book(screen.airline.add_flight(seats=5), passengers=1)
    screen.phase("succeeded")
    other = watched(screen.page.context.new_page(), screen.system)
    other.page.goto(screen.page.url)
    other.phase("succeeded")

    screen.find("cancel").click()
    screen.find("confirm-cancel").click()

    other.phase("canceled")
    expect(other.find("cancel")).to_have_count(0)
    assert other.errors == []


def test_an_event_of_a_policy_that_somebody_has_added_is_in_the_timeline_by_its_type(screen: Screen) -> None:
    trip = screen.airline.place_reservation(screen.airline.add_flight(seats=5), seats=1, customer=7)
    eventually(lambda: len(screen.airline.events(trip)) == 4, "the dashboard has heard everything", 60)
    called(screen, trip, "Paid", "MilesEarned")
    try:
        screen.open(f"/trips/{trip}")
        screen.find("timeline").click()

        expect(screen.page.locator("details")).to_contain_text("MilesEarned")
    finally:
        called(screen, trip, "MilesEarned", "Paid")  # other tests compare the whole history with the projection


def called(screen: Screen, trip: str, type_: str, other: str) -> None:
    """Gives an event in the history of the dashboard another type."""
    with closing(sqlite3.connect(screen.system.data / "dashboard-projector.db", timeout=60)) as base, base:
        base.execute("UPDATE events SET type = ? WHERE reservation_id = ? AND type = ?", (other, trip, type_))


@in_both_languages
def test_the_longest_names_and_the_largest_prices_fit_on_a_narrow_screen(screen: Screen) -> None:
    flight = screen.airline.add_flight(seats=8, code="W" * 20, cost=10**12)
    trip = screen.airline.place_reservation(flight, seats=8, customer=7)
    screen.page.set_viewport_size(NARROW)
    with promoted(screen.system, f"<script>alert(1)</script>{'W' * 300}"):
        for address, whole, text in (
            (f"/?passengers=9&code={'W' * 20}", "flight", "9,000,000,000,000"),
            (f"/book?flight={flight}&passengers=9", "gone", ""),
            (f"/trips/{trip}", "trip", "8,000,000,000,000"),
            ("/customers?customer=7", "counts", ""),
        ):
            screen.open(address)
            expect(screen.find(whole).first).to_contain_text(text)
            assert screen.page.evaluate(BEYOND, NARROW["width"]) == [], address


def test_a_flight_that_costs_nothing_is_booked_for_nothing(screen: Screen) -> None:
    flight = screen.airline.add_flight(seats=5, cost=0)
    screen.open(f"/book?flight={flight}&passengers=2")
    expect(screen.find("total")).to_have_text("₩0")

    screen.book(flight, passengers=2)

    screen.phase("succeeded")


def test_whoever_has_switched_javascript_off_learns_why_the_page_is_empty(
    browser: Browser, system: RunningSystem
) -> None:
    context = browser.new_context(viewport=PHONE, reduced_motion=STILL, java_script_enabled=False)
    page = context.new_page()
    page.goto(system.gateway + "/")

    expect(page.locator("p").first).to_contain_text("needs JavaScript")
    expect(page.locator("p[lang=ko]")).to_be_visible()
    page.get_by_role("link").first.click(timeout=PATIENCE)
    page.wait_for_url("**/contracts/openapi/reserve.json")
    context.close()


def test_the_keyboard_stays_where_it_was_when_flights_are_sorted_and_more_are_asked_for(screen: Screen) -> None:
    for _ in range(13):
        screen.airline.add_flight(seats=9, code="KEYBOARD")
    screen.open("/?passengers=1&code=KEYBOARD")
    expect(screen.find("flight")).to_have_count(12)

    screen.find("sort").select_option("price")
    expect(screen.find("sort")).to_be_focused()
    screen.find("available").press("Space")
    screen.page.wait_for_url("**available=1**")
    expect(screen.find("available")).to_be_focused()
    screen.find("more").press("Enter")

    expect(screen.find("flight").nth(12).get_by_test_id("choose")).to_be_focused()


def test_a_booking_goes_on_being_typed_until_the_next_screen_has_come_over_a_slow_line(screen: Screen) -> None:
    line: list[Route] = []

    def hold(route: Route) -> None:
        line.append(route)

    screen.page.route("**/screens/trips.js", hold)
    form_of(screen, customer="71")
    address = screen.page.url
    with screen.page.expect_request("**/screens/trips.js"):
        screen.find("navTrips").click()

    screen.find("slow").check()
    screen.find("language").click()
    expect(screen.page).to_have_title("확인 및 예약 · 항공 예약")
    assert screen.page.url == address
    line[0].continue_()

    screen.page.wait_for_url("**/trips")
    expect(screen.page.get_by_role("heading", level=1)).to_be_focused()


def test_a_board_that_stays_open_while_the_airline_begins_with_new_books_shows_the_new_events(modules: Page) -> None:
    shown = modules.evaluate(
        """async () => {
            const { empty, take } = await import("/board/state.js");
            const said = (offset, id) => ({ offset, at: "2026-11-28T12:00:00Z", saidBy: null, triggers: [],
                event: { id, type: "Paid", source: "/airline/payment", correlationid: id } });
            const board = empty();
            const hear = (kind, ...events) => take(board, { kind, at: "2026-11-28T12:00:00Z", events }, 0);
            hear("snapshot", said(7, "old"), said(8, "older"));
            hear("snapshot", said(8, "older")); // the feed was lost, and the log is the same
            hear("snapshot"); // the broker has begun again
            const before = board.events.map(({ id }) => id);
            hear("changes", said(1, "new"));
            return [before, board.events.map(({ id }) => id), [...board.sagas.keys()]];
        }"""
    )

    assert shown == [["older", "old"], ["new"], ["new"]]
