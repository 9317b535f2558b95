"""A repeat says the same event again and does nothing twice: every policy that replies, whoever wrote it and whenever.

The answer to the first delivery may have been lost on its way to the broker. Who is silent at the repeat, or says
something else, has lost an event for good.
"""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection

from airline.events import OF_SAGAS, PaymentNotTaken, ReservationConfirmed
from choreography import policy, wire
from choreography.errors import Problem
from testbed.policies import FUNCTIONS, Policy, policy_of, tables_of
from testbed.project import folder_of, functions, wiring
from testbed.sample_events import sample
from tests.unit.conftest import Database, Service

Rule = Callable[..., Any]
REPLYING = [policy_of(name) for name, one in functions().items() if (wired := wiring(one)) and wired.wrapper == "reply"]
CASES = [(one, type_) for one in REPLYING for type_ in policy.hears(one.rules[0]) if type_ in OF_SAGAS]


def said(service: Service, rule: Rule, heard: Any, source: str) -> Any:
    """The event of the answer as it goes over the wire, or what the broker gets instead."""
    try:
        event = service.run(rule, heard)
    except Problem as error:
        return type(error)
    return event and {name: wire.say(event, source)[name] for name in ("id", "source", "type", "data")}


@pytest.mark.parametrize(("one", "type_"), CASES, ids=[f"{one.name}-{type_}" for one, type_ in CASES])
def test_a_repeat_says_the_same_event_again_and_does_nothing_twice(one: Policy, type_: str, database: Database) -> None:
    tables = tables_of(FUNCTIONS / folder_of(functions()[one.name]))
    service = Service(database(tables))

    first = said(service, one.rules[0], sample(OF_SAGAS[type_]), one.source)
    left = [service.rows(table) for table in tables.sorted_tables]
    again = said(service, one.rules[0], sample(OF_SAGAS[type_]), one.source)

    assert first, "the first delivery must be answered by an event"
    assert again == first
    assert [service.rows(table) for table in tables.sorted_tables] == left


def test_a_policy_that_is_silent_at_a_repeat_is_found(database: Database) -> None:
    asked: list[ReservationConfirmed] = []

    def thank_once(heard: ReservationConfirmed, _: Connection) -> PaymentNotTaken | None:
        asked.append(heard)
        return PaymentNotTaken(reservation_id="R1", customer_id=1) if len(asked) == 1 else None

    service = Service(database(tables_of(FUNCTIONS / "reserve")))
    first, again = (said(service, thank_once, sample(ReservationConfirmed), "/airline/loyalty") for _ in range(2))

    assert first
    assert again is None
