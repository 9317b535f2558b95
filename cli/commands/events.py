"""`airline events`: the newest events that the broker had, and with --follow each further one as it happens."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any

import typer

from cli.invocation import Invocation, say
from client.feed import messages

Report = Mapping[str, Any]


def events(
    invocation: Invocation,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
) -> None:
    """The events, oldest first: when, type, reservation, who hears it, data. With --json, a line of JSON for each."""
    for report in _news(invocation, follow):
        if not say(json.dumps(report) if invocation.as_json else _line(report)):
            return


def _news(invocation: Invocation, follow: bool) -> Iterator[Report]:
    """Each event once, in the order of the broker's log, however often the feed begins again."""
    newest = -1
    for message in messages(invocation.airline):
        for report in message.get("events", ()):
            if report["offset"] > newest:
                newest = report["offset"]
                yield report
        if message["kind"] == "snapshot" and message["broker"] and not follow:
            return


def _line(report: Report) -> str:
    event = report["event"]
    at = datetime.fromisoformat(report["at"]).astimezone().strftime("%H:%M:%S.%f")[:-3]
    hearers = ", ".join(key.rpartition("/")[2] for key in report["triggers"]) or "nobody"
    data = json.dumps(event["data"], ensure_ascii=False) if "data" in event else f"{report.get('dataBytes', 0)} bytes"
    return f"{at}  {event['type']:<24} {event.get('correlationid', '-'):<13} {data}  -> {hearers}"
