"""The feed of the live board as a program: what it answers to whom, where it gets its picture, and when it ends."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession, web

from broker.embedded.feed import MOST_WATCHERS, Feed, stream
from laptop.board.__main__ import serve
from laptop.board.metrics import exposition
from laptop.board.picture import Picture
from laptop.board.server import PATH, application
from laptop.board.sources import broker_metrics, follow_broker
from laptop.state import write_state

Asked = Callable[..., Awaitable[ClientResponse]]


def listening() -> tuple[socket.socket, str]:
    listener = socket.create_server(("127.0.0.1", 0))
    return listener, f"http://127.0.0.1:{listener.getsockname()[1]}"


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[str]:
    listener, url = listening()
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    yield url
    await runner.cleanup()


async def messages(answer: ClientResponse) -> AsyncIterator[dict[str, Any]]:
    async for line in answer.content:
        if line.startswith(b"data: "):
            yield json.loads(line.removeprefix(b"data: "))


@pytest.mark.parametrize(
    ("method", "path", "host", "status"),
    [
        ("GET", f"{PATH}?after=../../etc", "localhost", 400),
        ("GET", f"{PATH}?{'x' * 7000}=1", "127.0.0.1", 400),
        ("POST", PATH, "localhost", 405),
        ("DELETE", PATH, "localhost", 405),
        ("HEAD", PATH, "localhost", 405),
        ("GET", "/board", "localhost", 404),
        ("GET", f"{PATH}/../feed%00", "localhost", 404),
        ("GET", PATH, "evil.example", 421),
    ],
)
def test_whoever_asks_for_something_else_gets_a_problem_and_no_feed(
    method: str, path: str, host: str, status: int
) -> None:
    async def ask() -> tuple[int, str, bytes]:
        async with (
            served(application(Feed(dict))) as url,
            ClientSession(url) as session,
            session.request(method, path, headers={"Host": host}) as answer,
        ):
            return answer.status, answer.content_type, await answer.read()

    found, type_, body = asyncio.run(ask())

    assert (found, type_) == (status, "application/problem+json")
    assert method == "HEAD" or json.loads(body)["status"] == status


def test_one_watcher_too_many_is_asked_to_come_later() -> None:
    async def ask() -> int:
        feed = Feed(dict)
        streams = [feed.watching() for _ in range(MOST_WATCHERS)]
        for one in streams:
            one.__enter__()
        async with served(application(feed)) as url, ClientSession(url) as session, session.get(PATH) as answer:
            return answer.status

    assert asyncio.run(ask()) == 503


def test_a_watcher_who_goes_away_is_forgotten() -> None:
    async def watch() -> int:
        feed = Feed(lambda: {"kind": "snapshot"}, heartbeat=0.01)
        async with served(application(feed)) as url:
            async with ClientSession(url) as session, session.get(PATH) as answer:
                await anext(messages(answer))
                assert feed.watchers == 1
            while feed.watchers:
                await asyncio.sleep(0.01)
            return feed.watchers

    assert asyncio.run(asyncio.wait_for(watch(), 10)) == 0


def test_the_board_shows_what_the_laptop_says_and_ends_when_nobody_watches(tmp_path: Path) -> None:
    service = {"folder": "reserve", "state": "awake", "since": "2026-11-28T09:00:00Z", "pid": 7, "starts": 1}
    write_state(tmp_path, {"services": {"reserve": {**service, "wakings": [], "triggers": ["a/reserve"]}}})

    async def watch() -> dict[str, Any]:
        listener, url = listening()
        board = asyncio.create_task(serve(tmp_path, None, listener, idle=0.2))
        found: dict[str, Any] = {}
        async with ClientSession(url) as session, session.get(PATH) as answer:
            async for message in messages(answer):
                found |= message
                if found["functions"]:
                    break
        await asyncio.wait_for(board, 30)
        return found

    shown = asyncio.run(watch())

    assert (shown["functions"]["reserve"]["state"], shown["functions"]["reserve"]["instances"]) == ("awake", 1)
    assert shown["awake"][-1][1] == 1


def test_a_broker_that_ends_and_comes_back_is_followed_again() -> None:
    async def follow() -> list[Any]:
        picture, heard = Picture(), asyncio.Queue[Any]()
        events = {"kind": "snapshot", "triggers": {}, "events": [{"offset": 1}]}
        brokers = [Feed(lambda: events), Feed(lambda: events)]

        async def feed(request: web.Request) -> web.StreamResponse:
            return await stream(brokers[0], request)

        app = web.Application()
        app.router.add_get("/-/feed", feed)
        async with served(app) as url:
            following = asyncio.create_task(follow_broker(url, picture, heard.put_nowait))
            first = await asyncio.wait_for(heard.get(), 10)
            brokers.pop(0).leave()
            away = await asyncio.wait_for(heard.get(), 10)
            back = await asyncio.wait_for(heard.get(), 10)
            while back is None:  # nothing has changed: it is still away
                back = await asyncio.wait_for(heard.get(), 10)
            following.cancel()
        return [first["broker"], away["broker"], back["broker"], back["events"]]

    assert asyncio.run(follow()) == [True, False, True, [{"offset": 1}]]


def test_what_is_measured_is_answered_in_the_format_of_prometheus_while_the_broker_is_away_too(tmp_path: Path) -> None:
    function = {"state": "awake", "starts": 3, "crashes": 1, "coldStarts": [0.7, 0.5]}
    sleeping = {"state": "asleep", "starts": 0, "crashes": 0, "coldStarts": []}
    write_state(tmp_path, {"services": {"lend-book": function, "put-back-book": sleeping}})
    (tmp_path / "metrics").mkdir()
    for name in ("desk", "shelf"):
        text = f'# HELP library_books Books.\n# TYPE library_books gauge\nlibrary_books{{at="{name}"}} 2.0\n'
        (tmp_path / "metrics" / f"{name}.prom").write_text(text)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        away = f"http://127.0.0.1:{closed.getsockname()[1]}"

    async def ask() -> tuple[str, str]:
        async def measured() -> bytes:
            return exposition(tmp_path, await broker_metrics(away))

        async with (
            served(application(Feed(dict), measured)) as url,
            ClientSession(url) as session,
            session.get("/metrics") as answer,
        ):
            return answer.headers["content-type"], await answer.text()

    type_, text = asyncio.run(ask())
    assert type_.startswith("text/plain; version=0.0.4")
    lines = text.splitlines()
    assert 'laptop_function_awake{function="lend-book"} 1.0' in lines
    assert 'laptop_function_crashes_total{function="lend-book"} 1.0' in lines
    assert 'laptop_function_last_cold_start_seconds{function="lend-book"} 0.5' in lines
    assert 'laptop_function_awake{function="put-back-book"} 0.0' in lines
    assert lines.count("# TYPE library_books gauge") == 1
    assert {'library_books{at="desk"} 2.0', 'library_books{at="shelf"} 2.0'} <= set(lines)
