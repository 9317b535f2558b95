"""The instances of the functions: processes on a laptop, pods on a cluster."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

State = Literal["starting", "ready", "leaving"]


@dataclass(frozen=True)
class Instance:
    """One copy of a function. `started_in`: seconds from its beginning to its first readiness, None before that.

    `began`: seconds since 1970, by the clock of where it runs.
    """

    function: str
    name: str
    state: State
    started_in: float | None = None
    began: float | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Sample:
    """All instances at one moment; `at` is seconds since the watch began."""

    at: float
    instances: tuple[Instance, ...]

    def count(self, function: str, state: State) -> int:
        """How many instances of a function are in a state."""
        return sum((found.function, found.state) == (function, state) for found in self.instances)

    def awake(self, functions: Iterable[str]) -> set[str]:
        """Those functions that have an instance, or get one; one that is leaving takes no calls any more."""
        staying = {found.function for found in self.instances if found.state != "leaving"}
        return staying & {*functions}
