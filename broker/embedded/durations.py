"""ISO 8601 durations, as delivery settings use them."""

import re

_DURATION = re.compile(
    r"P(?:(?P<days>\d+(?:\.\d+)?)D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d+(?:\.\d+)?)H)?(?:(?P<minutes>\d+(?:\.\d+)?)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)


def seconds(duration: str) -> float:
    """PT0.2S -> 0.2. Raises ValueError for what is no duration of days, hours, minutes and seconds."""
    match = _DURATION.fullmatch(str(duration))
    if match is None or not any(match.groups()):
        raise ValueError(f"{duration!r} is no ISO 8601 duration such as PT0.5S")
    days, hours, minutes, rest = (float(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest
