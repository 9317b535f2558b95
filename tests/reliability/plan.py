"""What a run is going to do, drawn from its seed: who orders what, when they cancel it, what is struck when."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

FUNCTIONS = {
    "reserve": 4,
    "reserve-commands": 1,
    "place-reservation": 2,
    "cancel-reservation": 3,
    "confirm-reservation": 3,
    "reserve-housekeeping": 1,
    "decrease-seats": 4,
    "restore-seats": 2,
    "charge-payment": 5,
    "refund-payment": 3,
    "payment-housekeeping": 1,
    "project-dashboard": 3,
    "dead-letters": 1,
}
"""How likely each of them is killed, compared to the others."""
PROVIDER = "payment-provider"
"""The payment provider, where it is a server of its own."""


@dataclass(frozen=True)
class Cancel:
    """after: seconds since the reservation was acknowledged; road: DELETE, PATCH or event."""

    after: float
    road: str


@dataclass(frozen=True)
class Order:
    """road: POST (with Idempotency-Key), POST once (without, never repeated) or event; hasty: goes away, asks again."""

    key: str
    road: str
    hasty: bool
    customer: int
    flight: int  # counted from 0 in the order of the run's flights
    seats: int
    day: str
    method: str
    cancels: tuple[Cancel, ...]


@dataclass(frozen=True)
class Strike:
    """after: reservations that have had their say; what: a function, or one of the other names in strikes.py."""

    after: int
    what: str
    how: str = "killed"
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.after}: {self.what} {self.how}{f' {self.seconds:.1f} s' if self.seconds else ''}"


def orders(seed: int, count: int, flights: int) -> Iterator[Order]:
    """`count` reservations; about every fourth is canceled by its customer."""
    dice = Random(f"wishes {seed}")  # a known seed still draws the same
    for number in range(count):
        yield Order(
            key=f"{seed}-{number}",
            road=dice.choices(("POST", "POST once", "event"), (70, 10, 20))[0],
            hasty=dice.random() < 0.03,
            customer=dice.randint(1, max(2, count // 8)),
            flight=min(dice.randrange(flights), dice.randrange(flights)),  # some are wanted more than others
            seats=dice.choices((1, 2, 3, 4, 9), (45, 30, 12, 10, 3))[0],
            day=f"2027-{dice.randint(1, 12):02}-{dice.randint(1, 28):02}",
            method=dice.choices(("accept", "decline", "slow"), (90, 8.5, 1.5))[0],
            cancels=tuple(_cancels(dice)),
        )


def _cancels(dice: Random) -> Iterator[Cancel]:
    if dice.random() < 0.25:
        for _ in range(dice.choice((1, 1, 2))):
            yield Cancel(min(dice.expovariate(1.0), 8.0), dice.choice(("DELETE", "PATCH", "event")))


def strikes(seed: int, reservations: int, kills: int, broker_away: float, database_away: float) -> Sequence[Strike]:
    """This many kills all over the run, and in its middle a broker and a database that are away."""
    dice = Random(f"strikes {seed}")
    names = {"broker": max(2, kills // 10), "gateway": max(1, kills // 25)}
    names |= {"provider's call": max(1, kills // 12), "supervisor": max(1, kills // 40)}
    victims = list(Counter(names).elements())[:kills]
    victims += dice.choices(list(FUNCTIONS), list(FUNCTIONS.values()), k=kills - len(victims))
    drawn = [_kill(dice, what, reservations) for what in victims]
    if broker_away:
        drawn.append(Strike(reservations // 3, "broker", "away", broker_away))
    if database_away:
        database = dice.choice(("reserve", "flight-seats", "payment", "dashboard-projector"))
        drawn.append(Strike(reservations * 2 // 3, f"database {database}", "away", database_away))
    return sorted(drawn, key=lambda strike: strike.after)


def strikes_at_the_provider(seed: int, reservations: int, kills: int) -> Sequence[Strike]:
    """One for every eight of the others; each hits the provider in the middle of a charge."""
    dice = Random(f"provider {seed}")
    return [Strike(dice.randint(reservations // 30, reservations), PROVIDER) for _ in range(max(1, kills // 8))]


def _kill(dice: Random, what: str, reservations: int) -> Strike:
    after = dice.randint(reservations // 30, reservations)
    if what == "supervisor":
        return Strike(after, what, "alone, restarted after", dice.uniform(0.1, 3.0))
    return Strike(after, what)
