"""`airline logs RESERVATION`: what all functions have logged about one reservation, in order."""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import count
from typing import Annotated, Any

import typer

from cli import here, log_sources
from cli.invocation import Invocation, note, say
from client.errors import Refused

Line = dict[str, Any]
Source = Callable[[bool], Iterable[str]]
"""The raw lines of all functions; those that are new, or at least the newest, where it is asked again."""

PAUSE = 0.5
"""Seconds between two looks of --follow."""
_FIRST = ("time", "level", "service", "message")
_ABOUT = "reservationId"


def logs(
    invocation: Invocation,
    reservation: Annotated[str, typer.Argument(metavar="RESERVATION")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    namespace: Annotated[str, typer.Option(help="On the cluster of KUBECONFIG.", envvar="NAMESPACE")] = "airline",
) -> None:
    """The lines of all functions that name the reservation, oldest first. With --json, as they were logged.

    They come from the data folder of this checkout or, where KUBECONFIG is set, from the pods of a cluster.
    """
    source: Source = log_sources.pods(namespace) if os.environ.get("KUBECONFIG") else log_sources.files(here.DATA)
    shown = 0
    for line in _lines(source, reservation, follow):
        shown += 1
        if not say(json.dumps(line) if invocation.as_json else _drawn(line)):
            return
    if not shown:
        raise Refused(f"No function has logged anything about reservation {reservation}.")


def _lines(source: Source, reservation: str, follow: bool) -> Iterator[Line]:
    """Each line once: a line that is read twice is the same text."""
    seen: set[str] = set()
    for turn in count():
        fresh = [text for text in dict.fromkeys(source(turn > 0)) if reservation in text and text not in seen]
        seen.update(fresh)
        yield from sorted(filter(None, (_about(text, reservation) for text in fresh)), key=lambda line: line["time"])
        if not follow:
            return
        if not turn:
            note("following; Ctrl-C ends it")
        time.sleep(PAUSE)


def _about(text: str, reservation: str) -> Line | None:
    """A line of a function about this reservation; None for any other line."""
    try:
        line = json.loads(text)
    except ValueError:
        return None
    ours = isinstance(line, dict) and line.get(_ABOUT) == reservation and isinstance(line.get("time"), str)
    return line if ours else None


def _drawn(line: Line) -> str:
    at = datetime.fromisoformat(line["time"]).astimezone().strftime("%H:%M:%S.%f")[:-3]
    rest = [f"{name}={value}" for name, value in line.items() if name not in (*_FIRST, _ABOUT, "exception")]
    head = f"{at}  {line.get('service', ''):<22} {line.get('level', ''):<8}{line.get('message', '')}"
    last = str(line.get("exception", "")).strip().rpartition("\n")[2]
    # or whoever chooses the id of an event could write lines of ours
    return "  ".join(filter(None, [head, " ".join(rest), last])).replace("\n", "\\n")
