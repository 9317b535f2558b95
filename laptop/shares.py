"""How a busy machine gives out its processor: as Kubernetes does, in proportion to what the containers request.

Kubernetes turns the request into the weight of the container's control group. Here it becomes the niceness of the
process: one step is a factor of about 1.25 (sched(7)). Who requests most has 0, because less than that needs root.
"""

import math
from collections.abc import Iterable

_STEP, _MOST = 1.25, 19


def niceness(requested: float | None, by_all: Iterable[float | None]) -> int:
    """Of a function that requests that many cores, beside all functions; 0 for one that requests nothing."""
    most = max((share for share in by_all if share), default=0.0)
    if not requested or not most:
        return 0
    return min(_MOST, round(math.log(most / requested, _STEP)))
