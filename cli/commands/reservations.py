"""`airline reservations`: those that there are."""

from typing import Annotated, Any, Literal

import typer
from rich.console import RenderableType

from cli.common_options import Limit
from cli.invocation import Invocation, answer
from client import gateway
from terminal import tables

COLUMNS = {
    "reservationId": "reservation",
    "customerId": "customer",
    "flightId": "flight",
    "seatQty": "seats",
    "reserveDate": "date",
    "status": "status",
    "reason": "reason",
    "createdAt": "made",
}


def reservations(
    invocation: Invocation,
    status: Annotated[Literal["PENDING", "SUCCEED", "CANCELED"] | None, typer.Option()] = None,
    customer: Annotated[int | None, typer.Option(help="Number of the customer.")] = None,
    flight: Annotated[int | None, typer.Option(help="Number of the flight.")] = None,
    limit: Limit = 50,
) -> None:
    """The reservations, latest first."""
    wanted = {"status": status, "customerId": customer, "flightId": flight, "sort": "createdAt,desc"}
    found, total = gateway.some(invocation.airline, "/reservations", "reservations", limit, **wanted)
    answer(invocation, {"total": total, "reservations": found}, lambda: tables.items(COLUMNS, found, total))


def drawn(reservation: dict[str, Any]) -> RenderableType:
    """A reservation, field by field."""
    return tables.facts({name: reservation.get(field) for field, name in COLUMNS.items()})
