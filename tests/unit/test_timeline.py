"""What a saga waits for, and how long each event came after its cause, follow from its events."""

from datetime import datetime, timedelta

import pytest

import projection
import timeline
from airline import saga
from testbed.sample_events import NOON, canceled, placed
from tests.unit.conftest import Service
from tests.unit.test_projection import CONFIRMED, envelope, hear

PLACED, HELD, PAID = "ReservationPlaced", "RemainingSeatsDecreased", "Paid"
CANCELED, RETURNED, REFUNDED = "ReservationCanceled", "RemainingSeatsIncreased", "PaymentRefunded"
NOT_HELD, NOT_TAKEN = "SeatsNotHeld", "PaymentNotTaken"
BOTH = ["restore-seats", "refund-payment"]


def said(*types: str) -> dict[str, datetime]:
    """Each a second after the one before."""
    return {type_: NOON + timedelta(seconds=number) for number, type_ in enumerate(types)}


@pytest.mark.parametrize(
    ("story", "functions"),
    [
        ([], []),
        ([PLACED], ["decrease-seats"]),
        ([PLACED, "SeatsSoldOut"], ["cancel-reservation"]),
        ([PLACED, "SeatsSoldOut", CANCELED], BOTH),
        ([PLACED, "SeatsSoldOut", CANCELED, NOT_HELD], ["refund-payment"]),
        ([PLACED, "SeatsSoldOut", CANCELED, NOT_HELD, NOT_TAKEN], []),
        ([PLACED, HELD], ["charge-payment"]),
        ([PLACED, HELD, "PaymentFailed"], ["cancel-reservation"]),
        ([PLACED, HELD, "PaymentFailed", CANCELED, NOT_TAKEN], ["restore-seats"]),
        ([PLACED, HELD, "PaymentFailed", CANCELED, RETURNED, NOT_TAKEN], []),
        ([PLACED, HELD, PAID], ["confirm-reservation"]),
        ([PLACED, HELD, PAID, "ReservationConfirmed"], []),
        ([PLACED, HELD, PAID, "ReservationConfirmed", CANCELED], BOTH),
        ([PLACED, HELD, PAID, CANCELED, REFUNDED], ["restore-seats"]),
        ([PLACED, HELD, PAID, CANCELED, RETURNED], ["refund-payment"]),
        ([PLACED, HELD, PAID, CANCELED, RETURNED, REFUNDED], []),
        ([PLACED, HELD, CANCELED, RETURNED, NOT_TAKEN], []),
        ([PLACED, CANCELED], BOTH),
        ([CANCELED, NOT_HELD, NOT_TAKEN], []),
        ([PLACED, PAID], ["confirm-reservation"]),
        ([PLACED, "ReservationConfirmed"], []),
        ([PAID], ["confirm-reservation"]),
        ([REFUNDED], []),
    ],
    ids=" ".join,
)
def test_what_a_saga_waits_for_follows_from_its_events(story: list[str], functions: list[str]) -> None:
    assert [wait.function for wait in saga.waits(said(*story))] == functions
    assert [wait.function for wait in saga.waits(dict(reversed(said(*story).items())))] == functions


def test_it_waits_since_the_word_that_has_to_be_heard() -> None:
    (charge,) = saga.waits(said(PLACED, HELD))
    assert charge.since == NOON + timedelta(seconds=1)


@pytest.mark.parametrize("story", [(CANCELED, HELD), (HELD, CANCELED)])
def test_compensation_waits_since_the_cancel(story: tuple[str, str]) -> None:
    restore, refund = saga.waits(said(*story))
    assert restore.since == refund.since == said(*story)[CANCELED]


def test_each_event_shows_how_long_after_its_cause_it_came(dashboard_service: Service) -> None:
    first = envelope(placed())
    second = envelope(canceled())
    at = {"time": "2026-05-01T12:00:00Z"}, {"time": "2026-05-01T12:00:01.25Z", "causationid": first.id}
    for heard, more in zip((first, second), at, strict=True):
        dashboard_service.run(projection.project, type(heard)({**heard.attributes, **more}, heard.data))

    events, waiting = dashboard_service.run(lambda tx: timeline.story(projection.history("R1", tx), NOON))

    assert [(event["type"], event["after"]) for event in events] == [(PLACED, None), (CANCELED, 1.25)]
    assert [wait["function"] for wait in waiting] == BOTH


def test_a_cause_that_is_not_in_the_history_has_no_time(dashboard_service: Service) -> None:
    heard = envelope(CONFIRMED)
    dashboard_service.run(projection.project, type(heard)({**heard.attributes, "causationid": "a command"}, heard.data))

    events, _ = dashboard_service.run(lambda tx: timeline.story(projection.history("R1", tx), NOON))

    assert [(event["causationId"], event["after"]) for event in events] == [("a command", None)]


def test_it_shows_for_how_many_seconds_it_waits(dashboard_service: Service, noon: datetime) -> None:
    hear(dashboard_service, placed())

    _, waiting = dashboard_service.run(
        lambda tx: timeline.story(projection.history("R1", tx), NOON + timedelta(seconds=90))
    )

    assert waiting == [{"function": "decrease-seats", "for": 90.0}]
