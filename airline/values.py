"""What the airline's values are: each alias names a type, and holds the reader that knows its bounds."""

from typing import Annotated

from airline import ids
from choreography.fields import IDENTITY, LARGEST_ID, Reader, integer, one_of, several, text

LARGEST_PARTY = 1_000
LARGEST_CAPACITY = 1_000_000
LARGEST_BATCH = 500
LONGEST_RESERVATION_ID = 12


def _reservation_id(value: object) -> str:
    if not isinstance(value, str) or not ids.is_reservation_id(value):
        raise ValueError(f"must be {ids.LENGTH} characters of Crockford base32")
    return value


RESERVATION_ID = Reader(_reservation_id, {"type": "string", "pattern": ids.PATTERN, "examples": ["7Q2M9XW4TBCK"]})
"""One of ours, where a client must know it; `ReservationId` lets through what an event says."""
SEATS = integer(1, LARGEST_PARTY)
CAPACITY = integer(0, LARGEST_CAPACITY)

ReservationId = Annotated[str, text(1, LONGEST_RESERVATION_ID)]
"""Ours are 12 characters of Crockford base32 (airline/ids.py)."""
ReservationIds = Annotated[tuple[str, ...], several(text(1, LONGEST_RESERVATION_ID), LARGEST_BATCH)]
Ended = Annotated[str, one_of("SUCCEED", "CANCELED")]
"""How a saga ended."""
Number = Annotated[int, IDENTITY]
"""Identity of a flight, customer or payment."""
Seats = Annotated[int, SEATS]
"""Seats of one party."""
Count = Annotated[int, integer(0, LARGEST_ID)]
"""Seats of one flight."""
Money = Annotated[int, integer(0)]
"""Whole units of the one currency."""
