"""How often one client may ask: RATE_LIMIT requests in a minute, off by default.

Each process counts for itself, in memory: it costs no write, and after a sleep it has forgotten. So a client that
reaches several instances of a function gets as much from each. What is left of a minute refills steadily, so a burst
after a pause is let through.
"""

import threading
from collections import OrderedDict
from math import ceil
from time import monotonic
from typing import TYPE_CHECKING

from choreography.errors import TooMany
from choreography.settings import settings

if TYPE_CHECKING:
    from flask import Request

MOST_CLIENTS = 10_000
"""If there are more, those that were silent the longest are forgotten."""
MINUTE = 60.0

_lock = threading.Lock()
_left: OrderedDict[str, tuple[float, float]] = OrderedDict()
"""By client: how many requests it had left, and when."""


def address(request: "Request") -> str:
    """A client without a token. The gateway says which address it has; a client's own header does not reach here."""
    return request.headers.get("X-Client-Address") or request.remote_addr or ""


def spend(client: str) -> None:
    """Counts one request. Raises TooMany."""
    limit = settings().rate_limit
    if not limit:
        return
    now = monotonic()
    with _lock:
        had, since = _left.pop(client, (float(limit), now))
        left = min(float(limit), had + (now - since) * limit / MINUTE)
        _left[client] = (left - 1 if left >= 1 else left, now)
        if len(_left) > MOST_CLIENTS:
            _left.popitem(last=False)
    if left < 1:
        seconds = max(1, ceil((1 - left) * MINUTE / limit))
        raise TooMany(f"More than {limit} requests in a minute; ask again in {seconds} s.", seconds)
