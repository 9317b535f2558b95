"""Takes the screenshots that the READMEs show: python -m docs.screenshots [FOLDER]

Runs an airline of its own on free ports, fills it, and looks at it with the chromium of this machine. Each picture is
of one screen at one width in one colour scheme; times and ids differ from run to run. The reservation is booked by the
form, as a customer does it, and the board is taken while others book.
"""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from playwright.sync_api import Browser, BrowserContext, Page, StorageState, ViewportSize, sync_playwright

from testbed.airline_under_test import AirlineUnderTest
from testbed.running_system import running_system

FOLDER = Path(__file__).with_name("screenshots")
PHONE: ViewportSize = {"width": 390, "height": 1000}
DESK: ViewportSize = {"width": 1200, "height": 760}
BOARD: ViewportSize = {"width": 1440, "height": 1000}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 120  # seconds until what is shown has happened
CODE = "KE081"
BUSY = 6  # reservations under way while the board is taken


class Picture(NamedTuple):
    """A screen: its file, its address, what is there when it is whole."""

    name: str
    path: str
    whole: str
    size: ViewportSize = PHONE
    scheme: Literal["light", "dark"] = "light"


def main(arguments: list[str]) -> int:
    """0, or 2 where there is no browser."""
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        sys.stderr.write("There is no browser on this machine: install chromium to take screenshots.\n")
        return 2
    target = Path(arguments[0]) if arguments else FOLDER
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data, running_system(Path(data) / "airline", "--window", "60s") as system:
        airline = AirlineUnderTest(system.gateway, patience=PATIENCE, pause=0.2)
        with sync_playwright() as playwright:
            started = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
            flight = airline.add_flight(seats=90, code=CODE)
            customer = started.new_context(viewport=PHONE, locale="en-GB")
            pictures = _filled(airline, [_booked(customer, system.gateway, flight) for _ in range(2)])
            for picture in pictures:
                with _looked_at(started, system.gateway, picture, customer.storage_state()) as page:
                    if picture.name == "live":
                        for _ in range(BUSY):
                            airline.place_reservation(flight, seats=1)
                    page.screenshot(path=target / f"{picture.name}.png")
                sys.stdout.write(f"{target / picture.name}.png\n")
            started.close()
    return 0


def _booked(customer: BrowserContext, gateway: str, flight: int) -> str:
    """Books two seats by the form, and returns the reservation's id."""
    page = customer.new_page()
    page.goto(f"{gateway}/book?flight={flight}&passengers=2")
    page.get_by_test_id("customer").fill("7")
    page.get_by_test_id("book").click()
    page.wait_for_url("**/trips/*", timeout=PATIENCE * 1000)
    page.close()
    return page.url.rsplit("/", 1)[1]


def _filled(airline: AirlineUnderTest, trips: list[str]) -> list[Picture]:
    """Makes more flights, cancels one of the trips, and says what there is to see."""
    airline.add_flight(seats=2, cost=180_000, code=CODE)
    airline.add_flight(seats=0, cost=150_000, code=CODE)
    kept, canceled = trips
    for trip in trips:
        airline.outcome(trip)
    airline.cancel(canceled)
    airline.eventually_compensated(canceled)
    return [
        Picture("search", f"/?passengers=2&code={CODE}", "flight"),
        Picture("reservation", f"/trips/{kept}", "trip"),
        Picture("canceled", f"/trips/{canceled}", "money-back", scheme="dark"),
        Picture("live", "/live", "board", BOARD, "dark"),
        Picture("timeline", f"/ops/sagas/{kept}", "event", DESK),
        Picture("api", "/docs?document=reserve", "openapi", DESK),
    ]


@contextmanager
def _looked_at(browser: Browser, gateway: str, picture: Picture, known: StorageState) -> Iterator[Page]:
    context = browser.new_context(
        viewport=picture.size,
        color_scheme=picture.scheme,
        locale="en-GB",
        timezone_id="Asia/Seoul",
        reduced_motion="no-preference" if picture.name == "live" else "reduce",
        storage_state=known,
    )
    page = context.new_page()
    page.goto(gateway + picture.path)
    page.get_by_test_id(picture.whole).first.wait_for(timeout=PATIENCE * 1000)
    if picture.name != "live":  # its feed never ends
        page.wait_for_load_state("networkidle")
    yield page
    context.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
