"""python -m laptop.board: started with its listening socket as descriptor 3 (sd_listen_fds(3))."""

import argparse
import asyncio
import logging
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from broker.embedded.feed import Feed
from laptop.board.metrics import exposition
from laptop.board.picture import Document, Picture
from laptop.board.server import application
from laptop.board.sources import broker_metrics, follow_broker, follow_state

IDLE = 20.0  # seconds without anybody who watches, until it ends
_PASSED = 3


def main(arguments: list[str]) -> int:
    """Runs until SIGTERM, or until nobody has watched for a while. Always 0."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    parser = argparse.ArgumentParser(prog="python -m laptop.board")
    parser.add_argument("--data", type=Path, required=True, help="the data folder of the run")
    parser.add_argument("--broker", help="the broker's base URL")
    options = parser.parse_args(arguments)
    asyncio.run(serve(options.data, options.broker, socket.socket(fileno=_PASSED)))
    return 0


async def serve(data: Path, broker: str | None, listener: socket.socket, idle: float = IDLE) -> None:
    """Until SIGTERM, or until nobody has watched for `idle` seconds. Raises what following the sources fails with."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    picture = Picture()
    feed = Feed(picture.snapshot)

    def tell(change: Document | None) -> None:
        if change is not None:
            feed.publish(change)

    following = [asyncio.create_task(follow_state(data, picture, tell))]
    if broker:
        following.append(asyncio.create_task(follow_broker(broker, picture, tell)))
    attention = Attention()

    async def measured() -> bytes:
        attention.paid()
        return exposition(data, await broker_metrics(broker) if broker else b"")

    runner = web.AppRunner(application(feed, measured), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    await _until_idle(feed, attention, stop, following, idle)
    feed.leave()
    await runner.cleanup()
    for task in following:
        task.cancel()
    await asyncio.gather(*following, return_exceptions=True)


@dataclass
class Attention:
    """When somebody last watched or measured, by the monotonic clock."""

    at: float = field(default_factory=time.monotonic)

    def paid(self) -> None:
        """Somebody does."""
        self.at = time.monotonic()


async def _until_idle(
    feed: Feed, attention: Attention, stop: asyncio.Event, following: list[asyncio.Task[None]], idle: float
) -> None:
    """Raises what one of those who follow has failed with."""
    while time.monotonic() - attention.at < idle and not stop.is_set():
        for broken in filter(asyncio.Task.done, following):
            broken.result()
        if feed.watchers:
            attention.paid()
        try:
            async with asyncio.timeout(min(1.0, idle)):
                await stop.wait()
        except TimeoutError:
            continue


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
