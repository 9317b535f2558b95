"""`airline dead-letters ...`: what the broker gave up on, and what is to become of it."""

from http import HTTPStatus
from typing import Annotated, Any, Literal

import typer
from rich.console import RenderableType

from cli.common_options import Limit
from cli.invocation import Invocation, answer
from cli.listing import listed
from client import gateway, lists
from client.errors import Refused, Unreachable
from client.gateway import Airline
from terminal import tables
from terminal.console import progress

COLUMNS = {
    "id": "dead letter",
    "type": "event",
    "function": "given up by",
    "reservationId": "reservation",
    "code": "code",
    "reason": "reason",
    "times": "times",
    "lastAt": "last",
    "status": "status",
    "note": "note",
}

Status = Literal["OPEN", "REPLAYED", "DISCARDED", "SETTLED"]
Identity = Annotated[str, typer.Argument(metavar="ID")]
OfType = Annotated[str | None, typer.Option("--type", help="Of this type of event.")]
OfFunction = Annotated[str | None, typer.Option("--function", help="Given up by this function.")]
OfReservation = Annotated[str | None, typer.Option("--reservation", help="Of this reservation.")]


def list_all(  # noqa: PLR0913 - the filters of the resource
    invocation: Invocation,
    *,
    status: Annotated[Status | None, typer.Option(help="All of them by default.")] = None,
    type_: OfType = None,
    function: OfFunction = None,
    reservation: OfReservation = None,
    limit: Limit = 50,
) -> None:
    """The dead letters, latest first."""
    wanted = {"status": status, "sort": "lastAt,desc"} | _wanted(type_, function, reservation)
    found = lists.some(invocation.airline, "/dead-letters", "deadLetters", limit, **wanted)
    listed(invocation, "deadLetters", found, COLUMNS)


def show(invocation: Invocation, identity: Identity) -> None:
    """A whole letter: the reason, and the event as it was."""
    letter = gateway.find(invocation.airline, _path(identity))
    if letter is None:
        raise _unknown(identity)
    answer(invocation, letter, lambda: _drawn(letter))


def replay(  # noqa: PLR0913 - the ways to choose
    invocation: Invocation,
    *,
    identity: Annotated[str | None, typer.Argument(metavar="[ID]")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that are open.")] = False,
    type_: OfType = None,
    function: OfFunction = None,
    reservation: OfReservation = None,
) -> None:
    """Puts one letter, all of a kind, or all back into the broker. Doing it twice is harmless."""
    chosen = {name: value for name, value in _wanted(type_, function, reservation).items() if value}
    if (identity is not None) + everything + bool(chosen) != 1:
        raise typer.BadParameter("name either an ID, or --all, or some of --type, --function, --reservation")
    if identity is not None:
        letter = _decide(invocation.airline, identity, "replay")
        answer(invocation, letter, lambda: _drawn(letter))
        return
    replayed = _replay_all(invocation.airline, chosen)
    answer(invocation, {"replayed": replayed}, lambda: tables.cell(f"{replayed} replayed"))


def discard(
    invocation: Invocation,
    identity: Identity,
    note: Annotated[str, typer.Option(help="Why it is not needed any more.")],
) -> None:
    """Sets a letter aside for good, with a note."""
    letter = _decide(invocation.airline, identity, "discard", {"note": note})
    answer(invocation, letter, lambda: _drawn(letter))


def _decide(airline: Airline, identity: str, decision: str, body: object = None) -> Any:
    try:
        return gateway.send(airline, "POST", f"{_path(identity)}/{decision}", body)
    except Refused as error:
        if error.status == HTTPStatus.NOT_FOUND:
            raise _unknown(identity) from error
        raise


def _path(identity: str) -> str:
    return f"/dead-letters/{gateway.segment(identity)}"


def _unknown(identity: str) -> Refused:
    return Refused(f"There is no dead letter {identity}.", HTTPStatus.NOT_FOUND)


def _replay_all(airline: Airline, chosen: dict[str, str]) -> int:
    """How many went, batch by batch. Raises Unreachable where some cannot go."""
    replayed, remaining, asked = 0, None, dict(chosen)
    with progress() as bars:
        bar = bars.add_task("dead letters", total=None)
        while remaining != 0:
            batch = gateway.send(airline, "POST", "/dead-letters/replay", asked)
            if batch["remaining"] == remaining and not batch["replayed"]:
                raise Unreachable(f"{replayed} were replayed, then the broker took none of the other {remaining}.")
            replayed, remaining = replayed + batch["replayed"], batch["remaining"]
            if "before" in batch:  # what comes back meanwhile is left for later, or this might never end
                asked["before"] = batch["before"]
            bars.update(bar, completed=replayed, total=replayed + remaining)
    return replayed


def _wanted(type_: str | None, function: str | None, reservation: str | None) -> dict[str, str | None]:
    return {"type": type_, "function": function, "reservationId": reservation}


def _drawn(letter: dict[str, Any]) -> RenderableType:
    names = {**COLUMNS, "destination": "sent to", "firstAt": "first", "decidedAt": "decided", "eventId": "event id"}
    whole = {**names, "source": "source", "attributes": "attributes", "data": "data"}
    return tables.facts({name: letter[field] for field, name in whole.items() if letter.get(field) is not None})
