"""What the broker reports about an event: who took it at once, and every attempt of those who did not."""

from collections.abc import Mapping
from typing import Any

from rich.text import Text

from terminal import tables

STYLES = {"waiting": "yellow", "retrying": "yellow", "delivered": "green", "dead-lettered": "red", "kept": "red"}


def lines(stored: Mapping[str, Any], again: bool) -> list[Text]:
    """One event of the broker, as `/deliveries` gives it; `again`: this event was shown before."""
    shown = [tables.line("repeated", f"{stored['type']}, {stored['storedAt']}", "yellow")] if again else []
    at_once = [_name(each) for each in stored["deliveries"] if each["state"] == "delivered" and not each["attempts"]]
    if at_once:
        shown.append(Text.assemble("taken by ", tables.cell(", ".join(at_once)), style="dim"))
    for each in stored["deliveries"]:
        if each["state"] != "delivered" or each["attempts"]:
            shown.append(
                tables.line(each["state"], f"{stored['type']} to {_name(each)}{_next(each)}", STYLES[each["state"]])
            )
            shown += [_attempt(attempt) for attempt in each["attempts"]]
    return shown


def _name(delivery: Mapping[str, Any]) -> str:
    """The Trigger without its namespace."""
    return str(delivery["trigger"]).rpartition("/")[2]


def _next(delivery: Mapping[str, Any]) -> str:
    return f", next at {delivery['nextAt']}" if delivery.get("nextAt") else ""


def _attempt(attempt: Mapping[str, Any]) -> Text:
    which = f"  {attempt['number']}. {attempt['at']} {tables.seconds(attempt['seconds'])}, {attempt['to']}: "
    return Text.assemble(which, tables.cell(attempt["failure"] or "taken"), style="dim")
