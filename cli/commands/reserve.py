"""`airline reserve`: reserves seats for a customer."""

from datetime import datetime
from typing import Annotated, Literal

import typer

from cli.commands import reservations
from cli.common_options import Key, Timeout, Wait
from cli.invocation import Invocation, answer
from client import gateway, waiting
from client.errors import Refused


def reserve(  # noqa: PLR0913 - the fields of a reservation
    invocation: Invocation,
    *,
    customer: Annotated[
        int | None, typer.Option(help="Number of the customer; not needed once you have signed in.")
    ] = None,
    flight: Annotated[int, typer.Option(help="Number of the flight.")],
    seats: Annotated[int, typer.Option(help="How many seats.")] = 1,
    date: Annotated[datetime | None, typer.Option(help="Today by default.", formats=["%Y-%m-%d"])] = None,
    payment: Annotated[
        Literal["accept", "decline", "slow"], typer.Option(help="What the provider will do.")
    ] = "accept",
    wait: Wait = False,
    timeout: Timeout = 60,
    key: Key = None,
) -> None:
    """Places a reservation. With --wait, exit code 3 says that it was canceled."""
    wish: dict[str, object] = {"flightId": flight, "seatQty": seats, "paymentMethod": payment}
    if customer is not None:
        wish["customerId"] = customer
    if date:
        wish["reserveDate"] = f"{date:%Y-%m-%d}"
    made = gateway.send(invocation.airline, "POST", "/reservations", wish, key)
    if wait:
        made = waiting.outcome(invocation.airline, made["reservationId"], timeout)
    answer(invocation, made, lambda: reservations.drawn(made))
    if made["status"] == "CANCELED":
        raise Refused(f"Canceled: {made['reason']}.")
