"""Steady load on one address, and how much of it was answered: by siege, as the original, or by our own clients."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import requests

from client.gateway import open_session
from demos.errors import DemoFailed

SPARE = 60.0
"""Seconds that siege may need beyond its time, to finish what it has begun."""
TIMEOUT = 30.0


@dataclass(frozen=True)
class Target:
    """What is asked: a URL, and the name to ask for where no DNS knows it."""

    url: str
    host: str | None = None


@dataclass(frozen=True)
class Load:
    """`clients` that ask for `seconds`, with a pause of `delay` between an answer and the next question."""

    clients: int
    seconds: int
    delay: float = 0.0


@dataclass(frozen=True)
class Availability:
    """What siege calls so: of all transactions, how many percent were answered below 400; `longest` is seconds."""

    tool: str
    transactions: int
    failed: int
    availability: float
    longest: float

    def __str__(self) -> str:
        return (
            f"{self.tool}: {self.transactions} answered, {self.failed} failed, availability {self.availability:.2f} %, "
            f"longest {self.longest:.2f} s"
        )


def run(target: Target, load: Load) -> Availability:
    """By siege where it is installed. Raises DemoFailed if siege fails."""
    return (by_siege if shutil.which("siege") else by_ourselves)(target, load)


def by_siege(target: Target, load: Load) -> Availability:
    """`siege -c.. -t..S --delay=..S` (it waits up to that long), in a home of its own: it leaves a folder there."""
    options = [f"-c{load.clients}", f"-t{load.seconds}S", "--json-output", "--no-parser", "--no-follow"]
    options += [f"--delay={load.delay:g}S"] if load.delay else ["-b"]
    options += ["--header", f"Host: {target.host}"] if target.host else []
    with tempfile.TemporaryDirectory(prefix="siege-") as home:
        done = subprocess.run(
            ["siege", *options, target.url],
            env={**os.environ, "HOME": home},
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=load.seconds + SPARE,
        )
    return read_siege(done.stdout or done.stderr)


def read_siege(said: str) -> Availability:
    """The figures that siege prints at its end. Raises DemoFailed."""
    try:
        found = json.loads(said[said.index("{") : said.rindex("}") + 1])
        return Availability(
            "siege",
            int(found["transactions"]),
            int(found["failed_transactions"]),
            float(found["availability"]),
            float(found["longest_transaction"]),
        )
    except (ValueError, KeyError) as error:
        raise DemoFailed(f"siege printed no figures: {said[-500:]}") from error


def by_ourselves(target: Target, load: Load) -> Availability:
    """The same without siege: each client uses a new connection for each question, as siege does."""
    deadline = time.monotonic() + load.seconds

    def client(_: int) -> list[tuple[bool, float]]:
        asked = []
        while time.monotonic() < deadline:
            began = time.monotonic()
            asked.append((_answered(target), time.monotonic() - began))
            time.sleep(load.delay)
        return asked

    with ThreadPoolExecutor(load.clients) as clients:
        asked = [one for of_client in clients.map(client, range(load.clients)) for one in of_client]
    answered = sum(well for well, _ in asked)
    return Availability(
        "own clients",
        answered,
        len(asked) - answered,
        100 * answered / len(asked),
        max(took for _, took in asked),
    )


def together(rounds: Sequence[Availability]) -> Availability:
    """Several rounds of one tool as one."""
    answered, failed = sum(one.transactions for one in rounds), sum(one.failed for one in rounds)
    availability = 100 * answered / (answered + failed) if failed else 100.0
    return Availability(rounds[0].tool, answered, failed, availability, max(one.longest for one in rounds))


def _answered(target: Target) -> bool:
    headers = {"Connection": "close"} | ({"Host": target.host} if target.host else {})
    try:
        with open_session(target.url) as session:
            return session.get(target.url, headers=headers, timeout=TIMEOUT, allow_redirects=False).ok
    except requests.RequestException:
        return False  # that is what is counted
