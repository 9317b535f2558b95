"""What holds on every screen: accessible, strict, small, in both languages."""

import subprocess
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ViewportSize, expect

from testbed.airline_under_test import AirlineUnderTest
from testbed.running_system import ROOT, RunningSystem
from tests.browser.conftest import PHONE, Screen, in_both_languages, watched

WEB = ROOT / "gateway" / "web"
MOST_BYTES, MOST_REQUESTS = 100_000, 12
NARROW: ViewportSize = {"width": 320, "height": 640}
"""CSS pixels: a small phone, and a screen of 640 at 200 % (WCAG 2.2, 1.4.10)."""

BEYOND = """(width) => {
    const inside = (one) => one.closest(".scroll, .skip, pre, [role=region][tabindex]");
    const shown = [...document.querySelectorAll("a, button, input, select, textarea, summary")]
        .filter((one) => one.checkVisibility() && !inside(one));
    const beyond = shown.map((one) => [one.outerHTML.slice(0, 80), one.getBoundingClientRect()])
        .filter(([, { left, right }]) => right > left && (left < 0 || right > width + 0.5))
        .map(([text, { left, right }]) => `${text} from ${left} to ${right}`);
    const whole = document.documentElement.scrollWidth;
    return whole > width ? [`the page is ${whole} wide`, ...beyond] : beyond;
}"""
"""Controls that a thumb cannot reach without scrolling sideways, but for those in regions that scroll by themselves,
and the link for keyboards, which is beyond the edge until it has the focus."""


UNNAMED = """() => [...document.querySelectorAll("button, input, select, textarea, summary, main a, nav a")]
    .filter((one) => !one.closest(".swagger-ui") && !one.dataset.testid).map((one) => one.outerHTML.slice(0, 100))"""
"""Controls without a data-testid, but for those of Swagger UI."""


UNSEEN = """() => [...document.querySelectorAll("a, button, input, select, textarea, summary, [tabindex='0']")]
    .filter((one) => {
        one.focus();
        const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(one);
        const outlined = outlineStyle !== "none" && outlineWidth !== "0px";
        return document.activeElement === one && !outlined && boxShadow === "none";
    }).map((one) => one.outerHTML.slice(0, 100))"""
"""Controls that do not show a keyboard user that they have the focus."""


@pytest.fixture(scope="module")
def addresses(system: RunningSystem) -> dict[str, str]:
    """An address for each screen, and what is there when it is whole."""
    airline = AirlineUnderTest(system.gateway)
    flight = airline.add_flight(seats=9, code="AXE")
    trip, canceled = (airline.place_reservation(flight, seats=1, customer=7) for _ in range(2))
    declined = airline.place_reservation(flight, seats=1, customer=7, method="decline")
    sold_out = airline.place_reservation(airline.add_flight(seats=1), seats=2, customer=7)
    ends = [airline.outcome(one)["status"] for one in (trip, canceled, declined, sold_out)]
    assert ends == ["SUCCEED", "SUCCEED", "CANCELED", "CANCELED"]
    airline.cancel(canceled)
    slow = airline.place_reservation(flight, seats=1, customer=7, method="slow")
    return {
        "/": "initial",
        "/?passengers=2&code=AXE": "flight",
        "/?passengers=2&code=NONE": "status",
        f"/book?flight={flight}&passengers=2": "book",
        f"/trips/{trip}": "trip",
        **{f"/trips/{one}": "trip" for one in (slow, canceled, declined, sold_out)},
        "/trips/NOBODYSTRIP1": "not-found",
        "/trips?customer=7": "trip-card",
        "/customers?customer=7": "counts",
        "/docs?document=flight-seats": "openapi",
        "/docs?document=events": "asyncapi",
        "/live": "board",
        "/ops": "kept-empty",
        "/ops/sagas": "identity",
        f"/ops/sagas/{trip}": "event",
        "/ops/outboxes": "unsent-payment",
        "/ops/checks": "unchecked",
        "/ops/flights": "flight",
        "/ops/audit": "empty",
    }


@pytest.mark.timeout(240)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-GB", "ko-KR"])
def test_no_screen_violates_a_rule_of_accessibility_or_is_wider_than_a_phone(
    browser: Browser, system: RunningSystem, addresses: dict[str, str], locale: str, scheme: Literal["light", "dark"]
) -> None:
    context = browser.new_context(viewport=PHONE, locale=locale, color_scheme=scheme)
    screen = watched(context.new_page(), system)
    asked: list[str] = []
    screen.page.on("request", lambda one: asked.append(one.url))
    for address, whole in addresses.items():
        screen.open(address)
        expect(screen.find(whole).first).to_be_visible()
        found = Axe().run(screen.page)
        assert found.violations_count == 0, f"{address}\n{found.generate_report()}"
        assert screen.page.evaluate(BEYOND, PHONE["width"]) == [], address
        assert screen.page.evaluate(UNNAMED) == [], address
        screen.page.keyboard.press("Tab")
        assert screen.page.evaluate(UNSEEN) == [], address
        screen.page.set_viewport_size(NARROW)
        assert screen.page.evaluate(BEYOND, NARROW["width"]) == [], address
        screen.page.set_viewport_size(PHONE)
    context.close()
    assert screen.errors == []
    assert [url for url in asked if not url.startswith((system.gateway, "data:"))] == []


@pytest.mark.parametrize(
    "address",
    [
        "/trips/%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        f"/trips/{'X' * 300}",
        "/trips?customer=-1%00",
        "/customers?customer=%EC%A3%BC",
        "/book?flight=abc&passengers=xx",
        "/book?flight=999999999999999999999&passengers=99",
        f"/?passengers=1&code={'W' * 20}",
        "/?passengers=0&date=2027-99-99&sort=none",
        f"/ops/sagas/{'x' * 300}",
        "/ops?status=NONE",
        "/docs?document=../../Caddyfile",
    ],
)
def test_whatever_somebody_pastes_into_the_address_there_is_a_screen_that_fits(screen: Screen, address: str) -> None:
    screen.open(address)
    screen.page.wait_for_load_state("networkidle")

    assert screen.page.evaluate(BEYOND, PHONE["width"]) == []
    assert "NaN" not in screen.page.inner_text("body")
    assert "undefined" not in screen.page.inner_text("body")


def test_the_first_page_is_small_and_asks_no_other_host(browser: Browser, system: RunningSystem) -> None:
    context = browser.new_context(viewport=PHONE)
    page = context.new_page()
    asked: list[tuple[str, int]] = []
    page.on("requestfinished", lambda one: asked.append((one.url, one.sizes()["responseBodySize"])))

    page.goto(system.gateway + "/")
    page.wait_for_load_state("networkidle")

    assert all(url.startswith(system.gateway) for url, _ in asked)
    assert len(asked) <= MOST_REQUESTS
    assert sum(size for _, size in asked) <= MOST_BYTES
    context.close()


def test_a_page_may_run_no_script_but_its_own(screen: Screen) -> None:
    answer = screen.page.request.get(screen.system.gateway + "/trips/ANY")
    policy = answer.headers["content-security-policy"]

    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


@in_both_languages
def test_the_whole_tour_can_be_made_with_the_keyboard(screen: Screen) -> None:
    flight = screen.airline.add_flight(seats=9, code="KEYS")
    screen.open("/?passengers=1&code=KEYS")
    expect(screen.find("flight").first).to_be_visible()

    screen.page.locator(f"[data-flight='{flight}'] [data-testid=choose]").press("Enter")
    screen.find("customer").fill("7")
    screen.find("customer").press("Enter")
    screen.phase("succeeded")
    screen.find("cancel").press("Enter")
    screen.page.keyboard.press("Escape")
    expect(screen.find("dialog")).not_to_be_visible()
    screen.find("cancel").press("Enter")
    screen.find("confirm-cancel").press("Enter")

    screen.phase("canceled")


def test_the_language_is_changed_on_the_spot_and_remembered(screen: Screen) -> None:
    screen.open("/")
    before = screen.page.locator("html").get_attribute("lang")

    screen.find("language").click()
    expect(screen.page.locator("html")).not_to_have_attribute("lang", before or "")
    screen.open("/trips")

    expect(screen.page.locator("html")).not_to_have_attribute("lang", before or "")


def test_an_address_without_a_screen_leads_back_to_the_search(screen: Screen) -> None:
    screen.open("/trips")

    screen.page.evaluate("history.pushState(null, '', '/nowhere'); dispatchEvent(new PopStateEvent('popstate'))")

    expect(screen.page.locator("main a")).to_have_attribute("href", "/")


@pytest.mark.parametrize("room", ["", "ops."])
def test_both_languages_have_the_same_words(screen: Screen, room: str) -> None:
    screen.open("/")

    shapes = screen.page.evaluate(
        """async (room) => Promise.all([`${room}en`, `${room}ko`].map(async (name) => {
            const words = (await import(`/words/${name}.js`)).default;
            const shape = (text) => (typeof text === "function" ? text.length : "text");
            return Object.entries(words).map(([key, text]) => `${key}/${shape(text)}`).sort();
        }))""",
        room,
    )

    assert shapes[0] == shapes[1]


def test_the_libraries_that_are_checked_in_are_made_from_their_locked_versions(tmp_path: Path) -> None:
    source = ROOT / "gateway" / "vendor"
    for name in (".npmrc", "package.json", "package-lock.json", "lit.js", "swagger-ui.js"):
        (tmp_path / name).write_bytes((source / name).read_bytes())
    (tmp_path / "package.json").write_text((source / "package.json").read_text().replace("../web/vendor/", "made/"))

    subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=tmp_path, check=True, timeout=100)
    subprocess.run(["npm", "run", "--silent", "build"], cwd=tmp_path, check=True, timeout=100, capture_output=True)

    for name in ("lit.js", "swagger-ui.js", "swagger-ui.css"):
        assert (tmp_path / "made" / name).read_bytes() == (WEB / "vendor" / name).read_bytes(), name
