"""People sign in on the page, at a real OpenID provider: authorization code with PKCE."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, Page, expect

from testbed.ports import free_port
from testbed.running_system import RunningSystem, running_system
from tests.browser.conftest import PHONE, Screen, watched
from tests.openid_provider import openid_provider


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """A laptop whose airline asks who calls."""
    folder, port = tmp_path_factory.mktemp("asking"), free_port()
    with ExitStack() as stack:
        people = stack.enter_context(openid_provider(folder, [f"http://127.0.0.1:{port}/"]))
        settings = [word for name, value in people.settings().items() for word in ("--set", f"{name}={value}")]
        yield stack.enter_context(running_system(folder / "airline", "--port", f"gateway={port}", *settings))


@pytest.fixture
def page(browser: Browser, asking: RunningSystem) -> Iterator[Page]:
    context = browser.new_context(viewport=PHONE, locale="en-GB")
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()


def sign_in(screen: Screen, name: str) -> None:
    screen.find("sign-in").click()
    screen.page.locator("input[name=login]").fill(name)
    screen.page.locator("input[name=password]").fill("any")
    screen.page.locator("[type=submit]").click()
    screen.page.get_by_role("button", name="Continue").click()
    expect(screen.find("sign-out")).to_have_text(f"Sign out {name}")


def test_a_customer_signs_in_books_and_sees_that_reservation_alone(page: Page, asking: RunningSystem) -> None:
    screen = watched(page, asking)
    screen.open("/trips?customer=7")
    expect(screen.find("failure")).to_contain_text("bearer token")

    sign_in(screen, "ann")

    assert screen.page.url == f"{asking.gateway}/trips?customer=7"  # where it began
    screen.open("/book?flight=1001&passengers=1")
    expect(screen.find("customer")).to_have_value("7")
    screen.find("book").click()
    screen.page.wait_for_url("**/trips/*")
    screen.phase("succeeded")
    booked = screen.find("id").inner_text()
    screen.open("/trips")
    expect(screen.find("trip-card")).to_have_count(1)

    screen.find("sign-out").click()
    expect(screen.find("sign-in")).to_be_visible()
    sign_in(screen, "bob")
    screen.open(f"/trips/{booked}")
    expect(screen.find("not-found")).to_be_visible()
    screen.open("/ops/outboxes")
    expect(screen.find("failure").first).to_contain_text("Only operators may do this.")
    assert screen.errors == []


def test_an_answer_that_nobody_asked_for_signs_nobody_in(page: Page, asking: RunningSystem) -> None:
    screen = watched(page, asking)
    screen.open("/?code=stolen&state=invented")
    expect(screen.find("sign-in")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0


def test_an_operator_sees_what_is_for_operators(page: Page, asking: RunningSystem) -> None:
    screen = watched(page, asking)
    screen.open("/live")
    sign_in(screen, "olga")
    expect(screen.find("board")).to_be_visible()
    assert screen.errors == []


def test_where_nobody_is_asked_nothing_of_it_shows(screen: Screen) -> None:
    asked: list[str] = []
    screen.page.on("request", lambda request: asked.append(request.url))
    screen.open("/")
    expect(screen.find("language")).to_be_visible()
    expect(screen.find("sign-in")).to_have_count(0)
    assert not any("session" in url for url in asked)
