"""Any number of sagas at once, with everything that can go wrong, in any order: the laws hold.

SAGA_MODEL_BATCHES=1000 pytest tests/model/test_saga_model.py -s           longer, and other stories each time
SAGA_MODEL_SEED=7 SAGA_MODEL_BATCHES=1 pytest tests/model/test_saga_model.py    one batch again, by its seed

Each batch is a test of its own, so that several workers have them at the same time.
"""

import os
import random
import secrets
import sys
import time
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import HealthCheck, note, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from airline.events import AIRLINE, BY_TYPE
from tests.model import model_laws
from tests.model.customer import WAYS_TO_CANCEL, wish
from tests.model.scenario import Scenario, Unrest
from tests.model.simulation import HOUSEKEEPING, PROVIDER, Mishap, Simulation, Task

BATCHES = int(os.environ.get("SAGA_MODEL_BATCHES", "8"))
LONGER = "SAGA_MODEL_BATCHES" in os.environ
SEED = int(os.environ.get("SAGA_MODEL_SEED", secrets.randbelow(2**32) if LONGER else 0))
"""Of the first batch; the next one has the next."""
BATCH = settings(
    max_examples=10,  # from the eleventh on, five out of six are little changes of another one
    stateful_step_count=60,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)
UNREST = Unrest(slow=0.3, died=0.2, crossed=0.3, canceled=0.05, late=0.02)
AGAIN = 0.3
"""The share of scenarios, of 1, in which every event is repeated after the end."""

ANY = st.integers(0, 999)
"""Which one of those that are there."""
PARTS = [PROVIDER, *HOUSEKEEPING, "flights"]
"""What may be away: the provider, or the database of one service."""
SENDING = st.sampled_from([Mishap.NONE, Mishap.AWAY, Mishap.REFUSED])
WISHES = st.builds(
    wish,
    flight=st.sampled_from([1, 1, 1, 1, 2, 9]),
    seats=st.integers(1, 4),
    method=st.sampled_from(["accept", "slow", "accept", "decline"]),
    customer=st.integers(1, 2),
    day=st.integers(1, 3),
)


class Sagas(RuleBasedStateMachine):
    """What customers, the airline's staff, the broker, time and misfortune do."""

    def __init__(self, scenario: Scenario) -> None:
        super().__init__()
        self.scenario, self.simulation = scenario, scenario.simulation
        scenario.begin()
        self.before = model_laws.statuses(self.simulation)

    @initialize(
        luck=st.integers(0, 2**32),
        flights=st.lists(st.integers(3, 12), min_size=2, max_size=2),
        wanted=st.lists(WISHES, min_size=1, max_size=4),
    )
    def begins(self, luck: int, flights: list[int], wanted: list[dict[str, object]]) -> None:
        self.luck = random.Random(luck)
        for seats in flights:
            self.scenario.add_flight(seats, cost=100)
        for wish_ in wanted:
            self.scenario.book(wish_, Mishap.NONE)

    @rule(what=st.sampled_from(["cost", "seats", "new", "removed"]), which=ANY, number=st.integers(0, 9))
    def the_staff_changes_a_flight(self, what: str, which: int, number: int) -> None:
        match what:
            case "cost":
                self.scenario.change_flight(which, cost=number)
            case "seats":
                self.scenario.change_flight(which, remaining_seats_count=number)
            case "new":
                self.scenario.add_flight(number, cost=1)
            case "removed":
                self.scenario.remove_flight(which)

    @rule(wanted=WISHES, mishap=SENDING)
    def somebody_books(self, wanted: dict[str, object], mishap: Mishap) -> None:
        self.scenario.book(wanted, mishap)

    @precondition(lambda self: self.scenario.orders)
    @rule(which=ANY, mishap=SENDING)
    def somebody_books_again(self, which: int, mishap: Mishap) -> None:
        self.scenario.book_again(which, mishap)

    @precondition(lambda self: self.scenario.customer.known)
    @rule(which=ANY, by=st.sampled_from(WAYS_TO_CANCEL), mishap=SENDING)
    def somebody_cancels(self, which: int, by: str, mishap: Mishap) -> None:
        self.scenario.cancel(which, by, mishap)

    @precondition(lambda self: self.scenario.tasks())
    @rule(which=ANY)
    def any_delivery_is_made(self, which: int) -> None:
        self._does(self._task(which))

    @precondition(lambda self: self.scenario.tasks())
    @rule(which=ANY, how_far=st.integers(1, 6))
    def a_saga_goes_on(self, which: int, how_far: int) -> None:
        reservation = self._task(which).reservation
        for _ in range(how_far):
            if mine := [task for task in self.scenario.tasks() if task.reservation == reservation]:
                self._does(mine[0])

    @precondition(lambda self: self.scenario.tasks())
    @rule()
    def the_latest_delivery_is_made(self) -> None:
        self._does(self._task(-1))

    @precondition(lambda self: self.simulation.pending)
    @rule(how_many=st.integers(1, 9))
    def the_dashboard_hears(self, how_many: int) -> None:
        for found in [found for found in self.simulation.pending if found.module == "projection"][:how_many]:
            self._does(found)

    @precondition(lambda self: self.scenario.rivals())
    @rule(which=ANY, statement=st.integers(0, 3))
    def two_deliveries_cross(self, which: int, statement: int) -> None:
        rivals = self.scenario.rivals()
        one, other = rivals[which % len(rivals)]
        note(f"before statement {statement} there comes {other}")
        with self.simulation.crossings.before(statement, partial(self.simulation.do, other)):
            self._does(one)

    @precondition(lambda self: self.scenario.tasks())
    @rule(which=ANY, mishap=st.sampled_from(Mishap))
    def a_delivery_goes_wrong(self, which: int, mishap: Mishap) -> None:
        with self.simulation.going_wrong(mishap):
            self._does(self._task(which))

    @precondition(lambda self: self.simulation.pending)
    @rule(which=ANY, steps=st.integers(1, 3))
    def a_delivery_is_slow(self, which: int, steps: int) -> None:
        self.scenario.start(which, steps)

    @precondition(lambda self: self.simulation.working)
    @rule(which=ANY, by=st.sampled_from(WAYS_TO_CANCEL))
    def somebody_cancels_what_is_slow(self, which: int, by: str) -> None:
        self.scenario.customer.cancel(self.simulation.working[which % len(self.simulation.working)].about[0], by)

    @precondition(lambda self: self.simulation.working)
    @rule(which=ANY)
    def a_slow_one_dies(self, which: int) -> None:
        self.scenario.die(which)

    @precondition(lambda self: self.simulation.pending)
    @rule(which=ANY)
    def a_delivery_is_doubled(self, which: int) -> None:
        self.scenario.double(which)

    @precondition(lambda self: self.scenario.may_be_given_up())
    @rule(which=ANY, how_many=st.integers(1, 5))
    def deliveries_are_given_up(self, which: int, how_many: int) -> None:
        for found in self.scenario.may_be_given_up()[which % 7 :][:how_many]:
            note(f"given up: {found}")
            self.simulation.give_up(found)

    @rule(part=st.sampled_from(PARTS))
    def something_is_away(self, part: str) -> None:
        self.simulation.away.add(part)

    @precondition(lambda self: self.simulation.away)
    @rule(which=ANY)
    def it_is_back(self, which: int) -> None:
        self.simulation.away.remove(sorted(self.simulation.away)[which % len(self.simulation.away)])

    @precondition(lambda self: self.simulation.said)
    @rule(which=ANY)
    def something_old_is_said_again(self, which: int) -> None:
        self.scenario.replay(which)

    @rule(minutes=st.sampled_from([1, 3, 16]))
    def time_passes(self, minutes: int) -> None:
        self.simulation.later(minutes=minutes)

    @rule(module=st.sampled_from(list(HOUSEKEEPING)), mishap=st.sampled_from(Mishap))
    def housekeeping_comes(self, module: str, mishap: Mishap) -> None:
        with self.simulation.going_wrong(mishap):
            self.simulation.keep_house(module)

    @precondition(lambda self: self.scenario.overdue())
    @rule(which=ANY)
    def what_was_listed_as_overdue_expires(self, which: int) -> None:
        overdue = self.scenario.overdue()
        self._does(overdue[which % len(overdue)])

    @invariant()
    def laws_hold(self) -> None:
        self.scenario.steps += 1
        after = model_laws.statuses(self.simulation)
        model_laws.only_forward(self.before, after)
        model_laws.never_oversold(self.simulation)
        model_laws.money_moves_once(self.simulation)
        model_laws.customers_are_counted(self.simulation)
        self.before = after

    def teardown(self) -> None:
        if sys.exc_info()[0] is not None:
            return
        self.scenario.end(self.luck, self.laws_hold, UNREST)
        model_laws.at_rest(self.simulation, self.scenario.customer.unwanted)
        if self.luck.random() < AGAIN:
            self._the_end_is_the_end()

    def _the_end_is_the_end(self) -> None:
        rest = model_laws.statuses(self.simulation)
        self.scenario.say_everything_again()
        self.scenario.end(self.luck, self.laws_hold, replace(UNREST, canceled=0))
        model_laws.at_rest(self.simulation, self.scenario.customer.unwanted)
        assert model_laws.statuses(self.simulation) == rest

    def _task(self, which: int) -> Task:
        tasks = self.scenario.tasks()
        return tasks[which % len(tasks)]

    def _does(self, task: Task) -> None:
        note(str(task))
        self.simulation.do(task)


@pytest.mark.timeout(0 if LONGER else 1800)  # on two cores that others use as well
def test_the_laws_hold_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = Scenario(Simulation(monkeypatch))
    began, cpu = time.perf_counter(), time.process_time()
    try:
        for number in range(SEED, SEED + BATCHES):
            _batch(scenario, number)
    finally:
        spent = f"{time.perf_counter() - began:.1f} s ({time.process_time() - cpu:.1f} s of CPU)"
        done_by = scenario.simulation
        done = f"{scenario.steps} steps with {done_by.deliveries} deliveries, {done_by.crossings.met} of them crossed"
        figures = f"{done}, in {spent}; said: {dict(scenario.heard)}"
        sys.stdout.write(f"\nseeds {SEED} to {number}: {figures}\n")
    assert LONGER or scenario.steps > 15_000
    assert LONGER or set(scenario.heard) == BY_TYPE.keys() - {AIRLINE.ahead}  # that one asks for nothing


def _batch(scenario: Scenario, number: int) -> None:
    class Batch(Sagas):
        def __init__(self) -> None:
            super().__init__(scenario)

    run_state_machine_as_test(seed(number)(Batch), settings=BATCH)
