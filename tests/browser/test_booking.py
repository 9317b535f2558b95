"""Review and book: one form is one reservation, whatever happens to the answer."""

import re

from playwright.sync_api import expect

from testbed.running_system import eventually
from tests.browser.conftest import Screen, kill_gateway, stopped


def reservations_of(screen: Screen, flight: int) -> int:
    return int(screen.airline.get(f"/reservations?flightId={flight}")["page"]["totalElements"])


def form_of(screen: Screen, customer: str = "7") -> int:
    """Opens the form for one seat of a new flight with five, for that customer. Returns the flight."""
    flight = screen.airline.add_flight(seats=5)
    screen.open(f"/book?flight={flight}&passengers=1")
    screen.find("customer").fill(customer)
    return flight


def test_the_total_of_the_whole_party_is_shown_before_anybody_pays(screen: Screen) -> None:
    screen.open(f"/book?flight={screen.airline.add_flight(seats=5, cost=2500)}&passengers=3")

    expect(screen.find("total")).to_contain_text("7,500")


def test_while_a_booking_is_sent_its_button_is_locked(screen: Screen) -> None:
    flight = form_of(screen)
    with stopped(screen.system, "reserve"):
        screen.find("book").click()
        expect(screen.find("book")).to_be_disabled()
        screen.status(re.compile("reserve"))

    screen.page.wait_for_url("**/trips/*")
    assert reservations_of(screen, flight) == 1


def test_seats_that_were_taken_meanwhile_are_noticed_before_the_booking_is_sent(screen: Screen) -> None:
    flight = screen.airline.add_flight(seats=2)
    screen.open(f"/book?flight={flight}&passengers=2")
    screen.find("customer").fill("7")
    screen.airline.place_reservation(flight, seats=1)
    eventually(lambda: screen.airline.get(f"/flights/{flight}")["remainingSeatsCount"] == 1, "a seat is taken")

    screen.find("book").click()

    expect(screen.find("gone")).to_contain_text("1")
    assert reservations_of(screen, flight) == 1


def test_a_booking_without_an_answer_is_sent_again_and_is_one_reservation(screen: Screen) -> None:
    flight = form_of(screen)
    with stopped(screen.system, "reserve"):
        screen.find("book").click()
        screen.status(re.compile("reserve"))  # it was sent, and there is no answer yet
        eventually(lambda: killed_until_noticed(screen), "the page says that it sends again", 60, pause=1)

    screen.page.wait_for_url("**/trips/*")
    assert reservations_of(screen, flight) == 1


def test_whoever_reloads_the_page_in_the_middle_of_a_booking_and_books_again_has_booked_once(screen: Screen) -> None:
    flight = form_of(screen)
    with stopped(screen.system, "reserve"):
        screen.find("book").click()
        screen.status(re.compile("reserve"))
        screen.page.reload()
        expect(screen.find("customer")).to_have_value("7")
        screen.find("book").click()
        screen.status(re.compile("reserve"))

    screen.page.wait_for_url("**/trips/*")
    assert reservations_of(screen, flight) == 1


def test_back_from_a_reservation_leads_to_the_search_and_the_reservation_knows_its_flight(screen: Screen) -> None:
    flight = screen.airline.add_flight(seats=5, code="BACK")
    screen.open("/?passengers=2&code=BACK")
    screen.page.locator(f"[data-flight='{flight}']").get_by_test_id("choose").click()
    screen.find("customer").fill("7")
    screen.find("book").click()
    screen.page.wait_for_url("**/trips/*")
    expect(screen.find("flight-name")).to_contain_text("BACK")

    screen.page.go_back()

    expect(screen.find("flight").first).to_be_visible()
    assert reservations_of(screen, flight) == 1


def killed_until_noticed(screen: Screen) -> bool:
    """A browser repeats a request on its own if a reused connection breaks, but only once."""
    kill_gateway(screen.system)
    return bool(re.search("sent again|다시 보내", screen.find("status").text_content() or ""))


def test_a_booking_that_is_refused_says_why_and_can_be_corrected(screen: Screen) -> None:
    form_of(screen, customer="999999999999999999")
    screen.find("book").click()
    expect(screen.find("failure")).to_contain_text("customerId")

    screen.find("customer").fill("7")
    screen.find("book").click()

    screen.page.wait_for_url("**/trips/*")


def test_a_customer_number_is_asked_for_before_anything_is_sent(screen: Screen) -> None:
    flight = screen.airline.add_flight(seats=5)
    screen.open(f"/book?flight={flight}&passengers=1")

    screen.find("customer").fill("me")
    screen.find("book").click()

    expect(screen.find("customer-error")).not_to_be_empty()
    expect(screen.find("customer")).to_be_focused()
    assert reservations_of(screen, flight) == 0


def test_a_flight_that_does_not_exist_is_shown_as_missing(screen: Screen) -> None:
    screen.open("/book?flight=999999&passengers=1")

    expect(screen.find("missing")).to_be_visible()
