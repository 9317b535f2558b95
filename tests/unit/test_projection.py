"""Rules of the dashboard: the same events make the same rows in any order and however often."""

import itertools
import random
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import update

import counts
import projection
from airline.events import (
    Event,
    Paid,
    PaymentNotTaken,
    PaymentRefunded,
    RemainingSeatsIncreased,
    ReservationConfirmed,
    SeatsNotHeld,
)
from choreography import wire
from testbed.sample_events import NOON, canceled, decreased, placed
from tests.unit.conftest import Service

NOT_HELD = SeatsNotHeld(reservation_id="R2", flight_id=1)
NOT_TAKEN = PaymentNotTaken(reservation_id="R2", customer_id=7)
CONFIRMED = ReservationConfirmed(reservation_id="R1", customer_id=7, flight_id=1, seat_qty=3)


def envelope(event: Event, source: str = "/airline/reserve") -> wire.Envelope:
    said = wire.say(event, source)
    return wire.Envelope({name: value for name, value in said.items() if name != "data"}, said["data"])


def hear(dashboard_service: Service, *events: Event) -> None:
    for event in events:
        dashboard_service.run(projection.project, envelope(event))


def customers(dashboard_service: Service) -> list[Any]:
    """Customer, placed, latest date, confirmed, canceled; the money is asked for by `amounts`."""
    return [tuple(row)[:5] for row in dashboard_service.run(lambda tx: list(tx.execute(projection.customers())))]


def test_a_customer_is_counted_by_reservations_and_the_greatest_date(dashboard_service: Service) -> None:
    first, second = placed("R1"), placed("R2")
    hear(dashboard_service, second, first)
    assert customers(dashboard_service) == [(7, 2, date(2024, 11, 21), 0, 0)]


def test_every_order_and_every_repetition_makes_the_same_dashboard(dashboard_service: Service) -> None:
    story: list[Event] = [placed("R1"), decreased("R1"), CONFIRMED, canceled("R1")]
    for order in itertools.permutations(story):
        for table in (projection.EVENTS, projection.RESERVATIONS, projection.CUSTOMERS):
            dashboard_service.run(lambda tx, table=table: tx.execute(table.delete()))
        hear(dashboard_service, *order, random.Random(1).choice(order))
        assert customers(dashboard_service) == [(7, 1, date(2024, 11, 21), 0, 1)]
        assert len(dashboard_service.rows(projection.EVENTS)) == len(story)


def test_a_confirmed_reservation_counts_as_confirmed_until_it_is_canceled(dashboard_service: Service) -> None:
    hear(dashboard_service, placed("R1"), CONFIRMED)
    assert customers(dashboard_service)[0][3:] == (1, 0)
    hear(dashboard_service, canceled("R1"))
    assert customers(dashboard_service)[0][3:] == (0, 1)


def amounts(dashboard_service: Service) -> list[Any]:
    found: list[Any] = dashboard_service.run(lambda tx: list(tx.execute(projection.customers())))
    return [(row.spent, row.refunded) for row in found]


def test_what_was_paid_and_refunded_is_the_same_in_every_order_and_however_often_it_is_heard(
    dashboard_service: Service,
) -> None:
    story: list[Event] = [
        placed("R1"),
        Paid(payment_id=1, reservation_id="R1", customer_id=7, amount=600),
        PaymentRefunded(payment_id=1, reservation_id="R1", customer_id=7, amount=600, reason="ill"),
        Paid(payment_id=2, reservation_id="R2", customer_id=7, amount=200),
    ]
    for order in itertools.permutations(story):
        for table in (projection.EVENTS, projection.RESERVATIONS, projection.CUSTOMERS):
            dashboard_service.run(lambda tx, table=table: tx.execute(table.delete()))
        hear(dashboard_service, *order, random.Random(1).choice(order), placed("R2"))
        assert amounts(dashboard_service) == [(800, 600)]


def test_who_has_paid_nothing_has_spent_nothing(dashboard_service: Service) -> None:
    hear(dashboard_service, placed("R1"))
    assert amounts(dashboard_service) == [(0, 0)]


def test_an_amount_that_an_earlier_release_has_forgotten_is_not_said_to_be_nothing(dashboard_service: Service) -> None:
    paid = Paid(payment_id=1, reservation_id="R1", customer_id=7, amount=600)
    hear(dashboard_service, placed("R1"), paid, placed("R2"), replace(paid, reservation_id="R2"))
    rows = projection.RESERVATIONS
    forget = update(rows).where(rows.c.reservation_id == "R1").values(paid_amount=None)
    dashboard_service.run(lambda tx: tx.execute(forget))
    dashboard_service.run(counts.recount, [7])
    assert amounts(dashboard_service) == [(None, 0)]


def test_the_counts_of_customers_are_those_of_their_reservations_after_every_event(dashboard_service: Service) -> None:
    chance = random.Random(3)
    story = [
        event
        for name in ("R1", "R2")
        for event in (
            placed(name),
            decreased(name),
            Paid(payment_id=1, reservation_id=name, customer_id=7, amount=600),
            replace(CONFIRMED, reservation_id=name),
            canceled(name),
            PaymentRefunded(payment_id=1, reservation_id=name, customer_id=7, amount=600, reason="ill"),
        )
    ]
    for _ in range(20):
        for table in (projection.EVENTS, projection.RESERVATIONS, projection.CUSTOMERS):
            dashboard_service.run(lambda tx, table=table: tx.execute(table.delete()))
        for event in chance.sample(story * 2, 2 * len(story)):
            hear(dashboard_service, event)
            assert miscounted(dashboard_service) == []
        assert customers(dashboard_service) == [(7, 2, date(2024, 11, 21), 0, 2)]
        assert amounts(dashboard_service) == [(1200, 1200)]


def miscounted(dashboard_service: Service) -> list[int]:
    found: list[int] = dashboard_service.run(lambda tx: counts.differing(0, None, tx))
    return found


def test_a_pruned_reservation_that_is_heard_of_again_is_counted_once(dashboard_service: Service) -> None:
    hear(dashboard_service, placed("R1"), CONFIRMED)
    dashboard_service.run(lambda tx: tx.execute(projection.EVENTS.delete()))
    hear(dashboard_service, placed("R1"), CONFIRMED)
    assert customers(dashboard_service) == [(7, 1, date(2024, 11, 21), 1, 0)]


def test_a_reservation_that_turns_out_to_be_of_another_customer_is_counted_there(dashboard_service: Service) -> None:
    hear(dashboard_service, placed("R1"), placed("R2"))
    said = envelope(replace(placed("R1"), customer_id=8, reserve_date=date(2020, 1, 1)))
    dashboard_service.run(projection.project, wire.Envelope({**said.attributes, "id": "another"}, said.data))
    assert sorted(customers(dashboard_service)) == [(7, 1, date(2024, 11, 21), 0, 0), (8, 1, date(2020, 1, 1), 0, 0)]
    assert miscounted(dashboard_service) == []


@pytest.mark.parametrize(
    "wrong",
    [
        update(projection.CUSTOMERS).values(flight_count=projection.CUSTOMERS.c.flight_count + 1),
        update(projection.CUSTOMERS).values(paid_amount=1),
        update(projection.CUSTOMERS).values(recent_reserve_date=date(1999, 12, 31)),
        update(projection.CUSTOMERS).values(customer_id=9),
        projection.CUSTOMERS.delete(),
    ],
    ids=str,
)
def test_wrong_counts_are_found_and_counted_again(dashboard_service: Service, wrong: Any) -> None:
    hear(dashboard_service, placed("R1"), CONFIRMED)
    right = dashboard_service.rows(projection.CUSTOMERS)
    dashboard_service.run(lambda tx: tx.execute(wrong))

    found = miscounted(dashboard_service)
    assert found
    dashboard_service.run(counts.recount, found)

    assert dashboard_service.rows(projection.CUSTOMERS) == right


def test_a_reservation_that_is_not_placed_yet_has_no_customer(dashboard_service: Service) -> None:
    hear(dashboard_service, CONFIRMED)
    assert customers(dashboard_service) == []


def test_strangers_and_commands_are_not_kept(dashboard_service: Service) -> None:
    dashboard_service.run(projection.project, envelope(placed(), source="/somebody/else"))
    dashboard_service.run(
        projection.project, wire.Envelope({"type": "Weather", "source": "/airline/x", "id": "1"}, b"rain")
    )
    assert dashboard_service.rows(projection.EVENTS) == []


@pytest.mark.parametrize(
    ("command", "kept"), [("c" * 255, "c" * 255), ("c" * 256, None), ("\ud800", None), ("a\0b", None), (7, None)]
)
def test_a_reservation_is_counted_whatever_the_id_of_the_command_that_caused_it(
    dashboard_service: Service, command: object, kept: str | None
) -> None:
    said = envelope(placed())
    dashboard_service.run(projection.project, wire.Envelope({**said.attributes, "causationid": command}, said.data))

    assert len(customers(dashboard_service)) == 1
    assert [row.causation_id for row in dashboard_service.rows(projection.EVENTS)] == [kept]


def test_what_was_canceled_is_owed_until_seats_and_money_have_both_been_answered_for(
    dashboard_service: Service,
) -> None:
    hear(
        dashboard_service,
        placed("R1"),
        decreased("R1"),
        canceled("R1"),
        placed("R2"),
        canceled("R2"),
        NOT_HELD,
        NOT_TAKEN,
    )
    assert owed(dashboard_service) == ["R1"]
    hear(dashboard_service, replace(NOT_TAKEN, reservation_id="R1"))
    assert owed(dashboard_service) == ["R1"]
    returned = RemainingSeatsIncreased(reservation_id="R1", flight_id=1, seat_qty=3, remaining_seats_count=5)
    hear(dashboard_service, returned)
    assert owed(dashboard_service) == []


def owed(dashboard_service: Service) -> list[str]:
    found: list[str] = dashboard_service.run(projection.uncompensated, NOON + timedelta(days=9999))
    return found


def test_a_history_is_in_order(dashboard_service: Service) -> None:
    story: list[Event] = [placed("R1"), decreased("R1"), CONFIRMED, canceled("R1")]
    heard = []
    for second, event in enumerate(story):
        said = envelope(event)
        heard.append(wire.Envelope({**said.attributes, "time": f"2026-05-01T12:00:0{second}Z"}, said.data))
    for late in reversed(heard):
        dashboard_service.run(projection.project, late)
    types = dashboard_service.run(lambda tx: [row.type for row in projection.history("R1", tx)])
    assert types == [type(event).__name__ for event in story]
