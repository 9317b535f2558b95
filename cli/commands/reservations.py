"""`airline reservations`: a list of them."""

from typing import Annotated, Any, Literal

import typer
from rich.console import RenderableType

from cli.common_options import Limit
from cli.invocation import Invocation
from cli.listing import listed
from client import lists
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
    found = lists.some(invocation.airline, "/reservations", "reservations", limit, **wanted)
    listed(invocation, "reservations", found, COLUMNS)


def drawn(reservation: dict[str, Any]) -> RenderableType:
    """A reservation, field by field."""
    return tables.facts({name: reservation.get(field) for field, name in COLUMNS.items()})
