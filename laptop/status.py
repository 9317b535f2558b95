"""`python -m laptop status`: each function awake or asleep, its starts, cold starts, and what waits for it."""

import json
import statistics
import subprocess
from collections import defaultdict
from http.client import HTTPException
from pathlib import Path
from typing import Any

from laptop.call import call
from laptop.data_folder import is_running, read_state
from laptop.errors import LaptopError
from terminal import tables
from terminal.console import plain

_COUNTS = ("backlog", "inFlight", "retries", "deadLettered")
_HEADINGS = ("service", "state", "starts", "cold start", "median", "memory", "backlog", "in flight", "retries", "dead")


def collect(data: Path) -> dict[str, Any]:
    """state.json with, for each service, its memory (bytes) and the sums over its Triggers. Raises LaptopError."""
    state = read_state(data) if is_running(data) else None
    if state is None:
        raise LaptopError(f"nothing runs in {data}; `make run` starts it")
    broker = _broker(state["brokerStatus"])
    triggers, state["kept"] = broker["triggers"], broker["kept"]
    memory = _memory()
    state["memory"] = {name: memory.get(state[f"{name}Pid"]) for name in ("gateway", "broker")}
    for service in state["services"].values():
        service["memory"] = memory.get(service["pid"])
        of_service = [triggers[name] for name in service["triggers"] if name in triggers]
        service["events"] = {count: sum(trigger.get(count, 0) for trigger in of_service) for count in _COUNTS}
    return state


def table(state: dict[str, Any], where_kept: str) -> str:
    """The same for people. `where_kept`: how to see the events that nobody took."""
    rows = [_row(name, service) for name, service in state["services"].items()]
    rows += [_resident(name, state) for name in ("gateway", "broker") if state[f"{name}Pid"]]
    return "\n".join([plain(tables.table(_HEADINGS, rows)), *_hint(state["kept"], where_kept)])


def _hint(kept: int, where: str) -> list[str]:
    """What to do about events that not even the dead-letter sink took."""
    if not kept:
        return []
    return ["", f"given up, and no dead-letter sink took it: {kept} kept by the broker ({where})"]


def _row(name: str, service: dict[str, Any]) -> tuple[object, ...]:
    cold = service["coldStarts"]
    events = [service["events"][count] if service["triggers"] else None for count in _COUNTS]
    last, median = (f"{cold[-1]:.2f} s", f"{statistics.median(cold):.2f} s") if cold else (None, None)
    return (name, service["state"], service["starts"], last, median, _megabytes(service["memory"]), *events)


def _resident(name: str, state: dict[str, Any]) -> tuple[object, ...]:
    return (name, "awake", *[None] * 3, _megabytes(state["memory"][name]), *[None] * len(_COUNTS))


def _megabytes(size: int | None) -> str:
    return f"{size / 1e6:.0f} MB" if size else ""


def _broker(url: str | None) -> dict[str, Any]:
    """triggers: the figures of each; kept: how many events nobody took."""
    if url is None:
        return {"triggers": {}, "kept": 0}
    try:
        found: dict[str, Any] = json.loads(call("GET", url)[1])
    except (OSError, HTTPException, ValueError) as error:
        raise LaptopError(f"the broker does not answer at {url}: {error}") from error
    return found


def _memory() -> dict[int, int]:
    """Resident bytes of each process group; empty if there is no `ps`, or it lacks these options."""
    try:
        listing = subprocess.run(["ps", "-axo", "pgid=,rss="], capture_output=True, text=True, check=True).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        return {}
    groups: dict[int, int] = defaultdict(int)
    for line in listing.splitlines():
        group, kilobytes = line.split()
        groups[int(group)] += int(kilobytes) * 1024
    return groups
