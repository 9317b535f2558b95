"""`airline dead-letters kept ...`: what not even the dead-letter sink took. Only a laptop has such a broker."""

from typing import Annotated, Any

import typer

from cli.common_options import Limit
from cli.invocation import Invocation, answer
from client import gateway, lists
from client.errors import Refused
from client.gateway import Airline
from terminal import tables
from terminal.console import progress

COLUMNS = {
    "id": "kept as",
    "type": "event",
    "trigger": "given up by",
    "reservationId": "reservation",
    "times": "times",
    "keptAt": "last",
    "reason": "reason",
}

Number = Annotated[int | None, typer.Argument(metavar="[NUMBER]", min=1)]
OfTrigger = Annotated[str | None, typer.Option("--trigger", help="Given up by this Trigger, NAMESPACE/NAME.")]


def list_all(invocation: Invocation, *, trigger: OfTrigger = None, limit: Limit = 50) -> None:
    """The kept events, oldest first. An event that is taken later, by a replay or a repeat, is no longer kept."""
    found = [event for event in _all(invocation.airline) if trigger in (None, event["trigger"])]
    document = {"total": len(found), "kept": found[:limit]}
    rows = [{**event, **_named(event["event"])} for event in found[:limit]]
    answer(invocation, document, lambda: tables.items(COLUMNS, rows, len(found)))


def replay(
    invocation: Invocation,
    *,
    number: Number = None,
    everything: Annotated[bool, typer.Option("--all", help="All that are kept now.")] = False,
    trigger: OfTrigger = None,
) -> None:
    """Delivers one event, all of a Trigger, or all again, each to the Trigger that gave it up and to no other.

    Each is kept until somebody takes it. Doing it twice is harmless.
    """
    if (number is not None) + everything + (trigger is not None) != 1:
        raise typer.BadParameter("name either a NUMBER, or --all, or --trigger")
    if number is not None:
        done = _replay(invocation.airline, number)
        answer(invocation, done, lambda: tables.cell(f"{done['event']['type']} goes to {done['trigger']} again"))
        return
    gone, refused = _replay_all(invocation.airline, trigger)
    document = {"replayed": gone, "refused": refused}
    answer(
        invocation,
        document,
        lambda: tables.facts({"replayed": gone, **{f"not {one['id']}": one["why"] for one in refused}}),
    )
    if refused:
        raise Refused(f"{len(refused)} of {gone + len(refused)} could not be replayed.")


def _replay_all(airline: Airline, trigger: str | None) -> tuple[int, list[dict[str, Any]]]:
    """How many went, and which did not and why."""
    chosen = [event for event in _all(airline) if trigger in (None, event["trigger"])]
    refused = []
    with progress() as bars:
        for event in bars.track(chosen, description="kept events"):
            try:
                _replay(airline, event["id"])
            except Refused as error:  # its Trigger is gone, or it was taken meanwhile
                refused.append({"id": event["id"], "why": str(error)})
    return len(chosen) - len(refused), refused


def _replay(airline: Airline, number: int) -> Any:
    return gateway.send(airline, "POST", f"/kept/{number}/replay")


def _all(airline: Airline) -> list[Any]:
    """Every kept event, oldest first; on a broker that keeps none, the refusal says so."""
    found: list[Any] = []
    while True:
        after = found[-1]["id"] if found else 0
        page = gateway.get(airline, "/kept", after=after, limit=lists.PAGE)["kept"]
        found += page
        if len(page) < lists.PAGE:
            return found


def _named(event: dict[str, Any]) -> dict[str, Any]:
    return {"type": event["type"], "reservationId": event.get("correlationid")}
