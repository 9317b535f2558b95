"""Trigger filters: `filter.attributes` and the dialects of `filters`.

Knative: trigger_validation.go for what is refused, AttributesFilter.java for what matches.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

Attributes = Mapping[str, str]
Filter = Callable[[Attributes], bool]

_NAME = re.compile(r"[a-z][a-z0-9]*")


class FilterError(ValueError):
    """The filter cannot be served; the message says which part and why."""


def compile_filter(trigger_spec: Mapping[str, Any]) -> Filter:
    """The test that a Trigger's `spec` puts on an event's attributes; `filters` overrides `filter`."""
    if trigger_spec.get("filters"):
        return _all([_dialect(element) for element in trigger_spec["filters"]])
    attributes = (trigger_spec.get("filter") or {}).get("attributes") or {}
    # An empty value is ignored by class Kafka; class MT reads it as "attribute is present".
    return _exact({name: value for name, value in _checked(attributes).items() if value})


def only_type(trigger_spec: Mapping[str, Any]) -> str | None:
    """The type of every event that passes this filter, None if it may be several: most Triggers want one type."""
    if trigger_spec.get("filters"):
        return None
    return ((trigger_spec.get("filter") or {}).get("attributes") or {}).get("type") or None


def _dialect(element: Any) -> Filter:
    if not isinstance(element, dict) or len(element) != 1:
        raise FilterError(f"each element of filters has exactly one dialect: {element!r}")
    ((dialect, argument),) = element.items()
    match dialect:
        case "exact" | "prefix" | "suffix":
            return _ATTRIBUTE_DIALECTS[dialect](_not_empty(dialect, _checked(argument)))
        case "all":
            return _all([_dialect(each) for each in _elements(dialect, argument)])
        case "any":
            return _any([_dialect(each) for each in _elements(dialect, argument)])
        case "not":
            return _not(_dialect(argument))
        case "cesql":
            raise FilterError("cesql is not supported by the embedded broker; use exact, prefix, suffix, all, any, not")
    raise FilterError(f"unknown filter dialect {dialect!r}")


def _exact(wanted: Mapping[str, str]) -> Filter:
    if len(wanted) == 1:
        ((only, value),) = wanted.items()
        return lambda attributes: attributes.get(only) == value
    return lambda attributes: all(attributes.get(name) == value for name, value in wanted.items())


def _prefix(wanted: Mapping[str, str]) -> Filter:
    return lambda attributes: all(attributes.get(name, "").startswith(text) for name, text in wanted.items())


def _suffix(wanted: Mapping[str, str]) -> Filter:
    return lambda attributes: all(attributes.get(name, "").endswith(text) for name, text in wanted.items())


def _all(parts: list[Filter]) -> Filter:
    return parts[0] if len(parts) == 1 else lambda attributes: all(part(attributes) for part in parts)


def _any(parts: list[Filter]) -> Filter:
    return lambda attributes: any(part(attributes) for part in parts)


def _not(part: Filter) -> Filter:
    return lambda attributes: not part(attributes)


_ATTRIBUTE_DIALECTS: dict[str, Callable[[Mapping[str, str]], Filter]] = {
    "exact": _exact,
    "prefix": _prefix,
    "suffix": _suffix,
}


def _checked(attributes: Any) -> dict[str, str]:
    if not isinstance(attributes, dict):
        raise FilterError(f"attributes and their values are expected: {attributes!r}")
    for name, value in attributes.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise FilterError(f"{name!r} is not an attribute name: only a-z and 0-9, beginning with a letter")
        if not isinstance(value, str):
            raise FilterError(f"the value for {name} must be text: {value!r}")
    return attributes


def _not_empty(dialect: str, attributes: dict[str, str]) -> dict[str, str]:
    if not attributes or not all(attributes.values()):
        raise FilterError(f"{dialect} needs at least one attribute, and no empty values")
    return attributes


def _elements(dialect: str, argument: Any) -> list[Any]:
    if not isinstance(argument, list) or not argument:
        raise FilterError(f"{dialect} needs a list of filters")
    return argument
