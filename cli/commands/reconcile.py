"""`airline reconcile`: all laws on the live books; they are in client/laws.py."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType

from cli import here, law_metrics
from cli.invocation import Invocation, answer
from client import reconciliation
from client.errors import Broken
from client.laws import LAWS
from client.reconciliation import Allowance, Verdict
from terminal import tables
from terminal.console import progress

SHOWN = 20
"""Rows per broken law in a table; JSON has them all."""


def reconcile(  # noqa: PLR0913, PLR0917 - what an operator may choose
    invocation: Invocation,
    young: Annotated[float, typer.Option(help="Leave out reservations younger than this, in seconds.", min=0)] = 30,
    patience: Annotated[float, typer.Option(help="Seconds in which a difference may still vanish.", min=0)] = 10,
    owed_minutes: Annotated[float, typer.Option(help="How long seats, money or a report may be owed.", min=0)] = 30,
    metrics: Annotated[Path | None, typer.Option(help="A file for Prometheus' textfile collector.")] = None,
    place: Annotated[
        Path | None, typer.Option(help="A file that keeps the place: the same command goes on after an interruption.")
    ] = None,
) -> None:
    """Checks all laws on the live data of all services; exit code 1 and a table if one is broken.

    The books are read in the order of reservations, some at a time, so memory does not grow with them. On a laptop,
    /metrics of the gateway shows the last verdict.
    """
    with progress() as bars:
        allowed = Allowance(timedelta(seconds=young), timedelta(minutes=owed_minutes))
        found = reconciliation.verdict(invocation.airline, allowed, patience, bars, place)
    if file := metrics or _of_laptop(invocation):
        law_metrics.write(file, found)
    answer(invocation, reconciliation.as_json(found), lambda: _judged(found))
    if found.broken:
        raise Broken(f"{len({one.law for one in found.broken})} of {len(LAWS)} laws are broken.")


def _of_laptop(invocation: Invocation) -> Path | None:
    """Where the laptop of this checkout collects figures, if it is the airline that was asked."""
    folder = here.DATA / "metrics"
    return folder / "reconcile.prom" if invocation.url is None and folder.is_dir() else None


def _judged(found: Verdict) -> RenderableType:
    parts: list[RenderableType] = [tables.facts(found.totals), ""]
    broken = {law: [one for one in found.broken if one.law == law] for law in LAWS}
    parts.append(tables.table(["law", "", "found"], [_row(law, rows) for law, rows in broken.items()]))
    for title, rows in [*((law, rows) for law, rows in broken.items() if rows), ("could not be judged", found.busy)]:
        if rows:
            more = f"and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
            listed = [(one.kind, one.subject, one.detail) for one in rows[:SHOWN]]
            parts += ["", tables.cell(title), tables.table(["of", "which", "what"], listed, more)]
    seen = f"{found.suspected} seemed wrong at first, {len(found.broken)} stayed; {tables.seconds(found.seconds)}"
    return Group(*parts, "", tables.cell(seen))


def _row(law: str, rows: list[Any]) -> tuple[object, ...]:
    return law, "BROKEN" if rows else "holds", len(rows) or None
