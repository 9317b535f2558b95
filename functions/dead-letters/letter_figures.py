"""What Prometheus is told of dead letters, whenever one comes and when sagas are settled."""

from collections.abc import Iterable

from sqlalchemy import Connection, func, select

from choreography import figures
from choreography.figures import Figure
from letters import LETTERS


def look(connection: Connection) -> Iterable[Figure]:
    """How many are open, and how long the oldest has been."""
    query = select(func.count(), func.min(LETTERS.c.last_at)).where(LETTERS.c.status == "OPEN")
    number, oldest = connection.execute(query).one()
    yield Figure("airline_dead_letters_open", "Events that could not be processed, and nobody decided on.", number)
    yield Figure("airline_dead_letter_oldest_seconds", "How long the oldest of them is one.", figures.age(oldest))
