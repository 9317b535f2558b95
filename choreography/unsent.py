"""What waits in the outbox of a service, as a route shows it. Policies do not load what only routes import."""

from choreography import clock, fields, store
from choreography.backlog import COUNT_AND_OLDEST
from choreography.contract import Shown

VALUES = {
    "unsent": Shown(fields.integer(0)),
    "oldest": Shown(fields.instant, about="Since when the oldest of them waits.", nullable=True),
}
"""What `count` answers, for the contract of the route."""


def count() -> dict[str, int | str | None]:
    """How many events wait to be sent, and since when the oldest does, as JSON has it."""
    with store.reading() as connection:
        waiting, oldest = connection.execute(COUNT_AND_OLDEST).one()
    return {"unsent": waiting, "oldest": oldest and clock.text(oldest)}
