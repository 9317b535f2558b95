"""Rebuild of the dashboard: one call works for some seconds, the next goes on."""

from typing import Any

from rich.progress import Progress

from cli import client
from cli.client import Airline


def run(airline: Airline, dry_run: bool, bars: Progress) -> dict[str, Any]:
    """What the first call found, and how much all calls repaired in how many seconds."""
    bar = bars.add_task("rebuilding", total=None)
    whole = last = _call(airline, dry_run)
    while not dry_run and last["repaired"] and last["repaired"] < last["differing"]:
        bars.update(bar, completed=whole["repaired"], total=whole["differing"])
        last = _call(airline, dry_run)
        whole = whole | {name: whole[name] + last[name] for name in ("repaired", "seconds")}
    return whole


def _call(airline: Airline, dry_run: bool) -> dict[str, Any]:
    done = client.command(airline, "POST", "/customerInfos/rebuild", dryRun=str(dry_run).lower())
    return {name: value for name, value in done.items() if name != "_links"}
