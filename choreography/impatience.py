"""psycopg waits for a server as long as it takes; a frozen one would hold a function for ever.

The limits of PostgreSQL do not help against that, as it is the server that keeps them, nor those of TCP, as the kernel
of a frozen server acknowledges what it gets.
"""

from typing import Any

import psycopg
from psycopg import errors

from choreography.connections import ANSWER_SECONDS

LOOK_EVERY = 0.1
"""Seconds after which psycopg looks whether it was interrupted."""


class Connection(psycopg.Connection[Any]):
    """A connection that gives up when the server has sent nothing for ANSWER_SECONDS."""

    def wait(self, gen: Any, interval: float = LOOK_EVERY, timeout: float | None = None) -> Any:
        """Raises OperationalError, and is closed then: an answer that comes later would be taken for the next one's."""
        try:
            return super().wait(gen, interval, timeout or ANSWER_SECONDS)
        except errors._WaitTimeout as error:
            self.close()
            raise psycopg.OperationalError(f"the server has not answered for {ANSWER_SECONDS} s") from error
