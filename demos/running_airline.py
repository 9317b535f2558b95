"""Where the airline runs that a demo is about."""

from collections.abc import Callable
from dataclasses import dataclass

from client import gateway, token_file
from client.gateway import Airline
from demos.instances import Instance
from demos.watching import Watch


@dataclass(frozen=True)
class RunningAirline:
    """A running airline: the address of its gateway (`host`: the name to ask for there, where no DNS knows it), the
    functions that fall asleep, and how to see the instances, every `pause` seconds."""

    name: str
    url: str
    host: str | None
    sleepers: frozenset[str]
    look: Callable[[], list[Instance]]
    pause: float

    def connect(self) -> Airline:
        """A connection of its own, one for each thread; it shows the token of `airline login`, or AIRLINE_TOKEN."""
        return token_file.show(gateway.connect(self.url, self.host))

    def watch(self) -> Watch:
        """To be opened by `with`."""
        return Watch(self.look, self.pause)
