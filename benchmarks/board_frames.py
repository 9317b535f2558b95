"""Frames a second of the live board in a browser, and its memory, while events pour in.

    python -m benchmarks.board_frames [--rate 200] [--seconds 20] [--width 1440]
    python -m benchmarks.board_frames --hour

The page is that of the gateway, and the feed that of the laptop, fed with made-up sagas: `--rate` events a second go
to two functions each, one in fifty is retried, one in a hundred is dead-lettered. Prints the frames that the browser
drew a second, and before that of an empty page, which is what this machine can give; the longest time between two of
them, how busy its main thread was, the CPU time of the processes drawing the page, and the JavaScript heap after
garbage collection, early and at the end. Without a graphics card the browser draws on the processor; on a machine that
is busy with other things, CPU time says more than frames.

`--hour` sends what an hour at `--rate` has, as fast as the page takes it. After each tenth, once the page shows the
last event of it, it prints the heap and the memory of the processes that draw the page.
"""

import argparse
import asyncio
import shutil
import time
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import psutil
from aiohttp import web
from playwright.async_api import CDPSession, Page, async_playwright

from broker.embedded.feed import Feed
from broker.embedded.happenings import MOST_IN_ONE
from laptop.board.picture import Picture
from laptop.board.server import application
from testbed.project import folder_of, functions

WEB = Path(__file__).resolve().parent.parent / "gateway" / "web"
TICK = 0.1  # seconds between two messages, as the broker sends them
STEPS = (
    ("ReservationPlaced", "reserve", "decrease-seats"),
    ("RemainingSeatsDecreased", "decrease-seats", "charge-payment"),
    ("Paid", "charge-payment", "confirm-reservation"),
    ("ReservationConfirmed", "confirm-reservation", "restore-seats"),
)
FOLDERS = {name: folder_of(service) for name, service in functions().items()}
FRAMES = """(milliseconds) => new Promise((resolve) => {
    const gaps = [];
    let last = performance.now();
    const end = last + milliseconds;
    const frame = (now) => {
        gaps.push(now - last);
        last = now;
        if (now < end) requestAnimationFrame(frame);
        else resolve(gaps);
    };
    requestAnimationFrame(frame);
})"""


async def measure(rate: int, seconds: float, width: int, *, hour: bool) -> None:
    """Prints the figures."""
    picture = Picture()
    picture.services({name: _service(name, folder) for name, folder in FOLDERS.items()})
    picture.broker({"kind": "snapshot", "triggers": {f"a/{name}": _figures(0) for name in FOLDERS}, "events": []})
    feed = Feed(picture.snapshot)
    app = application(feed)
    app.router.add_get("/live", lambda _: _file("index.html"))
    app.router.add_static("/", WEB)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    pouring = None if hour else asyncio.create_task(_pour(picture, feed, rate))
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = await browser.new_page(viewport={"width": width, "height": 900}, locale="en-GB")
        if not hour:
            empty = await page.evaluate(FRAMES, 3000)
            print(f"an empty page: {len(empty) / 3:.1f} frames a second, longest {max(empty):.0f} ms")
        await page.goto(f"http://127.0.0.1:{port}/live")
        await page.get_by_test_id("board").wait_for()
        session = await page.context.new_cdp_session(page)
        if hour:
            await page.get_by_test_id("triggers").click()
            await _accelerate(page, session, picture, feed, 3600 * rate)
        else:
            await _watch(page, session, rate, seconds)
        await browser.close()
    if pouring:
        pouring.cancel()
    feed.leave()
    await runner.cleanup()


async def _watch(page: Page, session: CDPSession, rate: int, seconds: float) -> None:
    await page.evaluate(FRAMES, 3000)
    await session.send("Performance.enable")
    early, busy_before, cpu_before = await _heap(session), await _busy(session), _drawing()
    began = time.monotonic()
    gaps: list[float] = []
    while (left := seconds - (time.monotonic() - began)) > 0:
        gaps += await page.evaluate(FRAMES, 1000 * min(left, 10))
    took, busy, cpu = time.monotonic() - began, await _busy(session) - busy_before, _drawing() - cpu_before
    nodes = await page.evaluate("document.querySelectorAll('*').length")
    print(f"{rate} events a second for {took:.0f} s: {len(gaps) / took:.1f} frames a second")
    print(f"between two frames: median {sorted(gaps)[len(gaps) // 2]:.1f} ms, longest {max(gaps):.0f} ms")
    print(f"busy main thread: {1000 * busy / len(gaps):.1f} ms a frame, {100 * busy / took:.0f} % of the time")
    print(f"CPU of the processes that draw the page: {cpu / took:.2f} s a second")
    print(f"JavaScript heap: {early:.1f} MB early, {await _heap(session):.1f} MB at the end; {nodes} elements")


def _drawing() -> float:
    """CPU seconds until now of the browser's processes for pages."""
    return sum(sum(one.cpu_times()[:2]) for one in _processes())


def _resident() -> float:
    """MB that those processes have in memory."""
    return sum(one.memory_info().rss for one in _processes()) / 1e6


def _processes() -> list[psutil.Process]:
    kinds = {"--type=renderer", "--type=gpu-process"}
    return [one for one in psutil.Process().children(recursive=True) if kinds & set(one.cmdline())]


async def _accelerate(page: Page, session: CDPSession, picture: Picture, feed: Feed, events: int) -> None:
    """Nobody is told that he is behind: it waits until the page has taken what was sent."""
    sent, batch = 0, MOST_IN_ONE
    for tenth in range(1, 11):
        while sent < events * tenth // 10:
            _send(picture, feed, [_event(sent + number) for number in range(1, batch + 1)])
            sent += batch
            while any(watcher.messages for watcher in feed._watchers):
                await asyncio.sleep(0.001)
        await page.get_by_role("cell", name=f"{sent:,}").first.wait_for(timeout=120_000)
        heap = await _heap(session)
        print(f"after {sent} events: heap {heap:.1f} MB, processes {_resident():.0f} MB", flush=True)


async def _busy(session: CDPSession) -> float:
    metrics = (await session.send("Performance.getMetrics"))["metrics"]
    return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))


async def _heap(session: CDPSession) -> float:
    await session.send("HeapProfiler.collectGarbage")
    return float((await session.send("Runtime.getHeapUsage"))["usedSize"]) / 1e6


async def _pour(picture: Picture, feed: Feed, rate: int) -> None:
    offsets = count(1)
    due = 0.0
    while True:
        due += rate * TICK
        events = [_event(next(offsets)) for _ in range(int(due))]
        due -= int(due)
        _send(picture, feed, events)
        await asyncio.sleep(TICK)


def _send(picture: Picture, feed: Feed, events: list[dict[str, Any]]) -> None:
    deliveries = [_failed(event) for event in events if event["offset"] % 50 == 0]
    triggers = {key: _figures(events[-1]["offset"]) for event in events for key in event["triggers"]}
    change = {"kind": "changes", "at": _now(), "triggers": triggers, "events": events, "deliveries": deliveries}
    feed.publish(picture.broker(change))


def _event(offset: int) -> dict[str, Any]:
    saga, step = divmod(offset, len(STEPS))
    type_, said_by, heard_by = STEPS[step]
    attributes = {"id": f"e{offset}", "type": type_, "source": f"/airline/{FOLDERS[said_by]}"}
    return {
        "offset": offset,
        "at": _now(),
        "saidBy": f"a/{said_by}",
        "triggers": [f"a/{heard_by}", "a/project-dashboard"],
        "event": {**attributes, "correlationid": f"SAGA{saga:08}", "data": {"reservationId": f"SAGA{saga:08}"}},
    }


def _failed(event: dict[str, Any]) -> dict[str, Any]:
    state = "retrying" if event["offset"] % 100 else "dead-lettered"
    about = {"offset": event["offset"], "trigger": event["triggers"][0], "type": event["event"]["type"]}
    return {**about, "state": state, "attempt": 1, "failure": "status 500", "nextAt": None}


def _service(name: str, folder: str) -> dict[str, Any]:
    known = {"folder": folder, "state": "awake", "since": _now(), "pid": 1, "starts": 1, "triggers": [f"a/{name}"]}
    return {**known, "wakings": [{"at": _now(), "seconds": 0.5}]}


def _figures(delivered: int) -> dict[str, int]:
    return {"backlog": 0, "inFlight": 1, "delivered": delivered, "retries": 0, "deadLettered": 0, "kept": 0}


async def _file(name: str) -> web.FileResponse:
    return web.FileResponse(WEB / name)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--width", type=int, default=1440)
    parser.add_argument("--hour", action="store_true")
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.rate, arguments.seconds, arguments.width, hour=arguments.hour))


if __name__ == "__main__":
    main()
