"""A row that is there is locked by whoever wanted to insert it: what is decided on it cannot be overtaken."""

from typing import Any

import pytest
from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import DBAPIError

import flights
import payments
from choreography import store
from testbed.database_servers import Server
from testbed.sample_events import canceled, decreased
from tests.databases.test_values import HOLD, ON_A_SERVER, PAYMENT, added
from tests.unit.conftest import Database, Service


def is_locked(engine: Engine, table: Any) -> bool:
    """Whether somebody else would have to wait for the one row of the table."""
    with engine.connect() as other:
        try:
            other.execute(select(table).with_for_update(nowait=True)).one()
        except DBAPIError:
            return True
        return False


@ON_A_SERVER
@pytest.mark.parametrize(
    ("table", "row"), [(flights.HOLDS, HOLD), (payments.PAYMENTS, PAYMENT)], ids=["hold", "payment"]
)
def test_a_row_that_is_there_is_locked_until_the_end(
    server: Server, database: Database, table: Any, row: dict[str, Any]
) -> None:
    engine = database(table.metadata)
    assert added(engine, table, **row)

    def work(transaction: Connection) -> tuple[bool, bool, bool]:
        before = is_locked(engine, table)
        new = store.insert_if_absent(transaction, table, **row)
        return before, new, is_locked(engine, table)

    assert store.commit(work, engine) == (False, False, True)
    assert not is_locked(engine, table)


@ON_A_SERVER
def test_a_cancel_during_a_charge_cannot_be_overtaken_by_the_outcome(
    server: Server, payment_service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment_service.run(payments.begin_charge, decreased())
    found, locked = payments.find, []

    def find(reservation_id: str, connection: Connection) -> Any:
        locked.append(is_locked(payment_service.engine, payments.PAYMENTS))
        return found(reservation_id, connection)

    monkeypatch.setattr(payments, "find", find)
    assert payment_service.run(payments.begin_refund, canceled()).status == "REFUNDING"
    assert locked == [True]
