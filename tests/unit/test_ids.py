"""Ids of reservations and of events."""

from uuid import uuid5

from airline import ids
from airline.events import AIRLINE, SagasSettled
from choreography import events


def test_a_reservation_id_can_be_read_out_on_the_phone() -> None:
    identity = ids.random_reservation_id()
    assert ids.is_reservation_id(identity)
    assert not set(identity) & set("ILOU")


def test_random_ids_differ() -> None:
    assert len({ids.random_reservation_id() for _ in range(1000)}) == 1000


def test_parts_do_not_run_into_each_other() -> None:
    assert ids.derived_reservation_id("s", "a", "bc") != ids.derived_reservation_id("s", "ab", "c")


def test_a_derived_id_stays_the_same_for_ever() -> None:
    assert ids.derived_reservation_id("secret", "/agency/7", "order-1") == "SCMT1ZNYDVHG"


def test_what_is_too_short_or_too_long_or_has_other_letters_is_not_a_reservation_id() -> None:
    assert ids.is_reservation_id("ABCDEFGH0123")
    assert not ids.is_reservation_id("ABCDEFGH012")
    assert not ids.is_reservation_id("ABCDEFGH01234")
    for letter in "ILOUa-\n":
        assert not ids.is_reservation_id(f"ABCDEFGH012{letter}")


def test_the_same_fact_has_the_same_event_id_for_ever() -> None:
    assert AIRLINE.event_id("Paid", "R1") == AIRLINE.event_id("Paid", "R1")
    assert AIRLINE.event_id("Paid", "R1") != AIRLINE.event_id("Paid", "R2")
    assert AIRLINE.event_id("Paid", "R1") == "f1afb933-c8c8-56d5-ac34-cc30356289bd"


def test_the_report_of_the_same_reservations_has_the_same_event_id_for_ever() -> None:
    settled = SagasSettled(status="SUCCEED", reservation_ids=("R1", "R2"))
    other = SagasSettled(status="CANCELED", reservation_ids=("R1", "R2"))

    assert events.identity(settled) == str(uuid5(AIRLINE.namespace, "SagasSettled/SUCCEED/R1/R2"))
    assert events.identity(settled) == "2e5194e5-11af-5c23-aebd-293520ee95b0"
    assert events.identity(other) != events.identity(settled)
