"""The live board on a cluster: the same page, fed by functions/board, says what a cluster does not report."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from testbed.board_of_a_cluster import Board, board_of_a_cluster, served
from testbed.fake_kubernetes import pod
from testbed.vocabulary import CLOUD_EVENT, event
from tests.browser.conftest import PHONE, STILL

REMEMBER_LOST = """
    window.lost = 0;
    new MutationObserver(() => { window.lost += document.querySelectorAll("[data-testid=lost]").length; })
        .observe(document, {subtree: true, childList: true});
"""


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    with board_of_a_cluster(tmp_path) as board:
        yield board


@pytest.fixture(params=["en-GB", "ko-KR"])
def page(browser: Browser, board: Board, request: pytest.FixtureRequest) -> Iterator[Page]:
    context = browser.new_context(viewport=PHONE, locale=request.param, reduced_motion=STILL)
    with served(board) as address:
        page = context.new_page()
        page.goto(f"{address}/live")
        expect(page.get_by_test_id("board")).to_be_visible()
        yield page
        context.close()


def test_the_board_of_a_cluster_shows_who_wakes_and_each_event_and_what_is_not_known(page: Page, board: Board) -> None:
    decrease = page.locator("[data-function=decrease-seats]")
    expect(decrease).to_have_attribute("data-state", "asleep")
    board.cluster.becomes("ADDED", pod("decrease-seats"))
    expect(decrease).to_have_attribute("data-state", "waking")
    expect(decrease).to_contain_text(re.compile(r"waking for [\d,.]+ s|[\d,.]+초째 깨어나는 중"))
    board.cluster.becomes("MODIFIED", pod("decrease-seats", ready="2026-11-28T12:00:02Z"))
    expect(decrease).to_have_attribute("data-state", "awake")

    board.client.post("/looks-on", json=event("ReservationPlaced"), headers=CLOUD_EVENT)
    listed = page.locator("[data-testid=event][data-type=ReservationPlaced]")
    expect(listed).to_contain_text("decrease-seats, project-dashboard")

    for figure in ("retries", "letters", "kept"):
        expect(page.get_by_test_id(f"fact-{figure}")).to_have_text(re.compile("not known|알 수 없음"))
    expect(page.get_by_test_id("unreported")).to_be_visible()
    expect(page.locator("[data-function=reserve]")).to_contain_text(re.compile("never fewer than 1|항상 1개 이상"))
    assert Axe().run(page).violations_count == 0


def test_a_stream_that_ends_as_it_should_is_not_shown_as_lost(browser: Browser, tmp_path: Path) -> None:
    context = browser.new_context(viewport=PHONE, reduced_motion=STILL)
    context.add_init_script(REMEMBER_LOST)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url))

    with board_of_a_cluster(tmp_path, longest=0.3) as board, served(board) as address:
        page.goto(f"{address}/live")
        while sum(url.endswith("/board/feed") for url in asked) < 4:
            page.wait_for_timeout(50)  # lets the page work
        assert page.evaluate("window.lost") == 0
        context.close()


def test_a_cluster_that_does_not_answer_is_said_to_be_away(page: Page, board: Board) -> None:
    board.cluster.status = 403
    board.cluster.changes.put(None)

    expect(page.get_by_test_id("runtime-away")).to_be_visible()
    board.cluster.status = 200
    expect(page.get_by_test_id("runtime-away")).not_to_be_visible()
