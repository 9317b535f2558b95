"""Dead letters of strangers: anybody can send events, so there is a bound on what is kept of them.

A stranger is whoever is not the airline by the event's source. Of strangers DEAD_LETTERS_FROM_OUTSIDE letters may be
OPEN. Beyond that each function that gives up has one letter for all the others, which counts them and shows the
latest. An event of more than LARGEST characters is kept without its data. Both are DISCARDED from the beginning, with
the reason as their note: nothing can be replayed. A command that was accepted at /events needs no letter, as
reserve remembers it (functions/reserve/accepted_commands.py).
"""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, func, select

import letters
from airline.events import AIRLINE
from airline.settings import settings
from choreography import clock
from choreography.wire import Envelope
from letters import LETTERS

LARGEST = 256 * 1024
"""Characters of attributes, data and reason as JSON; what /events takes, 64 KiB, has less."""
LONGEST_REASON = 4 * 1024
SHOWN = (
    *("specversion", "id", "source", "type", "time", "subject", "datacontenttype"),
    *("knativeerrordest", "knativeerrorcode"),
)
"""Attributes that are kept, shortened, of an event that is too large."""


def is_stranger(envelope: Envelope) -> bool:
    """Whether the event is not the airline's own."""
    return not envelope.source.startswith(AIRLINE.sources)


def bounded(identity: str, row: Mapping[str, Any], transaction: Connection) -> tuple[str, dict[str, Any]]:
    """The id under which a stranger's letter is kept, and how much of it."""
    kept = {**row, "reason": row["reason"][:LONGEST_REASON], "outside": True}
    size = len(row["attributes"]) + len(row["data"])
    if size > LARGEST:
        shown = {name: str(value)[: letters.LONGEST] for name, value in json.loads(row["attributes"]).items()}
        attributes = json.dumps({name: shown[name] for name in SHOWN if name in shown})
        note = f"From outside and too large to be kept: {size} characters."
        kept |= {"attributes": attributes, "data": "null", "in_base64": False, **_discarded(note)}
    limit = settings().dead_letters_from_outside
    if _is_there(identity, transaction) or _open(transaction, limit) < limit:
        return identity, kept
    note = f"Represents all beyond {limit} open letters from outside, and shows the latest."
    return letters.digest("beyond the bound", row["destination"]), kept | _discarded(note)


def _discarded(note: str) -> dict[str, Any]:
    return {"status": "DISCARDED", "note": note, "decided_at": clock.now()}


def _is_there(identity: str, transaction: Connection) -> bool:
    return transaction.execute(select(LETTERS.c.id).where(LETTERS.c.id == identity)).one_or_none() is not None


def _open(transaction: Connection, limit: int) -> int:
    theirs = select(LETTERS.c.status).where(LETTERS.c.outside.is_(True), LETTERS.c.status == "OPEN").limit(limit)
    return int(transaction.execute(select(func.count()).select_from(theirs.subquery())).scalar_one())
