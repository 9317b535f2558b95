"""Whether those who know the last release can live with what the code says now.

Events are delivered again, replayed from dead letters, and read by services that are not rolled out at the same
moment. So consumers of the release must read today's events, and today's consumers those of the release: a field may be
added, as an optional one, and nothing that is there may change. Whatever else is wanted is a new event type.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Schema = Mapping[str, Any]
RELEASED = Path("contracts/released/events")
FOR_PEOPLE = {"title", "description", "examples", "$id", "$schema"}


def released(root: Path) -> dict[str, Schema]:
    """By type, the schemas of the last release."""
    return {file.stem: json.loads(file.read_text("utf-8")) for file in sorted((root / RELEASED).glob("*.json"))}


def breaks(old: Mapping[str, Schema], new: Mapping[str, Schema]) -> list[str]:
    """A sentence for each thing that consumers of the release, or of now, could not read; empty: all is well."""
    return [sentence for type_, schema in old.items() for sentence in _of_event(type_, schema, new.get(type_))]


def _of_event(type_: str, old: Schema, new: Schema | None) -> Iterator[str]:
    if new is None:
        yield f"{type_} is gone, but its consumers wait for it: keep the event, or say it for one release longer."
        return
    changes = [*_of_fields(type_, old, new), *_of_requirements(type_, old, new)]
    yield from changes
    if not changes and _meaning(old) != _meaning(new) and old["$id"] == new["$id"]:
        yield f"{type_} has changed, but its dataschema is still {old['$id']}: raise `version` in its class."


def _of_fields(type_: str, old: Schema, new: Schema) -> Iterator[str]:
    for name, before in old["properties"].items():
        after = new["properties"].get(name)
        if after is None:
            yield f"{type_}.{name} is gone, but its consumers read it: keep the field, or make a new event type."
        elif _meaning(before) != _meaning(after):
            what = ", ".join(sorted(_changed(before, after)))
            yield f"{type_}.{name} means something else now ({what}): add a new optional field instead."


def _of_requirements(type_: str, old: Schema, new: Schema) -> Iterator[str]:
    was, is_ = set(old["required"]), set(new["required"])
    for name in sorted(is_ - was):
        yield f"{type_}.{name} is required now, but earlier events lack it: make it optional."
    for name in sorted((was - is_) & new["properties"].keys()):
        yield f"{type_}.{name} may be absent now, but consumers of the release need it: keep it required."


def _meaning(schema: Schema) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key not in FOR_PEOPLE}


def _changed(old: Schema, new: Schema) -> set[str]:
    return {key for key in old.keys() | new.keys() if key not in FOR_PEOPLE and old.get(key) != new.get(key)}
