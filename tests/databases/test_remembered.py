"""What is remembered of commands, of cancels that came early and of letters, on each real database."""

import math
from datetime import timedelta
from typing import Any

import pytest

import accepted_commands
import before_placement
import letters
import reservations
import retention
import settled_letters
import sink
from airline.events import CancellationRequested, SagasSettled
from choreography import clock, outbox, store
from choreography.errors import BrokerAway, Invalid, NotFound
from choreography.wire import Envelope
from testbed.sample_events import NOON
from tests.unit.conftest import Database, Service
from tests.unit.test_reservations import REQUESTED

AGENCY = "/agency/7"


@pytest.fixture
def in_reserve(reserve_service: Service, noon: Any, monkeypatch: pytest.MonkeyPatch) -> Service:
    monkeypatch.setattr(store, "database", lambda: reserve_service.engine)
    return reserve_service


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What the broker took."""
    taken: list[bytes] = []
    monkeypatch.setattr(outbox, "deliver", taken.append)
    return taken


def later(monkeypatch: pytest.MonkeyPatch, **delta: float) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOON + timedelta(**delta))


def event(identity: str, **data: object) -> dict[str, Any]:
    return {"source": AGENCY, "id": identity, "type": "CancellationRequested", "data": data}


def test_commands_are_repeated_until_they_are_done_and_then_forgotten(
    in_reserve: Service, said: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_reserve.run(reservations.place_reservation, REQUESTED)
    for number in range(5):
        unwanted = CancellationRequested(reservation_id="R1", reason="rain")
        in_reserve.run(accepted_commands.remember, event(str(number), reservationId="R1", reason="rain"), unwanted)
    monkeypatch.setattr(accepted_commands, "BATCH", 2)
    assert accepted_commands.say_again(math.inf) == 0
    later(monkeypatch, minutes=11)
    assert accepted_commands.say_again(math.inf) == len(set(said)) == 5

    in_reserve.run(reservations.cancel_reservation, CancellationRequested(reservation_id="R1", reason="rain"))
    later(monkeypatch, hours=5)
    assert accepted_commands.say_again(math.inf) == 0
    assert {row.owed_at for row in in_reserve.rows(before_placement.ACCEPTED)} == {None}
    assert accepted_commands.forget(math.inf) == 0
    later(monkeypatch, days=30)
    assert accepted_commands.forget(math.inf) == 5
    assert in_reserve.rows(before_placement.ACCEPTED) == []


def test_a_broker_that_is_away_is_not_asked_for_every_command(
    in_reserve: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def away(body: bytes) -> None:
        asked.append(body)
        raise BrokerAway("away")

    monkeypatch.setattr(outbox, "deliver", away)
    in_reserve.run(reservations.place_reservation, REQUESTED)
    for number in range(3):
        unwanted = CancellationRequested(reservation_id="R1", reason="rain")
        in_reserve.run(accepted_commands.remember, event(str(number), reservationId="R1", reason="rain"), unwanted)
    later(monkeypatch, minutes=11)

    assert (accepted_commands.say_again(math.inf), len(asked)) == (0, 1)


def test_another_command_under_the_same_id_and_a_cancel_of_nothing_leave_no_trace(in_reserve: Service) -> None:
    in_reserve.run(reservations.place_reservation, REQUESTED)
    unwanted = CancellationRequested(reservation_id="R1", reason="rain")
    in_reserve.run(accepted_commands.remember, event("1", reservationId="R1", reason="rain"), unwanted)
    other = CancellationRequested(reservation_id="R1", reason="snow")
    with pytest.raises(Invalid):
        in_reserve.run(accepted_commands.remember, event("1", reservationId="R1", reason="snow"), other)
    with pytest.raises(Invalid):
        in_reserve.run(accepted_commands.heard, AGENCY, "1", other)
    nothing = CancellationRequested(reservation_id="R2", reason="rain")
    with pytest.raises(NotFound):
        in_reserve.run(accepted_commands.remember, event("2", reservationId="R2", reason="rain"), nothing)
    assert len(in_reserve.rows(before_placement.ACCEPTED)) == 1


def test_letters_are_settled_bounded_and_pruned(database: Database, noon: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    dead_letters = Service(database(letters.metadata))
    monkeypatch.setattr(store, "database", lambda: dead_letters.engine)
    monkeypatch.setenv("DEAD_LETTERS_FROM_OUTSIDE", "2")
    for number in range(4):
        dead_letters.run(sink.keep, Envelope({"id": str(number), "source": "/stranger", "type": "T"}, {}))
    for source in ("/airline/payment", "/airline/x"):
        dead_letters.run(sink.keep, Envelope({"id": "p", "source": source, "type": "Paid", "correlationid": "R1"}, {}))
    dead_letters.run(settled_letters.settle_letters, SagasSettled(status="SUCCEED", reservation_ids=("R1", "R2")))
    dead_letters.run(settled_letters.settle_letters, SagasSettled(status="CANCELED", reservation_ids=("R2",)))
    dead_letters.run(
        sink.keep, Envelope({"id": "c", "source": "/airline/x", "type": "SeatsSoldOut", "correlationid": "R2"}, {})
    )

    statuses = sorted((row.status, row.times) for row in dead_letters.rows(letters.LETTERS))
    assert statuses == [("DISCARDED", 2), ("OPEN", 1), ("OPEN", 1), ("SETTLED", 1), ("SETTLED", 1), ("SETTLED", 1)]

    later(monkeypatch, days=31)
    retention.prune()
    assert [row.status for row in dead_letters.rows(letters.LETTERS)] == ["OPEN", "OPEN"]
    assert dead_letters.rows(letters.SETTLED_SAGAS) == []
