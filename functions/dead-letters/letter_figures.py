"""The figures of dead letters for Prometheus, whenever one comes and when sagas are settled."""

from collections.abc import Iterable

from sqlalchemy import Connection, func, select

from choreography import figures
from choreography.figures import Figure
from letters import LETTERS

MOST = 1000
"""No more are counted: it is done whenever a letter comes, and a flood must not make each one slower than the last."""


def look(connection: Connection) -> Iterable[Figure]:
    """How many are open, and how long the oldest has been."""
    is_open = LETTERS.c.status == "OPEN"
    some = select(LETTERS.c.id).where(is_open).limit(MOST).subquery()
    number = connection.execute(select(func.count()).select_from(some)).scalar_one()
    first = select(LETTERS.c.last_at).where(is_open).order_by(LETTERS.c.last_at).limit(1)
    oldest = connection.execute(first).scalar_one_or_none()
    about = f"Events that could not be processed, and nobody decided on; {MOST}: that many or more."
    yield Figure("airline_dead_letters_open", about, number)
    yield Figure("airline_dead_letter_oldest_seconds", "How long the oldest of them is one.", figures.age(oldest))
