"""What a person reads on the terminal when everything is there, and when it ends."""

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from laptop.logs import show
from laptop.manifests import System
from laptop.options import Options

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


def say_welcome(state: dict[str, Any], system: System, options: Options) -> None:
    """What to type (the lines of the file `options.welcome`, if it is there), how to stop, and last where to click."""
    gateway = state["gateway"]
    pings = f", {len(system.pings)} schedules" if system.pings else ""
    lines = [
        "",
        f"  {len(system.functions)} functions are asleep and wake at the first call{pings}.",
        "",
    ]
    lines += [*_to_type(state, options.welcome), ""]
    lines += [f"  See:    {options.status}"]
    lines += [f"  Traces: {options.jaeger.ui}"] if options.jaeger else []
    lines += ["  Stop:   Ctrl-C"]
    lines += [f"  Click:  {gateway}", ""] if gateway else [""]
    show("\n".join(lines))


def _to_type(state: dict[str, Any], welcome: Path) -> list[str]:
    if not welcome.exists():
        return []
    text = welcome.read_text("utf-8")
    ingress = (state["brokerStatus"] or "").removesuffix("/-/status")
    for part, url in {"gateway": state["gateway"], "broker": state["broker"], "ingress": ingress}.items():
        text = text.replace(f"{{{part}}}", str(url or "").removeprefix("http://127.0.0.1"))
    return [f"  {'Type:' if number == 0 else '':7} {line}" for number, line in enumerate(text.splitlines())]


def say_goodbye(grace: float) -> None:
    """The end has begun. `grace`: seconds that functions have."""
    show(f"\n  Ending: functions have {grace:g} s to finish their calls (Ctrl-C again to end at once).")
