"""A tick does what it can in its time: no row or duty keeps the others from their turn, and the next tick goes on."""

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

import owed
import payments
import reservations
import settlement
from choreography import housekeeping, outbox
from choreography.errors import BrokerAway, TryAgain
from testbed.project import of_kind
from tests.model import model_laws
from tests.model.simulation import Mishap, Simulation
from tests.model.test_saga_crossings import AirlineWithOneFlight


@pytest.fixture
def airline(monkeypatch: pytest.MonkeyPatch) -> AirlineWithOneFlight:
    return AirlineWithOneFlight(Simulation(monkeypatch))


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], float]:
    """Lets seconds pass on the clock of housekeeping, and tells the time."""
    now = [time.monotonic()]
    monkeypatch.setattr(housekeeping, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def passes(seconds: float) -> float:
        now[0] += seconds
        return now[0]

    return passes


def test_every_duty_gets_an_equal_share_of_the_time_that_is_left(watch: Callable[[float], float]) -> None:
    shares: list[float] = []

    def takes(seconds: float) -> housekeeping.Duty:
        def duty(until: float) -> int:
            shares.append(round(until - watch(0), 3))
            watch(seconds)
            return 1

        return duty

    housekeeping.keep(quick=takes(0), whole_share=takes(housekeeping.SECONDS / 2), last=takes(1))
    assert shares[:3] == [housekeeping.SECONDS / 3, housekeeping.SECONDS / 2, housekeeping.SECONDS / 2]


def test_what_later_duties_leave_of_a_tick_goes_to_those_that_were_stopped_by_their_share(
    watch: Callable[[float], float],
) -> None:
    backlog, turns = list(range(100)), []

    def catches_up(until: float) -> int:
        turns.append("catches up")
        before = len(backlog)
        while backlog and watch(0) < until:
            backlog.pop()
            watch(1)
        return before - len(backlog)

    def quick(_: float) -> int:
        turns.append("quick")
        return 0

    housekeeping.keep(first=quick, owed=catches_up, second=quick, third=quick, fourth=quick)
    assert len(backlog) == 100 - housekeeping.SECONDS
    assert turns == ["quick", "catches up", "quick", "quick", "quick", "catches up"]


def test_a_duty_that_takes_all_the_time_leaves_one_row_to_each_of_the_others(watch: Callable[[float], float]) -> None:
    done: list[str] = []

    def greedy(_: float) -> int:
        watch(2 * housekeeping.SECONDS)
        return 1

    housekeeping.keep(greedy=greedy, modest=lambda until: housekeeping.each(["R1", "R2"], done.append, until))
    assert done == ["R1"]


def test_a_duty_that_fails_is_answered_with_after_the_others_had_their_turn() -> None:
    done: list[str] = []

    def fails(_: float) -> int:
        raise TryAgain("The database is out of reach; try again.")

    with pytest.raises(TryAgain, match="out of reach"):
        housekeeping.keep(fails=fails, works=lambda until: housekeeping.each(["R1"], done.append, until))
    assert done == ["R1"]


def test_a_row_that_fails_does_not_count_and_the_next_one_has_its_turn() -> None:
    done: list[str] = []

    def work(row: str) -> None:
        if row == "R1":
            raise ValueError("a poison row")
        done.append(row)

    assert housekeeping.each(["R1", "R2", "R3"], work, time.monotonic() + 9) == 2
    assert done == ["R2", "R3"]


def test_nobody_waits_twice_for_a_broker_that_is_away() -> None:
    asked: list[str] = []

    def work(row: str) -> None:
        asked.append(row)
        raise BrokerAway("The broker is out of reach.")

    assert housekeeping.each(["R1", "R2"], work, time.monotonic() + 9) == 0
    assert asked == ["R1"]


def refuse(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, poison: str) -> None:
    """That function of that module fails for one reservation."""
    work = getattr(module, name)

    def fails(first: Any, *rest: Any) -> Any:
        if poison in (first, getattr(first, "id", None), getattr(first, "reservation_id", None)):
            raise ValueError("a poison row")
        return work(first, *rest)

    monkeypatch.setattr(module, name, fails)


def status(airline: AirlineWithOneFlight, kind: str, reservation: str) -> str | None:
    return model_laws.statuses(airline.simulation).get((kind, reservation))


def unsent(airline: AirlineWithOneFlight) -> list[Any]:
    return airline.simulation.reserve_service.read("SELECT id FROM outbox") + airline.simulation.payment_service.read(
        "SELECT id FROM outbox"
    )


def booked(airline: AirlineWithOneFlight, seats: int = 2) -> str:
    """The id of a reservation that was placed: every other one is booked by a command."""
    reservation = airline.books(seats=seats)
    for delivery in [one for one in airline.simulation.pending if one.policy.name == "place-reservation"]:
        airline.simulation.deliver(delivery)
    return reservation


def leave_unsent(airline: AirlineWithOneFlight) -> None:
    unwanted = booked(airline)
    with airline.simulation.going_wrong(Mishap.AWAY):
        airline.customer.cancel(unwanted)
    assert unsent(airline)


def test_a_reservation_that_cannot_expire_stops_neither_the_others_nor_the_outbox(
    airline: AirlineWithOneFlight, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison, other = booked(airline), booked(airline)
    leave_unsent(airline)
    refuse(monkeypatch, reservations, "expire", poison)
    airline.simulation.later(minutes=16)
    airline.simulation.keep_house("reservations")
    assert (status(airline, "reservation", poison), status(airline, "reservation", other)) == ("PENDING", "CANCELED")
    assert unsent(airline) == []


def test_a_reservation_that_cannot_be_repeated_stops_neither_the_others_nor_the_outbox(
    airline: AirlineWithOneFlight, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison, other = booked(airline), booked(airline)
    leave_unsent(airline)
    airline.simulation.pending.clear()
    refuse(monkeypatch, owed, "said_again", poison)
    airline.simulation.later(minutes=11)
    airline.simulation.keep_house("reservations")
    again = {
        delivery.reservation for delivery in airline.simulation.pending if delivery.policy.name == "decrease-seats"
    }
    assert (poison in again, other in again) == (False, True)
    assert unsent(airline) == []


def test_a_payment_that_cannot_be_finished_stops_neither_the_others_nor_the_outbox(
    airline: AirlineWithOneFlight, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [booked(airline, seats=1) for _ in range(3)]
    for reservation in left:
        placed = [one for one in airline.simulation.pending if one.policy.name == "decrease-seats"]
        airline.simulation.deliver(next(one for one in placed if one.reservation == reservation))
        charge = airline.simulation.start(airline.on_its_way("RemainingSeatsDecreased", "charge-payment"))
        airline.simulation.go_on(charge, 1)
    refuse(monkeypatch, payments, "charge", left[0])
    airline.simulation.later(minutes=3)
    with airline.simulation.going_wrong(Mishap.AWAY):
        airline.simulation.keep_house("payments")
    assert [status(airline, "payment", one) for one in left] == ["CHARGING", "PAID", "PAID"]
    assert unsent(airline) == []


def test_a_report_that_the_broker_refuses_does_not_stop_the_next_one(
    airline: AirlineWithOneFlight, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settlement, "BATCH", 1)
    ended = [booked(airline, seats=1) for _ in range(3)]
    while airline.simulation.pending:
        for delivery in list(airline.simulation.pending):
            airline.simulation.deliver(delivery)
    with airline.simulation.going_wrong(Mishap.REFUSED):
        airline.simulation.keep_house("projection")
    reports = [delivery for delivery in airline.simulation.pending if delivery.policy.name == "settle-reservations"]
    assert sorted(one for report in reports for one in report.about) == sorted(ended)[1:]
    airline.rests()


def test_a_tick_ends_in_its_time_and_the_next_one_goes_on(
    airline: AirlineWithOneFlight, monkeypatch: pytest.MonkeyPatch, watch: Callable[[float], float]
) -> None:
    overdue = [booked(airline, seats=1) for _ in range(5)]
    leave_unsent(airline)
    expire = reservations.expire

    def slowly(*what: Any) -> Any:
        watch(housekeeping.SECONDS / 2)
        return expire(*what)

    monkeypatch.setattr(reservations, "expire", slowly)
    airline.simulation.later(minutes=16)
    ended = []
    for _ in range(3):
        airline.simulation.keep_house("reservations")
        ended.append(sum(status(airline, "reservation", one) == "CANCELED" for one in overdue))
        assert unsent(airline) == []
    assert ended == [2, 4, 5]


def test_a_tick_ends_well_before_its_request_is_given_up() -> None:
    seconds = int(of_kind("ConfigMap", "v1")["airline-settings"].content["data"]["CLOUD_RUN_TIMEOUT_SECONDS"])
    slowest_row = sum(outbox.PATIENT) + 3.0  # the provider's own patience
    assert housekeeping.SECONDS + slowest_row < 0.75 * seconds
