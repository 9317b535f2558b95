"""The projection is rebuilt on every database, while events arrive on other connections."""

import random

from sqlalchemy import Connection, update

import history_pruning
import rebuild
from airline.events import Event, Paid
from projection import EVENTS, RESERVATIONS, project
from testbed.sample_events import NOON, canceled, decreased, placed
from tests.databases.in_parallel import at_once, ruled
from tests.unit.conftest import Service
from tests.unit.test_projection import envelope, hear
from tests.unit.test_rebuild import *  # noqa: F403
from tests.unit.test_rebuild import ended

SAGAS = [f"R{number}" for number in range(30)]


def late(identity: str) -> list[Event]:
    """The events of a reservation while the projection is rebuilt."""
    paid = Paid(payment_id=1, reservation_id=identity, customer_id=7, amount=600)
    return [decreased(identity), paid, canceled(identity)]


def corrupt_all(transaction: Connection) -> None:
    transaction.execute(update(RESERVATIONS).values(placed=False, paid=True, confirmed=True, customer_id=None))


def test_no_event_is_lost_that_arrives_while_rows_are_repaired(dashboard_service: Service) -> None:
    hear(dashboard_service, *map(placed, SAGAS))
    dashboard_service.run(corrupt_all)
    differing = dashboard_service.run(rebuild.compare).differing
    assert sorted(differing) == sorted(SAGAS)

    calls = [
        ruled(dashboard_service.engine, project, envelope(event)) for identity in SAGAS for event in late(identity)
    ]
    calls += [ruled(dashboard_service.engine, rebuild.repair, identity) for identity in SAGAS * 2]
    random.Random(1).shuffle(calls)
    at_once(calls)

    assert dashboard_service.run(rebuild.compare) == rebuild.Comparison(4 * len(SAGAS), len(SAGAS), 0, [])


def test_an_event_that_is_not_committed_yet_is_waited_for_or_waits(dashboard_service: Service) -> None:
    def project_slowly(identity: str, transaction: Connection) -> None:
        project(envelope(decreased(identity)), transaction)
        project(envelope(canceled(identity)), transaction)

    for identity in SAGAS[:10]:  # an event that comes a second time changes nothing and would race with nothing
        hear(dashboard_service, placed(identity))
        dashboard_service.run(corrupt_all)
        at_once(
            [
                ruled(dashboard_service.engine, project_slowly, identity),
                ruled(dashboard_service.engine, rebuild.repair, identity),
            ]
        )
        assert identity not in dashboard_service.run(rebuild.compare).differing


def test_history_is_pruned_while_late_events_arrive(dashboard_service: Service, noon: object) -> None:
    hear(dashboard_service, *(event for identity in SAGAS for event in ended(identity)))

    calls = [
        ruled(dashboard_service.engine, project, envelope(event)) for identity in SAGAS for event in late(identity)[:2]
    ]
    calls += [ruled(dashboard_service.engine, history_pruning.prune_some, NOON.replace(hour=13)) for _ in range(8)]
    at_once(calls)

    assert all(
        row.seats_held and row.paid and row.placed and row.canceled_at for row in dashboard_service.rows(RESERVATIONS)
    )
    kept = {row.reservation_id for row in dashboard_service.rows(EVENTS)}
    pruned = {row.reservation_id for row in dashboard_service.rows(RESERVATIONS) if row.pruned}
    assert kept | pruned == set(SAGAS)
    assert dashboard_service.run(rebuild.compare).differing == []
