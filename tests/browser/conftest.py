"""A real browser in front of a running airline; without a browser on this machine these tests are skipped.

States are made as they happen: a function that is stopped, a database that is locked, a network that is away.
"""

import os
import re
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

import psutil
import pytest
import requests
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect, sync_playwright

from testbed.airline_under_test import AirlineUnderTest
from testbed.running_system import RunningSystem, running_system

PATIENCE = 60_000  # ms: a function may have to wake on a busy machine
PHONE: ViewportSize = {"width": 390, "height": 844}
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The first one is the same browser without windows: a tab costs a third of the processor time."""
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)

STILL: Literal["reduce"] = "reduce"
"""No animations: without a graphics card they take a whole core."""

expect.set_options(timeout=PATIENCE)
in_both_languages = pytest.mark.parametrize("screen", ["en-GB", "ko-KR"], indirect=True)


@pytest.fixture(scope="package")  # Playwright leaves an event loop running until it ends
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("CI has no browser: apt-get install chromium")
        pytest.skip("there is no browser on this machine: install chromium to run these tests")
    # a container has no sandbox of its own to give
    sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    drawing = ["--disable-gpu", "--disable-dev-shm-usage"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=sandbox + drawing)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def system(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    with running_system(tmp_path_factory.mktemp("airline"), "--window", "1h") as running:
        yield running


@dataclass(frozen=True)
class Screen:
    """What a person does with the page."""

    page: Page
    system: RunningSystem
    errors: list[str]

    @property
    def airline(self) -> AirlineUnderTest:
        """The same system over HTTP."""
        return AirlineUnderTest(self.system.gateway)

    def open(self, path: str) -> None:
        self.page.goto(self.system.gateway + path)
        expect(self.page.locator("h1")).to_be_visible()

    def find(self, test_id: str) -> Locator:
        return self.page.get_by_test_id(test_id)

    def status(self, text: str | re.Pattern[str]) -> None:
        """Waits until the line that a screen reader hears says so."""
        expect(self.page.get_by_role("status").and_(self.find("status"))).to_have_text(text)

    def search(self, passengers: int, code: str = "") -> None:
        self.find("passengers").fill(str(passengers))
        self.find("code").fill(code)
        self.find("search").click()

    def book(self, flight: int, passengers: int, customer: int = 7, payment: str = "accept") -> str:
        """Books by the form and returns the reservation's id, which the address of its page ends with."""
        self.open(f"/book?flight={flight}&passengers={passengers}")
        self.find("customer").fill(str(customer))
        self.find(payment).check()
        self.find("book").click()
        self.page.wait_for_url("**/trips/*", timeout=PATIENCE)
        return self.page.url.rsplit("/", 1)[1]

    def phase(self, phase: str, *, final: bool = True) -> None:
        """Waits until the reservation has come so far."""
        expect(self.find("trip")).to_have_attribute("data-phase", phase)
        if final:
            expect(self.find("trip")).to_have_attribute("data-final", "true")


@pytest.fixture(params=["en-GB"])
def screen(browser: Browser, system: RunningSystem, request: pytest.FixtureRequest) -> Iterator[Screen]:
    """A phone; whatever the page reports as an error fails the test. `in_both_languages` makes it one for each."""
    context = browser.new_context(viewport=PHONE, locale=request.param, timezone_id="Asia/Seoul", reduced_motion=STILL)
    context.set_default_timeout(PATIENCE)
    opened = watched(context.new_page(), system)
    yield opened
    context.close()
    assert opened.errors == []


@pytest.fixture(scope="package")
def modules(browser: Browser, system: RunningSystem) -> Iterator[Page]:
    """One tab for all tests that only ask the modules of the page what they make of some values."""
    context = browser.new_context(locale="en-GB")
    context.set_default_timeout(PATIENCE)
    opened = watched(context.new_page(), system)
    opened.open("/docs?document=events")
    yield opened.page
    context.close()
    assert opened.errors == []


def watched(page: Page, system: RunningSystem) -> Screen:
    """The page, with what it throws and what its Content-Security-Policy refuses; refused requests do not count."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.extend([message.text] if "Content Security" in message.text else []))
    return Screen(page, system, errors)


@contextmanager
def stopped(system: RunningSystem, function: str) -> Iterator[None]:
    """The function is there and answers nothing until it is let go on."""
    requests.get(f"{system.url(function)}/healthz", timeout=60)  # a sleeping one has no process yet
    process = psutil.Process(system.process_of(function))
    family = [process, *process.children(recursive=True)]
    for one in family:
        one.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for one in family:
            with suppress(psutil.NoSuchProcess):  # ended by the laptop meanwhile, for want of calls
                one.send_signal(signal.SIGCONT)


@contextmanager
def promoted(system: RunningSystem, text: str) -> Iterator[None]:
    """A promotion is there meanwhile, for all customers."""
    promotion = system.data / "promotions" / "event.txt"
    promotion.parent.mkdir(exist_ok=True)
    promotion.write_text(text, "utf-8")
    try:
        yield
    finally:
        promotion.unlink()


def kill_gateway(system: RunningSystem) -> None:
    """Callers that wait for an answer get none; the laptop starts another gateway at once.

    Until that one is there, callers wait at its socket, and nobody would notice that it is killed as well.
    """
    requests.get(system.gateway, timeout=60)
    for child in psutil.Process(system.process.pid).children(recursive=True):
        if "caddy" in child.name():
            child.kill()
