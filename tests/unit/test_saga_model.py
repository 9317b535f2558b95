"""Any number of sagas at once, with everything that can go wrong, in any order: the laws hold.

SAGA_MODEL_BATCHES=1000 pytest tests/unit/test_saga_model.py -s           longer, and other stories each time
SAGA_MODEL_SEED=7 SAGA_MODEL_BATCHES=1 pytest tests/unit/test_saga_model.py    one batch again, by its seed
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

from airline.events import BY_TYPE
from tests.unit import laws
from tests.unit.customer import WAYS_TO_CANCEL, wish
from tests.unit.story import Story, Unrest
from tests.unit.world import HOUSEKEEPING, PROVIDER, Mishap, Task, World

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
"""So many stories are told again from the beginning after their end."""

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

    def __init__(self, story: Story) -> None:
        super().__init__()
        self.story, self.world = story, story.world
        story.begin()
        self.before = laws.statuses(self.world)

    @initialize(
        luck=st.integers(0, 2**32),
        flights=st.lists(st.integers(3, 12), min_size=2, max_size=2),
        wanted=st.lists(WISHES, min_size=1, max_size=4),
    )
    def begins(self, luck: int, flights: list[int], wanted: list[dict[str, object]]) -> None:
        self.luck = random.Random(luck)
        for seats in flights:
            self.story.add_flight(seats, cost=100)
        for wish_ in wanted:
            self.story.book(wish_, Mishap.NONE)

    @rule(what=st.sampled_from(["cost", "seats", "new", "removed"]), which=ANY, number=st.integers(0, 9))
    def the_staff_changes_a_flight(self, what: str, which: int, number: int) -> None:
        match what:
            case "cost":
                self.story.change_flight(which, cost=number)
            case "seats":
                self.story.change_flight(which, remaining_seats_count=number)
            case "new":
                self.story.add_flight(number, cost=1)
            case "removed":
                self.story.remove_flight(which)

    @rule(wanted=WISHES, mishap=SENDING)
    def somebody_books(self, wanted: dict[str, object], mishap: Mishap) -> None:
        self.story.book(wanted, mishap)

    @precondition(lambda self: self.story.orders)
    @rule(which=ANY, mishap=SENDING)
    def somebody_books_again(self, which: int, mishap: Mishap) -> None:
        self.story.book_again(which, mishap)

    @precondition(lambda self: self.story.customer.known)
    @rule(which=ANY, by=st.sampled_from(WAYS_TO_CANCEL), mishap=SENDING)
    def somebody_cancels(self, which: int, by: str, mishap: Mishap) -> None:
        self.story.cancel(which, by, mishap)

    @precondition(lambda self: self.story.tasks())
    @rule(which=ANY)
    def any_delivery_is_made(self, which: int) -> None:
        self._does(self._task(which))

    @precondition(lambda self: self.story.tasks())
    @rule(which=ANY, how_far=st.integers(1, 6))
    def a_saga_goes_on(self, which: int, how_far: int) -> None:
        reservation = self._task(which).reservation
        for _ in range(how_far):
            if mine := [task for task in self.story.tasks() if task.reservation == reservation]:
                self._does(mine[0])

    @precondition(lambda self: self.story.tasks())
    @rule()
    def the_latest_delivery_is_made(self) -> None:
        self._does(self._task(-1))

    @precondition(lambda self: self.world.pending)
    @rule(how_many=st.integers(1, 9))
    def the_dashboard_hears(self, how_many: int) -> None:
        for found in [found for found in self.world.pending if found.module == "projection"][:how_many]:
            self._does(found)

    @precondition(lambda self: self.story.rivals())
    @rule(which=ANY, statement=st.integers(0, 3))
    def two_deliveries_cross(self, which: int, statement: int) -> None:
        rivals = self.story.rivals()
        one, other = rivals[which % len(rivals)]
        note(f"before statement {statement} there comes {other}")
        with self.world.crossings.before(statement, partial(self.world.do, other)):
            self._does(one)

    @precondition(lambda self: self.story.tasks())
    @rule(which=ANY, mishap=st.sampled_from(Mishap))
    def a_delivery_goes_wrong(self, which: int, mishap: Mishap) -> None:
        with self.world.going_wrong(mishap):
            self._does(self._task(which))

    @precondition(lambda self: self.world.pending)
    @rule(which=ANY, steps=st.integers(1, 3))
    def a_delivery_is_slow(self, which: int, steps: int) -> None:
        self.story.start(which, steps)

    @precondition(lambda self: self.world.working)
    @rule(which=ANY, by=st.sampled_from(WAYS_TO_CANCEL))
    def somebody_cancels_what_is_slow(self, which: int, by: str) -> None:
        self.story.customer.cancel(self.world.working[which % len(self.world.working)].about[0], by)

    @precondition(lambda self: self.world.working)
    @rule(which=ANY)
    def a_slow_one_dies(self, which: int) -> None:
        self.story.die(which)

    @precondition(lambda self: self.world.pending)
    @rule(which=ANY)
    def a_delivery_is_doubled(self, which: int) -> None:
        self.story.double(which)

    @precondition(lambda self: self.story.may_be_given_up())
    @rule(which=ANY, how_many=st.integers(1, 5))
    def deliveries_are_given_up(self, which: int, how_many: int) -> None:
        for found in self.story.may_be_given_up()[which % 7 :][:how_many]:
            note(f"given up: {found}")
            self.world.give_up(found)

    @rule(part=st.sampled_from(PARTS))
    def something_is_away(self, part: str) -> None:
        self.world.away.add(part)

    @precondition(lambda self: self.world.away)
    @rule(which=ANY)
    def it_is_back(self, which: int) -> None:
        self.world.away.remove(sorted(self.world.away)[which % len(self.world.away)])

    @precondition(lambda self: self.world.said)
    @rule(which=ANY)
    def something_old_is_said_again(self, which: int) -> None:
        self.story.replay(which)

    @rule(minutes=st.sampled_from([1, 3, 16]))
    def time_passes(self, minutes: int) -> None:
        self.world.later(minutes=minutes)

    @rule(module=st.sampled_from(list(HOUSEKEEPING)), mishap=st.sampled_from(Mishap))
    def housekeeping_comes(self, module: str, mishap: Mishap) -> None:
        with self.world.going_wrong(mishap):
            self.world.keep_house(module)

    @precondition(lambda self: self.story.overdue())
    @rule(which=ANY)
    def what_was_listed_as_overdue_expires(self, which: int) -> None:
        overdue = self.story.overdue()
        self._does(overdue[which % len(overdue)])

    @invariant()
    def laws_hold(self) -> None:
        self.story.steps += 1
        after = laws.statuses(self.world)
        laws.only_forward(self.before, after)
        laws.never_oversold(self.world)
        laws.money_moves_once(self.world)
        self.before = after

    def teardown(self) -> None:
        if sys.exc_info()[0] is not None:
            return
        self.story.end(self.luck, self.laws_hold, UNREST)
        laws.at_rest(self.world, self.story.customer.unwanted)
        if self.luck.random() < AGAIN:
            self._the_end_is_the_end()

    def _the_end_is_the_end(self) -> None:
        rest = laws.statuses(self.world)
        self.story.say_everything_again()
        self.story.end(self.luck, self.laws_hold, replace(UNREST, canceled=0))
        laws.at_rest(self.world, self.story.customer.unwanted)
        assert laws.statuses(self.world) == rest

    def _task(self, which: int) -> Task:
        tasks = self.story.tasks()
        return tasks[which % len(tasks)]

    def _does(self, task: Task) -> None:
        note(str(task))
        self.world.do(task)


@pytest.mark.timeout(0 if LONGER else 1800)  # on two cores that others use as well
def test_the_laws_hold_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    story = Story(World(monkeypatch))
    began, cpu = time.perf_counter(), time.process_time()
    try:
        for number in range(SEED, SEED + BATCHES):
            _batch(story, number)
    finally:
        spent = f"{time.perf_counter() - began:.1f} s ({time.process_time() - cpu:.1f} s of CPU)"
        done = (
            f"{story.steps} steps with {story.world.deliveries} deliveries, {story.world.crossings.met} of them crossed"
        )
        figures = f"{done}, in {spent}; said: {dict(story.heard)}"
        sys.stdout.write(f"\nseeds {SEED} to {number}: {figures}\n")
    assert LONGER or story.steps > 15_000
    assert LONGER or set(story.heard) == set(BY_TYPE)


def _batch(story: Story, number: int) -> None:
    class Told(Sagas):
        def __init__(self) -> None:
            super().__init__(story)

    run_state_machine_as_test(seed(number)(Told), settings=BATCH)
