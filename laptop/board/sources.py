"""Where the board's picture comes from: state.json and the broker's feed. No function is asked."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout

from laptop.board.picture import Document, Picture
from laptop.data_folder import read_state

LOOK_AGAIN = 0.1  # seconds between two looks at state.json; it is written 0.05 s after a change
AGAIN_AFTER = 0.5  # seconds until a broker that was away is asked again
SILENCE = 20.0  # seconds without a heartbeat of the broker
LONGEST_LINE = 2**24  # bytes of a snapshot; many times what it can have

Tell = Callable[[Document | None], None]

logger = logging.getLogger(__name__)


async def follow_state(data: Path, picture: Picture, tell: Tell) -> None:
    """Looks at state.json until cancelled."""
    seen = 0
    while True:
        with suppress(FileNotFoundError):  # the run ends, and so will this process
            written = (data / "state.json").stat().st_mtime_ns
            if written != seen and (state := read_state(data)):
                seen = written
                tell(picture.services(state["services"]))
        await asyncio.sleep(LOOK_AGAIN)


async def follow_broker(url: str, picture: Picture, tell: Tell) -> None:
    """Reads the broker's feed until cancelled, again and again where it ends."""
    timeout = ClientTimeout(total=None, sock_connect=5, sock_read=SILENCE)
    async with ClientSession(timeout=timeout, read_bufsize=LONGEST_LINE) as session:
        while True:
            try:
                async for message in _messages(session, url):
                    tell(picture.broker(message))
            except (ClientError, TimeoutError) as error:
                logger.info("the broker does not answer: %s", error)
            tell(picture.broker_away())
            await asyncio.sleep(AGAIN_AFTER)


async def broker_metrics(url: str) -> bytes:
    """What the broker counts, in Prometheus' text format; nothing while it is away."""
    try:
        async with ClientSession(timeout=ClientTimeout(total=5)) as session, session.get(f"{url}/metrics") as answer:
            answer.raise_for_status()
            return await answer.read()
    except (ClientError, TimeoutError) as error:
        logger.info("the broker does not answer: %s", error)
        return b""


async def _messages(session: ClientSession, url: str) -> AsyncIterator[dict[str, Any]]:
    async with session.get(f"{url}/-/feed") as answer:
        answer.raise_for_status()
        async for line in answer.content:
            if line.startswith(b"data: "):
                yield json.loads(line.removeprefix(b"data: "))
