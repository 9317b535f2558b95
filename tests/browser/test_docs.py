"""The API page: documents can be read while all functions sleep, and operations be tried on the running system."""

import json

import pytest
from playwright.sync_api import expect

from testbed.project import ROOT
from tests.browser.conftest import Screen

DOCUMENTS = sorted(path.stem for path in (ROOT / "gateway" / "web" / "contracts" / "openapi").glob("*.json"))


def starts(screen: Screen) -> int:
    """Of the functions that have a document; the others wake for events and by the clock."""
    return sum(int(screen.system.service(name)["starts"]) for name in DOCUMENTS)


def open_operation(screen: Screen, method: str, path: str) -> None:
    operation = screen.page.locator(f".opblock-{method}", has=screen.page.locator(f"[data-path='{path}']"))
    operation.get_by_role("button").first.click()
    operation.get_by_role("button", name="Try it out").click()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_whoever_reads_a_document_sees_all_its_operations_and_wakes_nobody(screen: Screen, name: str) -> None:
    document = json.loads((ROOT / "gateway" / "web" / "contracts" / "openapi" / f"{name}.json").read_text("utf-8"))
    before = starts(screen)

    screen.open(f"/docs?document={name}")

    expect(screen.page.locator(".opblock")).to_have_count(sum(len(verbs) for verbs in document["paths"].values()))
    assert starts(screen) == before


def test_a_flight_is_added_by_trying_the_operation_out(screen: Screen) -> None:
    screen.open("/docs?document=flight-seats")
    open_operation(screen, "post", "/flights")
    code = "TRIED1"
    screen.page.locator(".body-param__text").fill(
        json.dumps({"flightCode": code, "takeoffDate": "2027-12-25", "cost": 1000, "remainingSeatsCount": 5})
    )

    screen.page.get_by_role("button", name="Execute").click()

    expect(screen.page.locator(".live-responses-table .response-col_status").last).to_contain_text("201")
    assert screen.airline.get(f"/flights?flightCode={code}")["page"]["totalElements"] == 1


def test_what_is_tried_twice_is_done_twice_as_no_key_is_filled_in(screen: Screen) -> None:
    screen.open("/docs?document=reserve")
    open_operation(screen, "post", "/reservations")

    expect(screen.page.get_by_label("Idempotency-Key")).to_have_value("")


def test_an_event_shows_who_says_and_hears_it_and_an_example(screen: Screen) -> None:
    screen.open("/docs?document=events")
    screen.find("event-Paid").locator("summary").click()

    for text in ("charge-payment", "payment-housekeeping", "confirm-reservation", "paymentId", '"specversion": "1.0"'):
        expect(screen.find("event-Paid")).to_contain_text(text)


def test_the_asyncapi_document_itself_can_be_had(screen: Screen) -> None:
    answer = screen.page.request.get(f"{screen.system.gateway}/contracts/asyncapi.yaml")

    assert answer.text() == (ROOT / "docs" / "asyncapi.yaml").read_text("utf-8")


def test_a_document_that_does_not_exist_is_shown_as_missing(screen: Screen) -> None:
    screen.open("/docs?document=nothing")

    expect(screen.find("failure")).to_be_visible()


def test_a_document_that_cannot_be_fetched_can_be_asked_for_again(screen: Screen) -> None:
    screen.open("/docs?document=events")
    expect(screen.find("asyncapi")).to_be_visible()
    screen.page.context.set_offline(True)
    screen.find("document-payment").click()
    expect(screen.find("failure")).to_be_visible()
    screen.page.context.set_offline(False)

    screen.find("again").click()

    expect(screen.page.locator(".opblock").first).to_be_visible()
