"""What a person reads on the terminal when everything is there, and when it ends."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

from laptop.logs import show
from laptop.manifests import System

_PATIENCE = 20.0  # seconds until a service that was just started is given up


async def answers(url: str) -> bool:
    """Whether a GET is answered with 2xx; the held socket keeps the question until somebody is there.

    By the loop and not by laptop/call.py: a thread that waits for an answer would hold up Ctrl-C.
    """
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(_PATIENCE):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            writer.write(f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode())
            status_line = await reader.readline()
            writer.close()
    except (TimeoutError, OSError):
        return False
    return status_line.startswith(b"HTTP/1.1 2")


def say_welcome(state: dict[str, Any], system: System) -> None:
    """Where to click, what to type, how to stop."""
    gateway = state["gateway"]
    pings = f", {len(system.pings)} schedules" if system.pings else ""
    lines = [
        "",
        f"  {len(system.functions)} functions are asleep and wake at the first call{pings}.",
        "",
    ]
    if gateway:
        here = gateway.removeprefix("http://127.0.0.1")
        lines += [
            f"  Click:  {gateway}",
            f"  Type:   http {here}/flights flightCode=ACE890 takeoffDate=2027-12-25 cost=200000 remainingSeatsCount=5",
            f"          http {here}/reservations customerId=1 flightId=1 seatQty=3 reserveDate=2027-11-21",
            f"          http {here}/customerInfos",
            "",
        ]
    lines += ["  See:    make status", "  Stop:   Ctrl-C", ""]
    show("\n".join(lines))


def say_goodbye() -> None:
    """The end has begun."""
    show("\n  Ending: functions finish their calls (Ctrl-C again to end at once).")
