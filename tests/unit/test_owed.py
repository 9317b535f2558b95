"""What reserve says again, and when: until it has heard that the saga is settled."""

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest

import accepted_commands
import owed
import reservations
from airline import settings
from airline.events import ReservationCanceled, ReservationConfirmed, ReservationPlaced, SagasSettled
from before_placement import ACCEPTED
from choreography import clock, outbox, store
from testbed.sample_events import NOON
from tests.unit.conftest import Service
from tests.unit.test_reservations import PAID, REQUESTED, UNWANTED, requested  # noqa: F401 - a fixture

EXPIRED_BY_THEN = NOON + timedelta(minutes=16)


def row(reserve_service: Service) -> Any:
    (only,) = reserve_service.rows(reservations.RESERVATIONS)
    return only


def said(reserve_service: Service) -> list[type]:
    return [type(event) for event in owed.said_again(row(reserve_service))]


def settle(reserve_service: Service, status: str) -> None:
    reserve_service.run(reservations.settle_reservations, SagasSettled(status=status, reservation_ids=("R0", "R1")))


def test_what_is_pending_is_placed_again(requested: Service) -> None:  # noqa: F811
    assert said(requested) == [ReservationPlaced]


def test_what_succeeded_is_placed_and_confirmed_again(requested: Service) -> None:  # noqa: F811
    requested.run(reservations.confirm_reservation, PAID)
    assert said(requested) == [ReservationPlaced, ReservationConfirmed]


def test_what_is_canceled_is_placed_again_only_when_nobody_can_be_charged_for_it(
    requested: Service,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    requested.run(reservations.cancel_reservation, UNWANTED)
    assert said(requested) == [ReservationCanceled]
    monkeypatch.setattr(clock, "now", lambda: EXPIRED_BY_THEN - timedelta(seconds=1))  # not yet by a clock behind ours
    assert said(requested) == [ReservationCanceled]
    monkeypatch.setattr(clock, "now", lambda: EXPIRED_BY_THEN)
    assert said(requested) == [ReservationCanceled, ReservationPlaced]


def test_what_is_settled_is_owed_nothing_until_it_is_canceled(requested: Service, noon: datetime) -> None:  # noqa: F811
    assert row(requested).owed_since == noon
    requested.run(reservations.confirm_reservation, PAID)
    settle(requested, "SUCCEED")
    assert (row(requested).owed_since, row(requested).owed_at) == (None, None)
    requested.run(reservations.cancel_reservation, UNWANTED)
    assert (row(requested).owed_since, row(requested).owed_at) == (noon, noon + timedelta(seconds=600))


@pytest.mark.parametrize("reported", ["SUCCEED", "CANCELED"])
def test_a_report_of_another_end_settles_nothing(requested: Service, reported: str) -> None:  # noqa: F811
    if reported == "SUCCEED":
        requested.run(reservations.cancel_reservation, UNWANTED)
    settle(requested, reported)
    assert row(requested).owed_since is not None


def test_a_repeated_cancel_keeps_what_is_owed_as_old_as_it_is(
    requested: Service,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    requested.run(reservations.cancel_reservation, UNWANTED)
    since = row(requested).owed_since
    monkeypatch.setattr(clock, "now", lambda: EXPIRED_BY_THEN)
    requested.run(reservations.cancel_reservation, UNWANTED)
    assert row(requested).owed_since == since


@pytest.mark.parametrize(
    ("age", "silence"),
    [(0, 600), (600, 600), (1800, 900), (7200, 3600), (3 * 86_400, 3600)],
    ids=["at once", "ten minutes", "half an hour", "two hours", "a weekend"],
)
def test_the_longer_it_is_owed_the_rarer_it_is_repeated_but_once_an_hour(age: int, silence: int) -> None:
    assert owed.silence(timedelta(seconds=age)) == timedelta(seconds=silence)


def test_a_tick_repeats_each_once_however_slow_the_broker_and_however_soon_it_is_due_again(
    requested: Service,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OWED_AFTER", "4")
    settings.settings.cache_clear()
    moments = itertools.count()
    monkeypatch.setattr(clock, "now", lambda: NOON + timedelta(hours=1, seconds=next(moments)))
    monkeypatch.setattr(store, "database", lambda: requested.engine)
    sent: list[bytes] = []

    def deliver(body: bytes) -> None:
        sent.append(body)
        deque(itertools.islice(moments, 3600), maxlen=0)  # an hour passes
        assert len(sent) < 9, "there is no end"

    monkeypatch.setattr(outbox, "deliver", deliver)
    assert owed.say_again(time.monotonic() + 1) == 1
    assert len(sent) == 1


@pytest.mark.parametrize("due_or_one", [owed._due_or_one, accepted_commands._due_or_one], ids=["sagas", "commands"])
def test_while_one_that_was_put_off_is_repeated_no_connection_is_held(
    due_or_one: Callable[[], Iterator[Any]],
    requested: Service,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command = {"key": "R1", "reservation_id": "R1", "body": "{}", "accepted_at": NOON}
    put_off = {"owed_at": NOON + timedelta(hours=2)}
    requested.run(lambda transaction: transaction.execute(ACCEPTED.insert().values(**command, **put_off)))
    requested.run(lambda transaction: transaction.execute(reservations.RESERVATIONS.update().values(**put_off)))
    monkeypatch.setattr(clock, "now", lambda: NOON + timedelta(hours=1))
    monkeypatch.setattr(store, "database", lambda: requested.engine)
    held: list[object] = []
    reading = store.reading

    @contextmanager
    def counted(*source: Any) -> Iterator[Any]:
        with reading(*source) as connection:
            held.append(connection)
            yield connection
            held.pop()

    monkeypatch.setattr(store, "reading", counted)
    due = due_or_one()

    assert next(due, None) is not None
    assert held == []
