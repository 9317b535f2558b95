"""The JSON Schema of each event, from the readers of its fields: contracts/events/<type>.json.

A schema says what a producer writes. Consumers read more: numbers in strings, and fields they do not know, which they
ignore; so nothing forbids additional properties.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from airline.events import BY_TYPE
from choreography import events, fields
from contracts import examples

FOLDER = Path("contracts/events")
DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]


def made() -> Iterator[tuple[Path, str]]:
    """Each file and its text."""
    for type_, word in BY_TYPE.items():
        yield FOLDER / f"{type_}.json", json.dumps(schema(word), indent=2) + "\n"


def schema(word: type[events.Event]) -> Schema:
    """The JSON Schema (draft 2020-12) of the `data` of an event."""
    return {
        "$schema": DIALECT,
        "$id": events.schema_of(word),
        "title": word.__name__,
        "description": description(word),
        **body(word),
        "examples": [examples.data(word)],
    }


def body(word: type[events.Event]) -> Schema:
    """The part of a schema that says which fields there are."""
    spec = fields.spec(word)  # type: ignore[arg-type] # mypy takes the hash of instances for that of the class
    return {
        "type": "object",
        "properties": {name: dict(field.read.schema) for name, field in spec.items()},
        "required": [name for name, field in spec.items() if field.default is fields.ABSENT],
    }


def description(word: type[events.Event]) -> str:
    """Its docstring in one line."""
    return " ".join((word.__doc__ or "").split())
