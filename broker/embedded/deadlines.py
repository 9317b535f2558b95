"""One timer of the loop for everybody who waits for something that nearly always comes in time.

A timer of their own for each of eight deliveries was a sixteenth of what a saga takes of the broker.
"""

import asyncio
import math
from collections.abc import Callable
from functools import lru_cache


class Deadlines:
    """All on the thread of the loop; moments are those of its clock, in seconds."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._moments: dict[Callable[[], None], float] = {}
        self._next = math.inf  # when the timer is due
        self._timer: asyncio.TimerHandle | None = None

    def add(self, late: Callable[[], None], moment: float) -> None:
        """`late` is called then, unless it is removed before."""
        self._moments[late] = moment
        if moment < self._next:
            self._set_timer(moment)

    def remove(self, late: Callable[[], None]) -> None:
        """It came in time, or it was late."""
        self._moments.pop(late, None)  # the timer stays: it finds nothing, or has others to wait for

    def _set_timer(self, moment: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next, self._timer = moment, self._loop.call_at(moment, self._tell)

    def _tell(self) -> None:
        self._next, self._timer, now = math.inf, None, self._loop.time()
        for late in [late for late, moment in self._moments.items() if moment <= now]:
            del self._moments[late]
            late()
        if self._moments:
            self._set_timer(min(self._moments.values()))


@lru_cache(maxsize=1)  # a process has one loop at a time
def deadlines(loop: asyncio.AbstractEventLoop) -> Deadlines:
    """Those of this loop."""
    return Deadlines(loop)
