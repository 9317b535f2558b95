"""`airline reservations`, `reserve`, `cancel`."""

from datetime import datetime
from typing import Annotated, Any, Literal

import typer
from rich.console import RenderableType

from cli import client, draw, waiting
from cli.desk import Desk, answer
from cli.errors import Refused

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

Limit = Annotated[int, typer.Option(help="How many at most.", min=1)]
Key = Annotated[
    str | None, typer.Option(help="Idempotency-Key: the same command under the same key is done once.", metavar="KEY")
]
Wait = Annotated[bool, typer.Option("--wait", help="Until it has ended.")]
Timeout = Annotated[float, typer.Option(help="Seconds to wait.", min=0)]


def show(
    desk: Desk,
    status: Annotated[Literal["PENDING", "SUCCEED", "CANCELED"] | None, typer.Option()] = None,
    customer: Annotated[int | None, typer.Option(help="Number of the customer.")] = None,
    flight: Annotated[int | None, typer.Option(help="Number of the flight.")] = None,
    limit: Limit = 50,
) -> None:
    """The reservations, latest first."""
    wanted = {"status": status, "customerId": customer, "flightId": flight, "sort": "createdAt,desc"}
    found, total = client.some(desk.airline, "/reservations", "reservations", limit, **wanted)
    answer(desk, {"total": total, "reservations": found}, lambda: draw.items(COLUMNS, found, total))


def reserve(  # noqa: PLR0913 - the fields of a reservation
    desk: Desk,
    *,
    customer: Annotated[int, typer.Option(help="Number of the customer.")],
    flight: Annotated[int, typer.Option(help="Number of the flight.")],
    seats: Annotated[int, typer.Option(help="For how many.")] = 1,
    date: Annotated[datetime | None, typer.Option(help="Today by default.", formats=["%Y-%m-%d"])] = None,
    payment: Annotated[
        Literal["accept", "decline", "slow"], typer.Option(help="What the provider will do.")
    ] = "accept",
    wait: Wait = False,
    timeout: Timeout = 60,
    key: Key = None,
) -> None:
    """Places a reservation. With --wait, exit code 3 says that it was canceled."""
    wish: dict[str, object] = {"customerId": customer, "flightId": flight, "seatQty": seats, "paymentMethod": payment}
    if date:
        wish["reserveDate"] = f"{date:%Y-%m-%d}"
    made = client.command(desk.airline, "POST", "/reservations", wish, key)
    if wait:
        made = waiting.outcome(desk.airline, made["reservationId"], timeout)
    answer(desk, made, lambda: drawn(made))
    if made["status"] == "CANCELED":
        raise Refused(f"Canceled: {made['reason']}.")


def cancel(
    desk: Desk,
    identity: Annotated[str, typer.Argument(metavar="ID")],
    reason: Annotated[str | None, typer.Option(help="What the customer reads.")] = None,
) -> None:
    """Cancels a reservation; seats and money come back by events. Again is harmless."""
    change = {"status": "CANCELED"} | ({"reason": reason} if reason else {})
    changed = client.command(desk.airline, "PATCH", f"/reservations/{client.segment(identity)}", change)
    answer(desk, changed, lambda: drawn(changed))


def drawn(reservation: dict[str, Any]) -> RenderableType:
    """A reservation, field by field."""
    return draw.facts({name: reservation.get(field) for field, name in COLUMNS.items()})
