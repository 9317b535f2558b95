"""`airline rebuild`, `reconcile`, `smoke`, `status`."""

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType

from cli import draw, rebuilding, reconciling, surveying
from cli import smoke as smoking
from cli.desk import Desk, answer, note, progress
from cli.errors import Broken, Unreachable
from cli.laws import LAWS
from cli.reconciling import Allowance, Verdict
from cli.reservations import Timeout
from cli.smoke import Course

SHOWN = 20
"""Rows per broken law in a table; JSON has them all."""


def rebuild(
    desk: Desk,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only compare; exit code 1 if it differs.")] = False,
) -> None:
    """Builds the dashboard anew from the events it has kept, compares, and repairs what differs."""
    with progress() as bars:
        done = rebuilding.run(desk.airline, dry_run, bars)
    answer(desk, done, lambda: draw.facts({name: _listed(value) for name, value in done.items()}))
    if dry_run and done["differing"]:
        raise Broken(f"The dashboard differs from its events for {done['differing']} reservations.")


def reconcile(
    desk: Desk,
    young: Annotated[float, typer.Option(help="Reservations younger than so many seconds are left out.", min=0)] = 30,
    patience: Annotated[float, typer.Option(help="Seconds in which a difference may still vanish.", min=0)] = 10,
    owed_minutes: Annotated[float, typer.Option(help="How long seats, money or a report may be owed.", min=0)] = 30,
) -> None:
    """Checks all laws on the live data of all services; exit code 1 and a table if one is broken."""
    with progress() as bars:
        allowed = Allowance(timedelta(seconds=young), timedelta(minutes=owed_minutes))
        found = reconciling.verdict(desk.airline, allowed, patience, bars)
    answer(desk, reconciling.as_json(found), lambda: _judged(found))
    if found.broken:
        raise Broken(f"{len({one.law for one in found.broken})} of {len(LAWS)} laws are broken.")


def smoke(
    desk: Desk,
    flight: Annotated[int | None, typer.Option(help="Number of a flight; without, one is added and removed.")] = None,
    timeout: Timeout = 60,
) -> None:
    """One whole saga: reserve, SUCCEED, cancel, seats and money back, with the time of each event."""
    if not desk.as_json:
        note(f"smoke test of {desk.airline.url}")
    course = smoking.run(desk.airline, flight, timeout)
    answer(desk, asdict(course), lambda: _run(course))


def status(desk: Desk) -> None:
    """Each service, reachable or not, and how much there is; exit code 2 if one cannot be reached."""
    services = surveying.services(desk.airline)
    counts = surveying.counts(desk.airline)
    away = [name for name, wrong in services.items() if wrong]
    uncounted = [name for name, found in counts.items() if isinstance(found, Exception)]
    document = {
        "url": desk.airline.url,
        "services": {
            name: {"reachable": wrong is None, "why": wrong and str(wrong)} for name, wrong in services.items()
        },
        "counts": {name: None if isinstance(found, Exception) else found for name, found in counts.items()},
    }
    answer(desk, document, lambda: _surveyed(document))
    if away or uncounted:
        raise Unreachable(f"Not to be reached: {', '.join(away or uncounted)}.")


def _judged(found: Verdict) -> RenderableType:
    parts: list[RenderableType] = [draw.facts(found.totals), ""]
    broken = {law: [one for one in found.broken if one.law == law] for law in LAWS}
    parts.append(draw.table(["law", "", "found"], [_row(law, rows) for law, rows in broken.items()]))
    for title, rows in [*((law, rows) for law, rows in broken.items() if rows), ("could not be judged", found.busy)]:
        if rows:
            more = f"and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
            listed = [(one.kind, one.subject, one.detail) for one in rows[:SHOWN]]
            parts += ["", draw.cell(title), draw.table(["of", "which", "what"], listed, more)]
    seen = f"{found.suspected} seemed wrong at first, {len(found.broken)} stayed; {draw.seconds(found.seconds)}"
    return Group(*parts, "", draw.cell(seen))


def _row(law: str, rows: list[Any]) -> tuple[object, ...]:
    return law, "BROKEN" if rows else "holds", len(rows) or None


def _run(course: Course) -> RenderableType:
    steps = draw.table(["step", "took"], [(step.what, draw.seconds(step.seconds)) for step in course.steps])
    columns = ["event", "said by", "time", "after its cause"]
    rows = [(event["type"], event["source"], event["time"], draw.seconds(event["after"])) for event in course.events]
    title = f"reservation {course.reservation} on flight {course.flight}: everything came back"
    return Group(draw.cell(title), "", steps, "", draw.table(columns, rows))


def _surveyed(document: dict[str, Any]) -> RenderableType:
    services = [
        (name, "yes" if found["reachable"] else "no", found["why"]) for name, found in document["services"].items()
    ]
    return Group(
        draw.cell(document["url"]),
        draw.table(["service", "reachable", "why not"], services),
        "",
        draw.facts(document["counts"]),
    )


def _listed(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, list) else value
