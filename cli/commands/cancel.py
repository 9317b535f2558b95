"""`airline cancel`: cancels a reservation."""

from typing import Annotated

import typer

from cli.commands import reservations
from cli.invocation import Invocation, answer
from client import gateway


def cancel(
    invocation: Invocation,
    identity: Annotated[str, typer.Argument(metavar="ID")],
    reason: Annotated[str | None, typer.Option(help="The reason that the customer reads.")] = None,
) -> None:
    """Cancels a reservation; seats and money come back by events. Doing it twice is harmless."""
    change = {"status": "CANCELED"} | ({"reason": reason} if reason else {})
    changed = gateway.send(invocation.airline, "PATCH", f"/reservations/{gateway.segment(identity)}", change)
    answer(invocation, changed, lambda: reservations.drawn(changed))
