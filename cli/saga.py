"""`airline saga show ID`"""

import time
from typing import Annotated, Any

import typer
from rich.live import Live

from cli import client, timeline, wakings
from cli.client import Airline
from cli.desk import Desk, answer, at_the_desk, stdout
from cli.errors import Refused

app = typer.Typer(help="What became of a reservation, event by event.", no_args_is_help=True)

LAST_WORD = {"SUCCEED": "ReservationConfirmed", "CANCELED": "ReservationCanceled"}
PAUSE = 0.5
"""Seconds between two looks of --follow."""


@app.callback()
def saga() -> None:
    """What became of a reservation, event by event."""


@app.command()
@at_the_desk
def show(
    desk: Desk,
    identity: Annotated[str, typer.Argument(metavar="ID")],
    follow: Annotated[bool, typer.Option("--follow", help="Go on until nothing is waited for.")] = False,
) -> None:
    """The timeline: each event under its cause, with the time since; what is waited for; dead letters."""
    story = told(desk.airline, identity)
    if follow and stdout().is_terminal and not desk.as_json:
        _follow(desk.airline, story)
        return
    while follow and not _ended(story):
        time.sleep(PAUSE)
        story = told(desk.airline, identity)
    answer(desk, story, lambda: timeline.drawn(story))


def told(airline: Airline, identity: str) -> dict[str, Any]:
    """What is known of it, joined: no function asks another one. Raises Refused if nobody knows it.

    reservation (None before it is placed), events, waitsFor, deadLetters; deliveries: what the broker tells of those it
    still has, None where it tells nothing; woken: the functions that these deliveries woke, None where nobody knows.
    """
    path = f"/reservations/{client.segment(identity)}"
    reservation = client.find(airline, path)
    history = client.find(airline, f"{path}/events")
    letters, _ = client.some(airline, "/dead-letters", "deadLetters", client.PAGE, reservationId=identity)
    deliveries = client.find(airline, "/deliveries", correlationid=identity)
    if not (reservation or history or letters or (deliveries and deliveries["events"])):
        raise Refused(f"Nothing has been heard of reservation {identity}.")
    return {
        "reservationId": identity,
        "reservation": reservation,
        "events": history["_embedded"]["events"] if history else [],
        "waitsFor": history.get("waitsFor", []) if history else [],
        "deadLetters": letters,
        "deliveries": deliveries["events"] if deliveries else None,
        "woken": wakings.told(airline, deliveries["events"] if deliveries else None),
    }


def _follow(airline: Airline, story: dict[str, Any]) -> None:
    with Live(timeline.drawn(story), console=stdout(), auto_refresh=False) as live:
        while not _ended(story):
            time.sleep(PAUSE)
            story = told(airline, story["reservationId"])
            live.update(timeline.drawn(story), refresh=True)


def _ended(story: dict[str, Any]) -> bool:
    """Whether the reservation has ended, the dashboard has heard of it, and nothing is waited for."""
    status = story["reservation"]["status"] if story["reservation"] else ""
    heard = {event["type"] for event in story["events"]}
    return LAST_WORD.get(status) in heard and not story["waitsFor"]
