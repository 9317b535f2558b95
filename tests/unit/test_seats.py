"""Rules of flight-seats: who gets seats, who does not, and who gives them back."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

import flights
from airline import settings
from airline.events import RemainingSeatsDecreased, RemainingSeatsIncreased, SeatsNotHeld, SeatsSoldOut
from choreography import clock
from choreography.errors import Conflict, NotFound
from testbed.sample_events import IN_TIME, canceled, placed
from tests.unit.conftest import Service

NOT_HELD = SeatsNotHeld(reservation_id="R1", flight_id=1)


def remaining(seats: Service) -> int:
    return int(seats.rows(flights.FLIGHTS)[0].remaining_seats_count)


def test_a_party_gets_its_seats_and_hears_what_they_cost(seats: Service) -> None:
    said = seats.run(flights.decrease_remaining_seats, placed(seats=3))
    assert said == RemainingSeatsDecreased(
        reservation_id="R1",
        customer_id=7,
        flight_id=1,
        flight_code="ACE890",
        takeoff_date=date(2025, 12, 25),
        seat_qty=3,
        cost=200,
        amount=600,
        remaining_seats_count=2,
        payment_method="accept",
        expires_at=IN_TIME,
    )
    assert remaining(seats) == 2


def test_a_party_gets_all_its_seats_or_none(seats: Service) -> None:
    seats.run(flights.decrease_remaining_seats, placed("R1", seats=3))
    said = seats.run(flights.decrease_remaining_seats, placed("R2", seats=3))
    assert said == SeatsSoldOut(
        reservation_id="R2", flight_id=1, seat_qty=3, remaining_seats_count=2, reason=flights.SOLD_OUT
    )
    assert remaining(seats) == 2


def test_the_last_seats_can_be_had(seats: Service) -> None:
    said = seats.run(flights.decrease_remaining_seats, placed(seats=5))
    assert said.remaining_seats_count == 0


def test_an_unknown_flight_has_no_seats(seats: Service) -> None:
    said = seats.run(flights.decrease_remaining_seats, placed(flight=99))
    assert (said.reason, said.remaining_seats_count) == (flights.UNKNOWN_FLIGHT, 0)


def test_a_departed_flight_still_sells_unless_the_setting_forbids_it(
    seats: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "today", lambda: date(2026, 1, 1))
    assert isinstance(seats.run(flights.decrease_remaining_seats, placed("R1", seats=1)), RemainingSeatsDecreased)
    monkeypatch.setenv("REFUSE_DEPARTED_FLIGHTS", "true")
    settings.settings.cache_clear()
    said = seats.run(flights.decrease_remaining_seats, placed("R2", seats=1))
    assert (said.reason, said.remaining_seats_count) == (flights.DEPARTED, 4)


@pytest.mark.parametrize("party", [3, 6])
def test_a_repeated_request_is_answered_the_same_and_takes_nothing_more(seats: Service, party: int) -> None:
    first = seats.run(flights.decrease_remaining_seats, placed(seats=party))
    left = remaining(seats)
    seats.run(flights.change_flight, 1, {"cost": 999})
    assert seats.run(flights.decrease_remaining_seats, placed(seats=party)) == first
    assert remaining(seats) == left


def test_a_cancel_gives_the_seats_back_once(seats: Service) -> None:
    seats.run(flights.decrease_remaining_seats, placed(seats=3))
    said = seats.run(flights.restore_seats, canceled(seats=3))
    assert said == RemainingSeatsIncreased(reservation_id="R1", flight_id=1, seat_qty=3, remaining_seats_count=5)
    assert seats.run(flights.restore_seats, canceled(seats=3)) == said
    assert remaining(seats) == 5


def test_a_cancel_gives_back_what_was_held_and_not_what_it_claims(seats: Service) -> None:
    seats.run(flights.decrease_remaining_seats, placed(seats=3))
    seats.run(flights.restore_seats, canceled(seats=500, flight=2))
    assert remaining(seats) == 5


def test_a_refused_party_has_nothing_to_give_back(seats: Service) -> None:
    seats.run(flights.decrease_remaining_seats, placed(seats=6))
    assert seats.run(flights.restore_seats, canceled(seats=6)) == NOT_HELD
    assert remaining(seats) == 5


def test_a_cancel_before_its_reservation_leaves_the_late_one_without_effect(seats: Service) -> None:
    assert seats.run(flights.restore_seats, canceled()) == NOT_HELD
    assert seats.run(flights.decrease_remaining_seats, placed()) is None
    assert seats.run(flights.restore_seats, canceled()) == NOT_HELD
    assert remaining(seats) == 5


def test_a_reservation_replayed_after_its_cancel_takes_nothing(seats: Service) -> None:
    seats.run(flights.decrease_remaining_seats, placed())
    seats.run(flights.restore_seats, canceled())
    assert seats.run(flights.decrease_remaining_seats, placed()) is None
    assert remaining(seats) == 5


def test_the_database_itself_refuses_to_oversell(seats: Service) -> None:
    def oversell(transaction: Any) -> None:
        transaction.execute(flights.FLIGHTS.update().values(remaining_seats_count=-1))

    with pytest.raises(IntegrityError, match="never_oversold"):
        seats.run(oversell)
    assert remaining(seats) == 5


def test_flights_are_numbered_from_one_around_those_that_are_there(seats: Service) -> None:
    seats.run(lambda tx: tx.execute(flights.FLIGHTS.update().values(id=2)))
    values = {"flight_code": "X", "takeoff_date": date(2027, 1, 1), "cost": 1, "remaining_seats_count": 1}
    assert seats.run(flights.add_flight, values).id == 3


def test_a_removed_flight_does_not_lend_its_number_to_another(seats: Service) -> None:
    seats.run(flights.remove_flight, 1)
    values = {"flight_code": "X", "takeoff_date": date(2027, 1, 1), "cost": 1, "remaining_seats_count": 1}
    assert seats.run(flights.add_flight, values).id == 2


def test_a_flight_with_held_seats_cannot_be_removed(seats: Service) -> None:
    seats.run(flights.decrease_remaining_seats, placed(seats=3))
    with pytest.raises(Conflict, match="3 seats of flight 1 are held"):
        seats.run(flights.remove_flight, 1)
    seats.run(flights.restore_seats, canceled())
    seats.run(flights.remove_flight, 1)
    with pytest.raises(NotFound):
        seats.run(flights.remove_flight, 1)


def test_seats_given_back_to_a_removed_flight_do_no_harm(seats: Service) -> None:
    seats.run(flights.decrease_remaining_seats, placed(seats=3))
    seats.run(lambda tx: tx.execute(flights.FLIGHTS.delete()))  # behind the back of the rule that keeps it
    said = seats.run(flights.restore_seats, canceled(seats=3))
    assert said == RemainingSeatsIncreased(reservation_id="R1", flight_id=1, seat_qty=3, remaining_seats_count=0)
    assert [hold.status for hold in seats.rows(flights.HOLDS)] == ["RELEASED"]


def test_a_cancel_of_an_unknown_flight_has_nothing_to_give_back(seats: Service) -> None:
    seats.run(flights.decrease_remaining_seats, placed(flight=99))
    assert seats.run(flights.restore_seats, canceled(flight=99)) == replace(NOT_HELD, flight_id=99)


def test_changing_the_remaining_seats_changes_the_capacity_by_as_much(seats: Service) -> None:
    seats.run(flights.decrease_remaining_seats, placed(seats=3))
    flight = seats.run(flights.change_flight, 1, {"remaining_seats_count": 10})
    assert (flight.remaining_seats_count, flight.capacity) == (10, 13)
