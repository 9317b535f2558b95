"""The same messages to everybody who watches, as server-sent events: each is one line `data:` with a JSON document.

Whoever comes gets a snapshot first and then each change. Whoever reads too slowly gets another snapshot in place of the
changes that were waiting, so nobody's slowness takes memory. A comment every few seconds keeps proxies from hanging up.
(HTML Standard, section 9.2, "Server-sent events".)
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from aiohttp import web

from broker.embedded.problems import problem

CONTENT_TYPE = "text/event-stream"
MOST_WAITING = 50  # messages for one watcher
MOST_WATCHERS = 50
HEARTBEAT = 5.0  # seconds; one who is gone is noticed at the next one
_COMMENT = b":\n\n"

Document = Mapping[str, Any]


class TooManyWatchersError(Exception):
    """One more would be more than MOST_WATCHERS."""


@dataclass(eq=False)
class _Watcher:
    behind: bool = True
    messages: deque[bytes] = field(default_factory=deque)
    news: asyncio.Event = field(default_factory=asyncio.Event)


class Feed:
    """snapshot: makes the document with the current state of everything. All on the thread of the loop."""

    def __init__(self, snapshot: Callable[[], Document], heartbeat: float = HEARTBEAT) -> None:
        self._snapshot = snapshot
        self._heartbeat = heartbeat
        self._watchers: set[_Watcher] = set()
        self._closed = False

    @property
    def watchers(self) -> int:
        """How many there are, or were until the last heartbeat."""
        return len(self._watchers)

    def publish(self, change: Document) -> None:
        """To all of them, encoded once."""
        if not self._watchers:
            return
        message = encoded(change)
        for watcher in self._watchers:
            if len(watcher.messages) >= MOST_WAITING:
                watcher.messages.clear()
                watcher.behind = True
            if not watcher.behind:
                watcher.messages.append(message)
            watcher.news.set()

    @contextmanager
    def watching(self) -> Iterator[AsyncIterator[bytes]]:
        """The messages for one more watcher, until the feed is left. Raises TooManyWatchersError."""
        if len(self._watchers) >= MOST_WATCHERS:
            raise TooManyWatchersError(f"{MOST_WATCHERS} are watching already; try again later")
        watcher = _Watcher()
        self._watchers.add(watcher)
        try:
            yield self._messages(watcher)
        finally:
            self._watchers.discard(watcher)

    def leave(self) -> None:
        """Ends all streams: their readers come again."""
        self._closed = True
        for watcher in self._watchers:
            watcher.news.set()

    async def _messages(self, watcher: _Watcher) -> AsyncIterator[bytes]:
        while not self._closed:
            if watcher.behind:
                watcher.behind = False
                yield encoded(self._snapshot())
            elif watcher.messages:
                yield watcher.messages.popleft()
            elif not await self._news(watcher):
                yield _COMMENT

    async def _news(self, watcher: _Watcher) -> bool:
        """Whether there are any before a heartbeat is due."""
        try:
            async with asyncio.timeout(self._heartbeat):
                await watcher.news.wait()
        except TimeoutError:
            return False
        watcher.news.clear()
        return True


async def answer(feed: Feed, request: web.BaseRequest) -> web.StreamResponse:
    """Answers GET with the feed, and HEAD with its content type; 400 for parameters, 503 where too many watch."""
    if request.query_string:
        return problem(HTTPStatus.BAD_REQUEST, "the feed takes no parameters: everybody gets the same")
    if request.method == "HEAD":
        return web.Response(content_type=CONTENT_TYPE)
    try:
        return await stream(feed, request)
    except TooManyWatchersError as error:
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error))


async def stream(feed: Feed, request: web.BaseRequest) -> web.StreamResponse:
    """Answers with the feed, until one side leaves. Raises TooManyWatchersError."""
    response = web.StreamResponse(headers={"content-type": CONTENT_TYPE, "cache-control": "no-store"})
    with feed.watching() as messages, suppress(ConnectionResetError):  # the watcher has gone
        await response.prepare(request)
        async for message in messages:
            await response.write(message)
    return response


def encoded(document: Document) -> bytes:
    """As one message. JSON has no line break outside of its strings, and escapes them inside."""
    return b"data: " + json.dumps(document, separators=(",", ":")).encode("ascii") + b"\n\n"
