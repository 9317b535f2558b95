"""Which Triggers want an event: their filters, in the dialects of Knative's Trigger (`filter` and `filters`, v1).

The laptop's broker has the dialects as well (broker/embedded/filters.py). Neither room may import the other, so a test
holds both to the same table.
"""

from collections.abc import Callable, Mapping
from typing import Any

Attributes = Mapping[str, Any]
Matches = Callable[[str, str], bool]

_BY_TEXT: dict[str, Matches] = {"exact": str.__eq__, "prefix": str.startswith, "suffix": str.endswith}


def wants(trigger: Mapping[str, Any], attributes: Attributes) -> bool:
    """Whether a Trigger's spec admits the event. CloudEvents SQL (`cesql`) is not read and counts as admitting it."""
    if trigger.get("filters"):  # they override `filter`
        return all(_admits(one, attributes) for one in trigger["filters"])
    wanted = trigger.get("filter", {}).get("attributes", {})
    return all(value == "" or _text(attributes, name) == value for name, value in wanted.items())


def _admits(rule: Mapping[str, Any], attributes: Attributes) -> bool:
    ((dialect, what),) = rule.items()
    if dialect == "not":
        return not _admits(what, attributes)
    if dialect in ("all", "any"):
        return (all if dialect == "all" else any)(_admits(one, attributes) for one in what)
    if dialect not in _BY_TEXT:
        return True
    return all(name in attributes and _BY_TEXT[dialect](_text(attributes, name), text) for name, text in what.items())


def _text(attributes: Attributes, name: str) -> str:
    return str(attributes.get(name, ""))
