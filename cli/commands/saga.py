"""`airline saga show ID`"""

import time
from typing import Annotated, Any

import typer
from rich.live import Live

from airline import saga
from cli.commands import saga_tree, saga_wakings
from cli.invocation import Invocation, answer
from client import gateway, lists
from client.errors import Refused
from client.gateway import Airline
from terminal.console import stdout

LAST_WORD = {status: event.__name__ for status, event in saga.ENDS.items()}
PAUSE = 0.5
"""Seconds between two looks of --follow."""


def show(
    invocation: Invocation,
    identity: Annotated[str, typer.Argument(metavar="ID")],
    follow: Annotated[bool, typer.Option("--follow", help="Go on until nothing is waited for.")] = False,
) -> None:
    """The timeline: each event under its cause, with the time since; what is waited for; dead letters."""
    story = known(invocation.airline, identity)
    if follow and stdout().is_terminal and not invocation.as_json:
        _follow(invocation.airline, story)
        return
    while follow and not _ended(story):
        time.sleep(PAUSE)
        story = known(invocation.airline, identity)
    answer(invocation, story, lambda: saga_tree.drawn(story))


def known(airline: Airline, identity: str) -> dict[str, Any]:
    """What is known about it, joined here because no function asks another. Raises Refused if it is unknown.

    reservation (None before it is placed), events, waitsFor, deadLetters; deliveries: what the broker reports about
    those it still has, None if it reports nothing; woken: the functions that these deliveries woke, None if unknown.
    """
    path = f"/reservations/{gateway.segment(identity)}"
    reservation = gateway.find(airline, path)
    history = gateway.find(airline, f"{path}/events")
    letters = lists.some(airline, "/dead-letters", "deadLetters", lists.PAGE, reservationId=identity).items
    deliveries = gateway.find(airline, "/deliveries", correlationid=identity)
    if not (reservation or history or letters or (deliveries and deliveries["events"])):
        raise Refused(f"Nothing has been heard of reservation {identity}.")
    return {
        "reservationId": identity,
        "reservation": reservation,
        "events": history["_embedded"]["events"] if history else [],
        "waitsFor": history.get("waitsFor", []) if history else [],
        "deadLetters": letters,
        "deliveries": deliveries["events"] if deliveries else None,
        "woken": saga_wakings.woken(airline, deliveries["events"] if deliveries else None),
    }


def _follow(airline: Airline, story: dict[str, Any]) -> None:
    with Live(saga_tree.drawn(story), console=stdout(), auto_refresh=False) as live:
        while not _ended(story):
            time.sleep(PAUSE)
            story = known(airline, story["reservationId"])
            live.update(saga_tree.drawn(story), refresh=True)


def _ended(story: dict[str, Any]) -> bool:
    """Whether the reservation has ended, the dashboard has heard of it, and nothing is waited for."""
    status = story["reservation"]["status"] if story["reservation"] else ""
    heard = {event["type"] for event in story["events"]}
    return LAST_WORD.get(status) in heard and not story["waitsFor"]
