"""The EventType objects of Knative, which show a cluster's users what the Broker carries."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from airline.events import AIRLINE, BY_TYPE, Command
from choreography import events
from contracts.events import description

FILE = Path("knative/base/event-types.yaml")
HEAD = """\
# What the Broker carries, for `kubectl get eventtypes`. Made from airline/events.py by `make contracts`.
# The laptop has no use for it.
"""


def made() -> Iterator[tuple[Path, str]]:
    """The file and its text."""
    objects = [event_type(word) for word in BY_TYPE.values()]
    yield FILE, HEAD + yaml.safe_dump_all(objects, sort_keys=False, width=120, allow_unicode=True)


def event_type(word: type[events.Event]) -> dict[str, Any]:
    """One EventType (eventing.knative.dev/v1beta3, in Knative 1.22 and 1.23)."""
    source = "{source}" if issubclass(word, Command) else f"{AIRLINE.sources}{{service}}"
    # the webhook of Knative asks for the first four, whatever the values in braces are
    attributes = {"specversion": "1.0", "id": "{id}", "source": source, "type": word.__name__}
    attributes["dataschema"] = events.schema_of(word)
    return {
        "apiVersion": "eventing.knative.dev/v1beta3",
        "kind": "EventType",
        "metadata": {"name": re.sub(r"(?<!^)(?=[A-Z])", "-", word.__name__).lower()},
        "spec": {
            "reference": {"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "name": "airline"},
            "description": description(word),
            "attributes": [{"name": name, "value": value, "required": True} for name, value in attributes.items()],
        },
    }
