"""What a run did, in numbers, from its databases and logs."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from tests.reliability.restartable_laptop import RestartableLaptop

_HIT = re.compile(r"broker\.embedded\.disturbance (twice|late|lost)\b")
_QUERIES = {
    "reservations": (
        "reserve",
        """SELECT status || iif(reason IS NULL, '', ': ' || CASE WHEN reason LIKE 'not enough seats%'
        THEN 'not enough seats left' ELSE reason END), count(*) FROM reservations GROUP BY 1 ORDER BY 2 DESC""",
    ),
    "holds": ("flight-seats", "SELECT status, count(*) FROM holds GROUP BY 1 ORDER BY 2 DESC"),
    "payments": ("payment", "SELECT status, count(*) FROM payments GROUP BY 1 ORDER BY 2 DESC"),
    "refunded because": (
        "payment",
        "SELECT reason, count(*) FROM payments WHERE status = 'REFUNDED' GROUP BY 1 ORDER BY 2 DESC",
    ),
    "provider's ledger": (
        "provider",
        "SELECT kind || iif(accepted, '', ' declined'), count(*) FROM ledger GROUP BY 1 ORDER BY 2 DESC",
    ),
    "different events": ("dashboard-projector", "SELECT type, count(*) FROM events GROUP BY 1 ORDER BY 2 DESC"),
}


def of_databases(laptop: RestartableLaptop) -> Iterator[str]:
    """A line for each kind of row."""
    for title, (database, query) in _QUERIES.items():
        yield line(title, dict(laptop.query(database, query)))


def disturbances(laptop: RestartableLaptop) -> Counter[str]:
    """How many deliveries were hit by the broker's --disturb, from its log."""
    logs = sorted((laptop.data / "logs").glob("broker.log*"))
    return Counter(found[1] for log in logs for found in _HIT.finditer(log.read_text("utf-8", "replace")))


def line(title: str, counts: Mapping[str, int]) -> str:
    """`title  3 of this, 4 of that`."""
    return f"{title:<20} " + (", ".join(f"{count} {what}" for what, count in counts.items()) or "none")
