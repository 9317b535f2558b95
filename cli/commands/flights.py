"""`airline flights ...`"""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group

from cli.commands import flights_csv
from cli.commands.flights_csv import Line
from cli.common_options import Key, Limit
from cli.invocation import Invocation, answer, note
from cli.listing import listed
from client import gateway, lists
from client.errors import ClientError, Refused
from terminal import tables
from terminal.console import progress

COLUMNS = {
    "flightId": "flight",
    "flightCode": "code",
    "takeoffDate": "takes off",
    "cost": "cost of a seat",
    "remainingSeatsCount": "seats left",
    "capacity": "of",
}
SHOWN = 200
"""Lines of an import in a table; JSON has them all."""


def list_all(
    invocation: Invocation,
    min_seats: Annotated[
        int | None, typer.Option(help="Only flights with at least this many seats left.", min=0)
    ] = None,
    limit: Limit = 50,
) -> None:
    """The flights, by number."""
    found = lists.some(invocation.airline, "/flights", "flights", limit, minSeats=min_seats)
    listed(invocation, "flights", found, COLUMNS)


def add(  # noqa: PLR0913 - the fields of a flight
    invocation: Invocation,
    *,
    code: Annotated[str, typer.Option(help="For instance KE081.")],
    date: Annotated[datetime, typer.Option(help="The day it takes off.", formats=["%Y-%m-%d"])],
    cost: Annotated[int, typer.Option(help="Of one seat.", min=0)],
    seats: Annotated[int, typer.Option(help="How many there are.", min=0)],
    key: Key = None,
) -> None:
    """Adds a flight."""
    body = {"flightCode": code, "takeoffDate": f"{date:%Y-%m-%d}", "cost": cost, "remainingSeatsCount": seats}
    flight = gateway.send(invocation.airline, "POST", "/flights", body, key)
    answer(invocation, flight, lambda: tables.items(COLUMNS, [flight]))


def change(  # noqa: PLR0913 - the fields of a flight
    invocation: Invocation,
    flight: Annotated[int, typer.Argument(help="Its number.")],
    *,
    code: Annotated[str | None, typer.Option(help="For instance KE081.")] = None,
    date: Annotated[datetime | None, typer.Option(help="The day it takes off.", formats=["%Y-%m-%d"])] = None,
    cost: Annotated[int | None, typer.Option(help="Of one seat.", min=0)] = None,
    capacity: Annotated[int | None, typer.Option(help="How many seats there are, held ones included.", min=0)] = None,
    key: Key = None,
) -> None:
    """Changes a flight; with another capacity, what remains follows."""
    said = {"flightCode": code, "takeoffDate": date and f"{date:%Y-%m-%d}", "cost": cost, "capacity": capacity}
    body = {name: value for name, value in said.items() if value is not None}
    if not body:
        raise Refused("Say what to change: --code, --date, --cost or --capacity.")
    changed = gateway.change(invocation.airline, f"/flights/{flight}", body, key)
    answer(invocation, changed, lambda: tables.items(COLUMNS, [changed]))


def import_(
    invocation: Invocation,
    file: Annotated[Path, typer.Argument(metavar="CSV", help=f"With the columns {', '.join(flights_csv.COLUMNS)}.")],
    encoding: Annotated[str | None, typer.Option(help="Where it is not UTF-8, for instance euc-kr.")] = None,
) -> None:
    """Adds the flights of a CSV file, whose fields are separated by commas, semicolons or tabs.

    Bad lines are listed with the reason and left out; the same file again adds nothing twice, so who was interrupted
    goes on with the same command."""
    lines = flights_csv.read(file, encoding)
    done: list[Line] = []
    with progress() as bars:
        bar = bars.add_task("lines", total=len(lines))
        try:
            for portion in flights_csv.portions(file.name, lines):
                done += flights_csv.add(invocation.airline, file.name, portion)
                bars.update(bar, completed=len(done))
        except (ClientError, KeyboardInterrupt):
            note(f"{len(done)} of {len(lines)} lines are done. The same command goes on, and adds nothing twice.")
            raise
    flights = [line.flight for line in done if line.flight is not None]
    bad = [{"line": line.number, "reason": line.reason} for line in done if line.reason]
    again = sum(line.again for line in done)
    answer(invocation, {"flights": flights, "alreadyThere": again, "bad": bad}, lambda: _drawn(flights, bad))
    if again and not invocation.as_json:
        note(f"{again} of these {len(flights)} flights had been added by an earlier import; nothing was added twice.")
    if bad:
        raise Refused(f"{len(bad)} of {len(done)} lines were not taken.")


def _drawn(flights: list[dict[str, Any]], bad: list[dict[str, Any]]) -> Group:
    taken = tables.items(COLUMNS, flights[:SHOWN], len(flights))
    refused = tables.items({"line": "line", "reason": "not taken, because"}, bad[:SHOWN], len(bad))
    return Group(taken, refused) if bad else Group(taken)
