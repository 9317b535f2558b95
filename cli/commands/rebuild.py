"""`airline rebuild`: the dashboard made from its events again. One call works for some seconds, the next goes on."""

from typing import Annotated, Any

import typer
from rich.progress import Progress

from cli.invocation import Invocation, answer
from client import gateway
from client.errors import Broken
from client.gateway import Airline
from terminal import tables
from terminal.console import progress


def rebuild(
    invocation: Invocation,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only compare; exit code 1 if it differs.")] = False,
) -> None:
    """Rebuilds the dashboard from its history of events, compares, and repairs what differs."""
    with progress() as bars:
        done = _all_calls(invocation.airline, dry_run, bars)
    answer(invocation, done, lambda: tables.facts({name: _listed(value) for name, value in done.items()}))
    if dry_run and done["differing"]:
        raise Broken(f"The dashboard differs from its events for {done['differing']} reservations.")


def _all_calls(airline: Airline, dry_run: bool, bars: Progress) -> dict[str, Any]:
    """What the first call found, and how much all calls repaired in how many seconds."""
    bar = bars.add_task("rebuilding", total=None)
    whole = last = _call(airline, dry_run)
    while not dry_run and last["repaired"] and last["repaired"] < last["differing"]:
        bars.update(bar, completed=whole["repaired"], total=whole["differing"])
        last = _call(airline, dry_run)
        whole = whole | {name: whole[name] + last[name] for name in ("repaired", "seconds")}
    return whole


def _call(airline: Airline, dry_run: bool) -> dict[str, Any]:
    done = gateway.send(airline, "POST", "/customerInfos/rebuild", dryRun=str(dry_run).lower())
    return {name: value for name, value in done.items() if name != "_links"}


def _listed(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, list) else value
