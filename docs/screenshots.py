"""Takes the screenshots that the READMEs show: python -m docs.screenshots [FOLDER]

Runs an airline of its own on free ports, fills it, and looks at it with the chromium of this machine. Each picture is
of one screen at one width in one colour scheme; times and ids differ from run to run.
"""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Literal, NamedTuple

from playwright.sync_api import Browser, ViewportSize, sync_playwright

from testbed.airline_under_test import AirlineUnderTest
from testbed.running_system import running_system

FOLDER = Path(__file__).with_name("screenshots")
PHONE: ViewportSize = {"width": 390, "height": 1000}
DESK: ViewportSize = {"width": 1200, "height": 760}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 120  # seconds until what is shown has happened
CODE = "KE081"


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
        pictures = _filled(AirlineUnderTest(system.gateway, patience=PATIENCE, pause=0.2))
        with sync_playwright() as playwright:
            started = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
            for picture in pictures:
                _take(started, system.gateway, picture, target)
            started.close()
    return 0


def _filled(airline: AirlineUnderTest) -> list[Picture]:
    """Makes flights and reservations, and says what there is to see."""
    flight = airline.add_flight(seats=9, code=CODE)
    airline.add_flight(seats=2, cost=180_000, code=CODE)
    airline.add_flight(seats=0, cost=150_000, code=CODE)
    kept, canceled = (airline.place_reservation(flight, seats=2, customer=7) for _ in range(2))
    for trip in (kept, canceled):
        airline.outcome(trip)
    airline.cancel(canceled)
    airline.eventually_compensated(canceled)
    return [
        Picture("search", f"/?passengers=2&code={CODE}", "flight"),
        Picture("reservation", f"/trips/{kept}", "trip"),
        Picture("canceled", f"/trips/{canceled}", "money-back", scheme="dark"),
        Picture("live", "/live", "board", DESK, "dark"),
        Picture("timeline", f"/ops/sagas/{kept}", "event", DESK),
        Picture("api", "/docs?document=reserve", "openapi", DESK),
    ]


def _take(browser: Browser, gateway: str, picture: Picture, target: Path) -> None:
    context = browser.new_context(
        viewport=picture.size,
        color_scheme=picture.scheme,
        locale="en-GB",
        timezone_id="Asia/Seoul",
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(gateway + picture.path)
    page.get_by_test_id(picture.whole).first.wait_for(timeout=PATIENCE * 1000)
    page.wait_for_load_state("networkidle") if picture.name != "live" else None
    page.screenshot(path=target / f"{picture.name}.png")
    sys.stdout.write(f"{target / picture.name}.png\n")
    context.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
