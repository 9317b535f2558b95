"""Durations in the two notations of Knative's manifests. Neither accepts the other's, as on a cluster."""

import re

_ISO_8601 = re.compile(
    r"P(?:(?P<days>\d+(?:\.\d+)?)D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d+(?:\.\d+)?)H)?(?:(?P<minutes>\d+(?:\.\d+)?)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)
_GO = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def iso_8601_seconds(duration: str) -> float:
    """Of a Trigger's `delivery`: PT0.2S -> 0.2. Raises ValueError for what is not days, hours, minutes and seconds."""
    match = _ISO_8601.fullmatch(str(duration))
    if match is None or not any(match.groups()):
        raise ValueError(f"{duration!r} is not an ISO 8601 duration such as PT0.5S")
    days, hours, minutes, rest = (float(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest


def go_seconds(duration: str) -> float:
    """Of a Service's annotations: 6s, 1m30s, 250ms. Raises ValueError."""
    parts = _GO.findall(duration)
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        raise ValueError(f"{duration!r} is not a duration such as 60s or 1m30s")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)
