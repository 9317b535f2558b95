"""Notices connections on a listening socket without being in their way.

The function accepts; the supervisor only watches the same socket. It watches for one event at a time and looks away
until it cares again, so that traffic costs it one wake-up a second at most. An awake function often accepts faster than
the supervisor looks, and the kernel reports only what still waits: that arrival goes unnoticed. A caller that wants to
know whether a function is idle must look at its log, too. A sleeping function accepts nothing: its first is seen.
"""

import asyncio
import socket


async def connection_arrives(
    listener: socket.socket, unless: asyncio.Future[int] | None = None, timeout: float | None = None
) -> bool:
    """Waits for a connection; False if `unless` was settled or `timeout` seconds have passed before."""
    loop = asyncio.get_running_loop()
    noticed: asyncio.Future[None] = loop.create_future()

    def notice() -> None:
        loop.remove_reader(listener)
        if not noticed.done():
            noticed.set_result(None)

    loop.add_reader(listener, notice)
    try:
        waited_for: set[asyncio.Future[None] | asyncio.Future[int]] = {noticed}
        if unless:
            waited_for.add(unless)
        await asyncio.wait(waited_for, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        return noticed.done()
    finally:
        loop.remove_reader(listener)
