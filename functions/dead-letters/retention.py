"""What was decided is removed after DEAD_LETTER_DAYS; what is OPEN never is.

There is no schedule for it: whenever a letter is kept, decided or settled, some old ones go. What is remembered of
settled sagas goes in the same way, or there would be a row of every reservation for ever.
"""

from sqlalchemy import Connection

import settled_letters
from airline.settings import settings
from choreography import clock, store
from choreography.logs import log
from letters import LETTERS, SETTLED_SAGAS

AT_ONCE = 500
"""Rows of each table in one call: as many as one SagasSettled may add, so that the tables do not grow for ever."""


def prune() -> None:
    """Removes some of what is too old. It comes after the answer is made, so whatever goes wrong is only logged."""
    try:
        store.commit(_prune_some)
    except Exception as error:
        log.warning("old dead letters stay for now: %s", error)


def _prune_some(transaction: Connection) -> None:
    days = settings().dead_letter_days
    if days is not None:
        decided_long_ago = LETTERS.c.decided_at < clock.now() - days  # of an OPEN one it is null
        store.remove_some(transaction, LETTERS, AT_ONCE, decided_long_ago)
    settled_long_ago = SETTLED_SAGAS.c.settled_at < clock.now() - settled_letters.KEPT
    store.remove_some(transaction, SETTLED_SAGAS, AT_ONCE, settled_long_ago)
