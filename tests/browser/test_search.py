"""Search and results, on a phone, in both languages."""

import re

from playwright.sync_api import expect

from testbed.outages import out_of_reach
from testbed.running_system import eventually
from tests.browser.conftest import Screen, in_both_languages, promoted, stopped


def test_the_start_page_says_what_to_do_and_wakes_nothing(screen: Screen) -> None:
    screen.system.put_to_sleep("flight-seats")
    starts = screen.system.service("flight-seats")["starts"]

    screen.open("/")

    expect(screen.find("initial")).to_be_visible()
    screen.page.wait_for_load_state("networkidle")
    assert screen.system.service("flight-seats")["starts"] == starts


def test_a_search_shows_flights_with_their_price_for_the_whole_party(screen: Screen) -> None:
    screen.airline.add_flight(seats=40, code="PRICE", cost=1500)
    screen.open("/")

    screen.search(passengers=2, code="PRICE")

    card = screen.find("flight").first
    expect(card).to_contain_text("3,000")
    expect(card).to_contain_text("1,500")
    expect(card.get_by_test_id("seats")).to_have_text(re.compile("40"))


def test_the_address_holds_the_search_so_that_it_can_be_sent_to_somebody(screen: Screen) -> None:
    screen.airline.add_flight(seats=40, code="SENT")
    screen.open("/")
    screen.search(passengers=3, code="SENT")
    expect(screen.find("flight").first).to_be_visible()

    screen.open(screen.page.url.removeprefix(screen.system.gateway))

    expect(screen.find("passengers")).to_have_value("3")
    expect(screen.find("code")).to_have_value("SENT")
    expect(screen.find("flight").first).to_be_visible()


def test_a_wrong_number_of_passengers_is_named_beside_its_field(screen: Screen) -> None:
    screen.open("/")

    screen.search(passengers=10)

    expect(screen.find("passengers-error")).to_contain_text("9")
    expect(screen.find("passengers")).to_be_focused()
    expect(screen.find("passengers")).to_have_attribute("aria-invalid", "true")


@in_both_languages
def test_seats_are_shown_as_many_few_too_few_or_none(screen: Screen) -> None:
    for seats in (40, 2, 1):
        screen.airline.add_flight(seats=seats, code=f"S{seats}")
    screen.airline.place_reservation(screen.airline.add_flight(seats=1, code="S0"), seats=1)
    words = {"en": ("40 seats left", "Only 2 left", "Not enough for 2", "Sold out")}
    words["ko"] = ("40석 남음", "2석만 남았습니다", "2명이 앉을 좌석이 부족합니다", "매진")
    screen.open("/")
    language = screen.page.locator("html").get_attribute("lang") or ""

    for code, text in zip(("S40", "S2", "S1", "S0"), words[language], strict=True):
        eventually_shown(screen, code, text)

    expect(screen.find("choose").first).to_be_disabled()


def eventually_shown(screen: Screen, code: str, text: str) -> None:
    def found() -> bool:
        screen.search(passengers=2, code=code)
        expect(screen.find("flight").first).to_be_visible()
        return screen.find("seats").first.text_content() == text

    eventually(found, f"{code} is shown as {text}")


def test_sorted_by_price_the_cheapest_comes_first(screen: Screen) -> None:
    for cost in (500, 100, 300):
        screen.airline.add_flight(seats=9, code="SORTED", cost=cost)
    screen.open("/?passengers=1&code=SORTED")
    expect(screen.find("flight").first).to_be_visible()

    screen.find("sort").select_option("price")

    expect(screen.find("flight").first).to_contain_text("100")


def test_only_flights_with_enough_seats_are_shown_where_somebody_asks_for_it(screen: Screen) -> None:
    screen.airline.add_flight(seats=1, code="ROOM")
    screen.airline.add_flight(seats=9, code="ROOM")
    screen.open("/?passengers=3&code=ROOM")
    expect(screen.find("choose").and_(screen.page.locator(":disabled")).first).to_be_visible()

    screen.find("available").check()

    expect(screen.find("choose").first).to_be_enabled()
    expect(screen.find("choose").and_(screen.page.locator(":disabled"))).to_have_count(0)


def test_more_flights_come_when_somebody_asks_for_more(screen: Screen) -> None:
    for _ in range(13):
        screen.airline.add_flight(seats=9, code="MORE")
    screen.open("/?passengers=1&code=MORE")
    expect(screen.find("flight")).to_have_count(12)

    screen.find("more").click()

    expect(screen.find("flight").nth(12)).to_be_visible()


def test_a_search_that_finds_nothing_says_so(screen: Screen) -> None:
    screen.open("/?passengers=1&code=NOWHERE")

    screen.status(re.compile("No flight|항공편이 없습니다"))


def test_while_flight_seats_wakes_the_page_says_who_is_waking(screen: Screen) -> None:
    with stopped(screen.system, "flight-seats"):
        screen.open("/?passengers=1")
        expect(screen.find("skeleton").first).to_be_attached()
        screen.status(re.compile("flight-seats"))
        assert screen.page.evaluate("document.getAnimations().length") == 0  # as this person wants it

    expect(screen.find("flight").first).to_be_visible()


def test_a_search_that_fails_can_be_tried_again(screen: Screen) -> None:
    eventually(lambda: screen.system.on_their_way() == 0, "no event of another test wakes anybody", 60, pause=0.2)
    for function in ("flight-seats", "decrease-seats", "restore-seats"):  # each has the file open while it is awake
        screen.system.put_to_sleep(function)
    with out_of_reach(screen.system.data / "flight-seats.db"):
        screen.open("/?passengers=1")
        expect(screen.find("failure")).to_be_visible()

    screen.find("again").click()

    expect(screen.find("flight").first).to_be_visible()


def test_promotions_are_above_the_search_and_hidden_where_there_are_none(screen: Screen) -> None:
    screen.open("/?passengers=1")
    expect(screen.find("flight").first).to_be_visible()
    expect(screen.find("promotions")).to_have_count(0)

    with promoted(screen.system, "[SUMMER EVENT] <b>50%</b> DISCOUNT!"):
        screen.open("/?passengers=1")
        expect(screen.find("promotions")).to_have_text("[SUMMER EVENT] <b>50%</b> DISCOUNT!")
