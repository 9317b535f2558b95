"""The live board: who sleeps, who wakes, every event on its way, and that watching costs nobody his sleep."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest
import requests
from playwright.sync_api import Browser, expect

from demos import scale_to_zero
from demos.alone import Alone, Woken
from demos.customers import Ended, Placed, Step
from demos.instances import Instance
from demos.scale_to_zero import Burst, Result, Sagas
from testbed.running_system import RunningSystem, eventually, running_system
from tests.browser.conftest import Screen, in_both_languages, kill_gateway, stopped

HEARTBEATS = 12
"""Of the feed, one every five seconds: a minute of watching."""
REMEMBER = """([selector, name]) => {
    const seen = (window.seen ??= []);
    const look = () => {
        const value = document.querySelector(selector)?.getAttribute(name) ?? null;
        if (seen.at(-1) !== value) seen.push(value);
    };
    new MutationObserver(look).observe(document.body, {subtree: true, childList: true, attributes: true});
    look();
}"""


@pytest.fixture(scope="module")
def system(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """One whose functions soon fall asleep: the demo, and whoever looks whether anybody wakes, waits until all do."""
    with running_system(tmp_path_factory.mktemp("board"), "--window", "6s") as running:
        yield running


def open_board(screen: Screen) -> None:
    screen.open("/live")
    expect(screen.find("board")).to_be_visible()


def function(name: str) -> str:
    return f"[data-function={name}]"


@in_both_languages
def test_a_function_is_seen_asleep_waking_and_awake(screen: Screen) -> None:
    screen.system.put_to_sleep("payment")
    open_board(screen)
    node = screen.page.locator(function("payment"))
    expect(node).to_have_attribute("data-state", "asleep")
    screen.page.evaluate(REMEMBER, [function("payment"), "data-state"])
    screen.system.end_fork_server()

    requests.get(f"{screen.system.gateway}/payments", timeout=60).raise_for_status()

    expect(node).to_have_attribute("data-state", "awake")
    assert screen.page.evaluate("window.seen") == ["asleep", "waking", "awake"]
    expect(node).to_contain_text(re.compile(r"woke in \d+\.\d s|\d+\.\d초 만에 깨어남"))
    expect(node).to_contain_text(re.compile("1 instance|인스턴스 1개"))
    expect(screen.find("chart")).to_contain_text(re.compile("At most [1-9]|최대 [1-9]"))
    assert "H300V60" in str(screen.find("chart").locator(".area").get_attribute("d"))


def test_an_event_is_on_the_board_at_once_and_its_saga_is_highlighted(screen: Screen) -> None:
    open_board(screen)

    trip = screen.airline.place_reservation(screen.airline.add_flight(seats=5), seats=1, customer=7)

    saga = screen.page.locator(f"[data-saga='{trip}']")
    expect(saga).to_contain_text("ReservationPlaced → RemainingSeatsDecreased → Paid → ReservationConfirmed")
    confirmed = screen.page.locator("[data-testid=event][data-type=ReservationConfirmed]").first
    expect(confirmed).to_contain_text("from confirm-reservation to project-dashboard")
    saga.get_by_test_id("highlight").click()
    expect(saga.get_by_test_id("highlight")).to_have_attribute("aria-pressed", "true")
    for name in ("reserve", "decrease-seats", "charge-payment", "confirm-reservation"):
        expect(screen.page.locator(function(name))).to_contain_text("in the saga")
    expect(screen.page.locator(function("restore-seats"))).not_to_contain_text("in the saga")


DRAWN = """async ([kind, moment]) => {
    const { drawing } = await import("/board/drawing.js");
    const canvas = document.createElement("canvas");
    const places = { a: { x: 0, y: 40, width: 20, height: 20 }, b: { x: 180, y: 40, width: 20, height: 20 } };
    const marks = { event: "#00ff00", saga: "#ff00ff", retry: "#ffff00", letter: "#ff0000" };
    const colors = { ...marks, ink: "#000", paper: "#fff" };
    const frames = [];
    window.requestAnimationFrame = (paint) => frames.push(paint);
    const board = drawing(canvas, (name) => places[name], () => colors, (rate) => `${rate}/s`);
    board.fit(200, 100);
    frames.pop()(0);
    board.move("a", "b", kind, 0);
    frames.pop()(moment);
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const found = { next: frames.length };
    for (let at = 0; at < data.length; at += 4) {
        const color = "#" + [0, 1, 2].map((part) => data[at + part].toString(16).padStart(2, "0")).join("");
        const name = data[at + 3] === 255 && Object.keys(marks).find((one) => marks[one] === color);
        if (name) found[name] = (found[name] ?? 0) + 1;
    }
    return found;
}"""
"""How many pixels of each mark there are some ms after an event was said, and whether there will be another frame.

Curves are not opaque: only marks are, and the words on the curves.
"""


@pytest.mark.parametrize("kind", ["event", "saga", "retry", "letter"])
def test_what_is_on_its_way_is_a_mark_of_its_kind_and_nothing_is_drawn_once_all_has_come(
    screen: Screen, kind: str
) -> None:
    screen.page.emulate_media(reduced_motion="no-preference")
    screen.open("/docs?document=events")

    on_its_way, there, long_after = (screen.page.evaluate(DRAWN, [kind, moment]) for moment in (300, 1000, 60_000))

    assert on_its_way[kind] > 10
    assert (kind in there, there["next"]) == (False, 1)  # its curve is still bright
    assert long_after == {"next": 0}


def test_whoever_wants_no_motion_sees_curves_and_nothing_that_moves(screen: Screen) -> None:
    screen.open("/docs?document=events")

    assert screen.page.evaluate(DRAWN, ["letter", 300]) == {"next": 1}


def test_a_dead_letter_is_seen_with_its_reason(screen: Screen) -> None:
    open_board(screen)
    about = {"specversion": "1.0", "id": "broken", "source": "/test", "type": "ReservationPlaced"}
    headers = {f"ce-{name}": value for name, value in about.items()} | {"Content-Type": "application/json"}

    requests.post(screen.system.broker, headers=headers, data="{}", timeout=10).raise_for_status()

    letter = screen.page.locator("[data-testid=trouble][data-state=dead-lettered]", has_text="decrease-seats")
    expect(letter).to_contain_text("status 4")
    expect(screen.page.locator(function("decrease-seats")).get_by_test_id("badge-letters")).to_be_visible()
    expect(screen.find("fact-letters")).not_to_have_text("0")


def test_a_retry_is_seen_with_what_had_failed(screen: Screen) -> None:
    screen.system.put_to_sleep("restore-seats")
    with stopped(screen.system, "restore-seats"):
        open_board(screen)
        flight = screen.airline.add_flight(seats=1)
        screen.airline.place_reservation(flight, seats=1, customer=7, method="decline")
        retry = screen.page.locator("[data-testid=trouble][data-state=retrying]", has_text="restore-seats")
        expect(retry.first).to_contain_text("no answer")

    expect(screen.page.locator(function("restore-seats")).get_by_test_id("badge-retries")).to_be_visible()


@in_both_languages
def test_a_lost_feed_is_shown_and_restored(screen: Screen) -> None:
    open_board(screen)

    kill_gateway(screen.system)
    expect(screen.find("lost")).to_be_visible()
    expect(screen.find("lost")).not_to_be_visible()

    trip = screen.airline.place_reservation(screen.airline.add_flight(seats=5), seats=1, customer=7)
    expect(screen.page.locator(f"[data-saga='{trip}']")).to_be_visible()


def test_a_broker_that_is_away_leaves_its_figures_unknown(screen: Screen) -> None:
    open_board(screen)
    screen.page.evaluate(REMEMBER, ["[data-testid=broker-away]", "role"])

    psutil.Process(int(screen.system.state["brokerPid"])).kill()

    screen.page.wait_for_function("() => window.seen.length >= 3", timeout=60_000)
    assert screen.page.evaluate("window.seen") == [None, "alert", None]
    expect(screen.find("fact-retries")).to_have_text(re.compile(r"\d+"))


@pytest.mark.timeout(700)
def test_an_open_board_wakes_nobody_in_a_minute(screen: Screen) -> None:
    system = screen.system
    open_board(screen)

    def watch() -> None:
        with requests.get(f"{system.gateway}/board/feed", stream=True, timeout=30) as feed:
            heartbeats = (line for line in feed.iter_lines() if line == b":")
            for _ in range(HEARTBEATS):
                next(heartbeats)

    assert woken_by(watch, system) == Counter()
    expect(screen.find("fact-awake")).to_have_text(re.compile("^0 "))


def woken_by(look: Callable[[], None], system: RunningSystem) -> Counter[str]:
    """Who starts while somebody looks, in a time in which no schedule wakes housekeeping: its events wake others."""
    woken: Counter[str] = Counter()
    for _ in range(4):
        eventually(lambda: at_rest(system), "everybody is asleep and no event on its way", 120, pause=0.2)
        before = starts(system)
        look()
        woken = starts(system) - before
        if not any("housekeeping" in name for name in woken):
            return woken
    pytest.fail(f"a schedule came each time: {woken}")


def at_rest(system: RunningSystem) -> bool:
    """Whether everybody is asleep and the broker has nothing to deliver, now or later."""
    try:
        on_their_way = system.on_their_way()
    except requests.RequestException:  # it starts again
        return False
    return on_their_way == 0 and all(one["state"] == "asleep" for one in system.state["services"].values())


def starts(system: RunningSystem) -> Counter[str]:
    return Counter({name: one["starts"] for name, one in system.state["services"].items()})


@pytest.mark.timeout(400)
def test_the_demo_is_sent_by_a_button_and_its_summary_stays(screen: Screen) -> None:
    open_board(screen)
    screen.find("demo-customers").fill("0")
    screen.find("demo-send").click()
    expect(screen.find("demo-error")).not_to_be_empty()
    screen.find("demo-customers").fill("4")
    screen.find("demo-seats").fill("3")
    screen.find("demo-send").click()
    expect(screen.find("demo-send")).to_be_disabled()

    summary = screen.find("demo-summary")
    expect(summary).to_contain_text("3 confirmed, 1 canceled", timeout=330_000)
    expect(summary).to_contain_text("none sold twice; 0 seats left")
    screen.page.reload()
    expect(summary).to_contain_text("3 confirmed")
    screen.find("language").click()
    expect(summary).to_contain_text("3건 확정, 1건 취소")
    expect(summary).to_contain_text("두 번 팔린 좌석이 없고 0석")


def test_the_figures_of_the_demo_on_the_board_are_those_of_the_command(screen: Screen) -> None:
    cold = sagas({"Paid": [0.1, 2.35789, 0.4], "ReservationConfirmed": [1.0, 2.0]}, "SUCCEED", [0.5, 1.25, 3.5])
    warm = sagas({"Paid": [0.0125]}, "CANCELED", [0.25])
    statuses = Counter(one.status for one in cold.ended)
    instances = [Instance("reserve", "reserve-1", "ready", 2.5), Instance("payment", "payment-1", "ready", 0.75)]
    single = Alone(0.51234, 3.25, (Woken("reserve", 0.0, 0.5), Woken("decrease-seats", 0.25, 1.75)))
    result = Result(Burst(3, 2), single, cold, warm, statuses, [], [], instances, 31.26)

    screen.open("/live")
    shown = screen.page.evaluate(
        """async (result) => {
            const definition = await (await fetch("/board/scale-to-zero.json")).json();
            return (await import("/board/figures.js")).figures(definition, result);
        }""",
        {
            "customers": 3,
            "seats": 2,
            "alone": {
                "answeredIn": 0.51234,
                "endedIn": 3.25,
                "woken": [
                    {"function": "decrease-seats", "at": 1_800_000_000.25, "seconds": 1.5},
                    {"function": "reserve", "at": 1_800_000_000.0, "seconds": 0.5},
                ],
            },
            "cold": as_seen(cold),
            "warm": as_seen(warm),
            "asleepAfter": 31.26,
            "starts": [{"function": one.function, "seconds": one.started_in} for one in instances],
        },
    )

    said = scale_to_zero.figures(result)
    assert shown == {name: json.loads(json.dumps(said[name])) for name in shown}
    assert said.keys() - shown.keys() == {"laws", "samples"}


def sagas(steps: dict[str, list[float]], status: str, times: list[float]) -> Sagas:
    return Sagas(
        [Placed(f"R{number}", 0.0, time) for number, time in enumerate(times)],
        [Ended(f"R{number}", status, 2 * time) for number, time in enumerate(times)],
        [Step(event, "any", after) for event, all_of_it in steps.items() for after in all_of_it],
    )


def as_seen(kind: Sagas) -> dict[str, Any]:
    return {
        "placed": [{"answeredIn": one.answered_in} for one in kind.placed],
        "ended": [{"status": one.status, "endedIn": one.ended_in} for one in kind.ended],
        "steps": [{"event": one.event, "after": one.after} for one in kind.steps],
    }


@pytest.mark.timeout(400)
def test_nobody_is_woken_by_looking_at_the_page(screen: Screen) -> None:
    def look() -> None:
        for address in ("/", "/live", "/trips", "/customers"):
            screen.open(address)
            screen.page.wait_for_load_state("load")

    assert woken_by(look, screen.system) == Counter()
