"""What SQLite reads for a query: the cost of a tick must not grow with what is not its concern."""

from datetime import datetime

import history_pruning
from tests.unit.conftest import Service


def test_a_tick_looks_at_no_event_that_is_young(dashboard_service: Service, noon: datetime) -> None:
    query = history_pruning._OLD.params(before=noon)
    words = str(query.compile(dashboard_service.engine, compile_kwargs={"literal_binds": True}))

    steps = dashboard_service.run(
        lambda transaction: [row[3] for row in transaction.exec_driver_sql(f"EXPLAIN QUERY PLAN {words}")]
    )

    assert any(step.startswith("SEARCH events USING INDEX ix_events_said_at") for step in steps), steps
    assert not any(step.startswith("SCAN events") for step in steps), steps
