"""People sign in on the page, at a real OpenID provider, with PKCE. No function is behind the gateway."""

import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, Page, Request, Route, expect

from testbed.ports import free_port
from testbed.running_system import eventually
from tests.browser.conftest import PATIENCE, PHONE
from tests.laptop.test_gateway import SERVICES, caddy
from tests.openid_provider import openid_provider

NOBODY_LISTENS = dict.fromkeys(SERVICES, 9)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a gateway whose airline asks who calls."""
    with ExitStack() as stack:
        port = free_port()
        own = f"http://127.0.0.1:{port}/"
        people = stack.enter_context(openid_provider(tmp_path_factory.mktemp("openid"), [own]))
        folder = tmp_path_factory.mktemp("gateway")
        stack.enter_context(caddy(folder, NOBODY_LISTENS, **people.settings(), PORT=str(port)))
        yield own.removesuffix("/")


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A tab in which nothing is thrown, and nothing refused by the Content-Security-Policy."""
    context = browser.new_context(viewport=PHONE, locale="en-GB")
    context.set_default_timeout(PATIENCE)
    opened, errors = context.new_page(), list[str]()
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", lambda said: errors.extend([said.text] if "Content Security" in said.text else []))
    yield opened
    context.close()
    assert errors == []


def sign_in(page: Page, name: str) -> None:
    page.get_by_test_id("sign-in").click()
    page.locator("input[name=login]").fill(name)
    page.locator("input[name=password]").fill("any")
    page.locator("[type=submit]").click()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_test_id("sign-out")).to_have_text(f"Sign out {name}")


def asked_with(page: Page, address: str, path: str) -> str | None:
    """The Authorization with which a screen asks for the path."""
    with page.expect_request(lambda request: path in request.url and "/trips" not in request.url) as asked:
        page.goto(address)
    request: Request = asked.value
    return request.headers.get("authorization")


def test_who_signs_in_comes_back_to_where_it_began_and_is_known_from_then_on(page: Page, gateway: str) -> None:
    assert asked_with(page, f"{gateway}/trips?customer=7", "/reservations") is None

    sign_in(page, "ann")

    assert page.url == f"{gateway}/trips?customer=7"
    assert str(asked_with(page, f"{gateway}/trips", "/reservations?customerId=7")).startswith("Bearer ey")
    page.goto(f"{gateway}/trips")
    expect(page.get_by_test_id("customer")).to_have_value("7")

    page.get_by_test_id("sign-out").click()
    expect(page.get_by_test_id("sign-in")).to_be_visible()
    assert page.evaluate("sessionStorage.length + (localStorage.customer ?? '').length") == 0


def test_a_token_at_its_end_is_replaced_before_it_is_shown(page: Page, gateway: str) -> None:
    page.goto(gateway)
    sign_in(page, "ann")
    old = json.loads(page.evaluate("sessionStorage.session"))
    page.evaluate("old => sessionStorage.setItem('session', old)", json.dumps(old | {"expiresAt": 0}))

    shown = asked_with(page, f"{gateway}/trips?customer=7", "/reservations")

    assert shown not in (None, f"Bearer {old['access']}")
    expect(page.get_by_test_id("sign-out")).to_be_visible()


def test_who_cannot_be_known_any_longer_is_signed_out(page: Page, gateway: str) -> None:
    page.goto(gateway)
    sign_in(page, "ann")
    kept = json.loads(page.evaluate("sessionStorage.session")) | {"expiresAt": 0, "refresh": "withdrawn"}
    page.evaluate("kept => sessionStorage.setItem('session', kept)", json.dumps(kept))

    assert asked_with(page, f"{gateway}/trips?customer=7", "/reservations") is None

    expect(page.get_by_test_id("sign-in")).to_be_visible()


def test_an_answer_that_nobody_asked_for_signs_nobody_in(page: Page, gateway: str) -> None:
    page.goto(f"{gateway}/?code=stolen&state=invented")

    expect(page.get_by_test_id("sign-in")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0


def test_the_feed_of_the_board_is_asked_for_with_the_token(page: Page, gateway: str) -> None:
    page.goto(gateway)
    sign_in(page, "olga")
    shown: list[str | None] = []

    def feed(route: Route) -> None:
        shown.append(route.request.headers.get("authorization"))
        route.fulfill(content_type="text/event-stream", body='data: {"number": 1}\n\n:\n\ndata: {"number": 2}\n\n')

    page.route("**/board/feed", feed)
    page.evaluate(
        "async () => { window.heard = []; const { follow } = await import('/board/feed.js');"
        " follow('/board/feed', (one) => window.heard.push(one.number), () => {}); }"
    )

    eventually(lambda: page.evaluate("window.heard.slice(0, 2)") == [1, 2], "the feed is heard", 60, 0.1)
    assert str(shown[0]).startswith("Bearer ey")


def test_where_nobody_is_asked_nothing_of_it_shows(page: Page, tmp_path_factory: pytest.TempPathFactory) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with caddy(tmp_path_factory.mktemp("open"), NOBODY_LISTENS, IDENTITY_ISSUER="") as url:
        page.goto(url)
        expect(page.get_by_test_id("language")).to_be_visible()
        expect(page.get_by_test_id("sign-in")).to_have_count(0)
    assert not any("session" in url or "identity" in url for url in asked)
