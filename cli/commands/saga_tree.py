"""A saga, drawn: a tree of events, each under the one that caused it."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from cli.commands import saga_deliveries
from terminal import tables

DETAILS = ("seatQty", "remainingSeatsCount", "amount", "reason")


def drawn(story: Mapping[str, Any]) -> RenderableType:
    """`story` as saga.known gives it."""
    tree = Tree(_title(story))
    beneath = _beneath(story)
    _grow(tree, None, by_cause(story["events"]), beneath)
    for strays in beneath.values():  # of events that the history does not have, or not yet
        _add(tree, strays)
    waits = [_waiting(wait) for wait in story["waitsFor"]]
    return Group(tree, *waits, *_unknown(story))


def _unknown(story: Mapping[str, Any]) -> list[Text]:
    """One line about what is not known here."""
    if story["deliveries"] is None:
        return [Text("this broker shows neither its deliveries nor which functions woke for them", "dim")]
    if story["woken"] is None:
        return [Text("which functions woke is known only in the folder where the airline runs", "dim")]
    return []


def by_cause(events: list[dict[str, Any]]) -> dict[str | None, list[dict[str, Any]]]:
    """The events by the id of the one that caused them; None holds those whose cause is not among them.

    Events that go round in a circle begin nowhere: the first of them is taken as a beginning.
    """
    known = {event["id"] for event in events}
    causes = {event["id"]: event["causationId"] if event["causationId"] in known else None for event in events}
    for event in events:
        if _goes_round(event["id"], causes):
            causes[event["id"]] = None
    caused: dict[str | None, list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        caused[causes[event["id"]]].append(event)
    return caused


def _goes_round(start: str, causes: Mapping[str, str | None]) -> bool:
    seen: set[str] = set()
    step: str | None = start
    while step is not None and step not in seen:
        seen.add(step)
        step = causes[step]
    return step == start


Beneath = dict[str, list[Text]]
"""What is shown next to an event, by its id."""


def _beneath(story: Mapping[str, Any]) -> Beneath:
    lines: Beneath = defaultdict(list)
    for stored in story["deliveries"] or []:
        again = stored["id"] in lines
        lines[stored["id"]] += saga_deliveries.lines(stored, again)
    for woken in story["woken"] or []:
        took, how = tables.seconds(woken["seconds"]), "woke ahead" if woken["ahead"] else "woke"
        lines[woken["eventId"]].append(tables.line(how, f"{woken['function']}, {took}", "blue"))
    for letter in story["deadLetters"]:
        what = f"{letter['type']} to {letter['function']}, {letter['times']} times: {letter['reason']} ({letter['id']})"
        lines[letter["eventId"]].append(tables.line(f"dead letter {letter.get('status', '')}".strip(), what, "red"))
    return lines


def _grow(branch: Tree, cause: str | None, caused: dict[str | None, list[Any]], beneath: Beneath) -> None:
    for event in caused.get(cause, []):
        leaf = branch.add(_event(event))
        _add(leaf, beneath.pop(event["id"], []))
        _grow(leaf, event["id"], caused, beneath)


def _add(branch: Tree, lines: list[Text]) -> None:
    for line in lines:
        branch.add(line)


def _title(story: Mapping[str, Any]) -> Text:
    title = Text.assemble(("reservation ", ""), tables.cell(story["reservationId"]))
    if found := story["reservation"]:
        seats = "1 seat" if found["seatQty"] == 1 else f"{found['seatQty']} seats"
        party = f"  {seats} on flight {found['flightId']} for customer {found['customerId']}"
        title = Text.assemble(title, " ", tables.cell(found["status"]), party, _in_brackets(found["reason"]))
    return title


def _event(event: Mapping[str, Any]) -> Text:
    after = f"+{tables.seconds(event['after'])}" if event.get("after") is not None else event["time"]
    details = [f"{name} {event['data'][name]}" for name in DETAILS if event["data"].get(name) is not None]
    return Text.assemble(
        Text.assemble(tables.cell(event["type"]), style="bold"),
        f"  {after}  ",
        Text.assemble(tables.cell(event["source"]), style="cyan"),
        "  ",
        Text.assemble(tables.cell(", ".join(details)), style="dim"),
    )


def _in_brackets(reason: str | None) -> Text:
    return Text.assemble(" (", tables.cell(reason), ")") if reason else Text()


def _waiting(wait: Mapping[str, Any]) -> Text:
    return tables.line("waits for", f"{wait['function']}, for {tables.seconds(wait['for'])} now", "yellow")
