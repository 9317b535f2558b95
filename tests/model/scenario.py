"""One scenario of many sagas: what can be done at a moment, picked by a number, and how it comes to rest."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from itertools import permutations
from random import Random
from typing import Any

import flights
from choreography import clock
from choreography.errors import Conflict
from tests.model.customer import WAYS_TO_CANCEL, Customer
from tests.model.model_laws import commands_owed, owed
from tests.model.simulation import HOUSEKEEPING, Delivery, Expiry, Handling, Mishap, Simulation, Task

ROUNDS = 20
"""Of deliveries and housekeeping, each 20 minutes: after this many, everything must be at rest."""
RESTLESS = 4


@dataclass(frozen=True)
class Unrest:
    """How often, while all is being delivered, each of these happens; from 0 to 1."""

    slow: float = 0
    died: float = 0
    crossed: float = 0
    canceled: float = 0
    late: float = 0


class Scenario:
    """A simulation and the customers in it, from the first flight to the rest at the end."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.steps = 0
        self.heard: Counter[str] = Counter()
        self.begin()

    def begin(self) -> None:
        """Another scenario."""
        self.heard.update(event["type"] for event in self.simulation.said.values())
        self.simulation.begin()
        self.customer = Customer(self.simulation)
        self.orders: list[Mapping[str, Any]] = []

    def add_flight(self, seats: int, cost: int) -> None:
        values = {"flight_code": "ACE890", "takeoff_date": date(2027, 1, 1), "cost": cost}
        self.simulation.seats.run(flights.add_flight, values | {"remaining_seats_count": seats})

    def change_flight(self, which: int, **values: int) -> None:
        if number := self._flight(which):
            self.simulation.seats.run(flights.change_flight, number, values)

    def remove_flight(self, which: int) -> None:
        if number := self._flight(which):
            try:
                self.simulation.seats.run(flights.remove_flight, number)
            except Conflict:
                assert self.simulation.seats.read(f"SELECT 1 FROM holds WHERE status = 'HELD' AND flight_id = {number}")

    def book(self, wish: Mapping[str, Any], mishap: Mishap) -> None:
        self.orders.append(wish)
        self.book_again(len(self.orders) - 1, mishap)

    def book_again(self, which: int, mishap: Mishap) -> None:
        number = which % len(self.orders)
        with self.simulation.going_wrong(mishap):
            self.customer.order(number, **self.orders[number])

    def cancel(self, which: int, by: str, mishap: Mishap) -> None:
        with self.simulation.going_wrong(mishap):
            self.customer.cancel(self.customer.known[which % len(self.customer.known)], by)

    def tasks(self) -> list[Task]:
        """What may be done next for a saga: a delivery that is pending, or the rest of one that is slow."""
        return [*self.simulation.working, *(found for found in self.simulation.pending if found.module != "projection")]

    def rivals(self) -> list[tuple[Task, Task]]:
        """Any two events of the same reservation that a service may get at the same time, in both orders."""
        by_service: dict[tuple[str, str], list[Task]] = {}
        for task in [*self.tasks(), *self.overdue()]:
            for reservation in task.about:
                by_service.setdefault((task.module, reservation), []).append(task)
        return [pair for tasks in by_service.values() for pair in permutations(tasks, 2)]

    def overdue(self) -> list[Expiry]:
        """Reservations past their time; when they were listed they were PENDING."""
        late = clock.text(self.simulation.now).replace("T", " ").replace("Z", "000")
        return [
            Expiry(key)
            for (key,) in self.simulation.reserve_service.read(
                f"SELECT id FROM reservations WHERE expires_at < '{late}'"
            )
        ]

    def start(self, which: int, steps: int) -> None:
        """A process begins with a delivery, and is slow."""
        fresh = [found for found in self.tasks() if isinstance(found, Delivery)]
        if fresh:
            self.simulation.go_on(self.simulation.start(fresh[which % len(fresh)]), steps)

    def die(self, which: int) -> None:
        self.simulation.working.pop(which % len(self.simulation.working))

    def double(self, which: int) -> None:
        found = self.simulation.pending[which % len(self.simulation.pending)]
        self.simulation.pending.append(replace(found))

    def may_be_given_up(self) -> list[Delivery]:
        """Everything that is not being worked on."""
        at_work = [handling.delivery for handling in self.simulation.working]
        return [found for found in self.simulation.pending if found not in at_work]

    def give_up(self, which: int) -> None:
        """The broker gives up a delivery, and the dead letter is never replayed."""
        candidates = self.may_be_given_up()
        self.simulation.give_up(candidates[which % len(candidates)])

    def replay(self, which: int) -> None:
        events = list(self.simulation.said.values())
        self.simulation.publish(events[which % len(events)])

    def end(self, luck: Random, look: Callable[[], None], unrest: Unrest) -> None:
        """Everything is back. Deliveries, in any order, and housekeeping, until there is nothing left to do.

        After RESTLESS rounds nothing goes wrong any more.
        """
        self.simulation.away.clear()
        for number in range(ROUNDS):
            self._deliver_all(luck, look, unrest if number < RESTLESS else Unrest())
            self.simulation.later(minutes=20)
            for module in HOUSEKEEPING:
                self.simulation.keep_house(module)
            look()
            if not self.simulation.pending and not owed(self.simulation) and not commands_owed(self.simulation):
                break

    def _deliver_all(self, luck: Random, look: Callable[[], None], unrest: Unrest) -> None:
        before: list[Task] = []
        # what is left by a pass and was left by the one before is refused; only housekeeping can help
        while (todo := self._todo()) != before:
            before = list(todo)
            luck.shuffle(todo)
            for task in todo:
                if task in self.simulation.working or task in self.simulation.pending:
                    self._go_on_somehow(task, luck, unrest)
                self._be_disturbed(luck, unrest)
                look()

    def _todo(self) -> list[Task]:
        at_work = [handling.delivery for handling in self.simulation.working]
        return [*self.simulation.working, *(found for found in self.simulation.pending if found not in at_work)]

    def _go_on_somehow(self, task: Task, luck: Random, unrest: Unrest) -> None:
        slow, died, crossed = (luck.random() < often for often in (unrest.slow, unrest.died, unrest.crossed))
        if isinstance(task, Delivery) and slow:
            self.simulation.go_on(self.simulation.start(task), luck.randint(1, 2))
        elif isinstance(task, Handling) and died:
            self.simulation.working.remove(task)
            if task.delivery in self.may_be_given_up():
                self.simulation.give_up(task.delivery)
        elif crossed and (pairs := [pair for pair in self.rivals() if task in pair]):
            one, other = luck.choice(pairs)
            with self.simulation.crossings.before(luck.randrange(3), partial(self.simulation.do, other)):
                self.simulation.do(one)
        else:
            self.simulation.do(task)

    def _be_disturbed(self, luck: Random, unrest: Unrest) -> None:
        if luck.random() < unrest.late:
            self.simulation.later(minutes=16)
        # the worst moment to cancel is while somebody is at work on it
        known = [one for at_work in self.simulation.working for one in at_work.about] or self.customer.known
        if luck.random() < unrest.canceled and known:
            self.customer.cancel(luck.choice(known), luck.choice(WAYS_TO_CANCEL))

    def say_everything_again(self) -> None:
        for event in list(self.simulation.said.values()):
            self.simulation.publish(event)

    def _flight(self, which: int) -> int:
        numbers = [number for (number,) in self.simulation.seats.read("SELECT id FROM flights ORDER BY id")]
        return numbers[which % len(numbers)] if numbers else 0
