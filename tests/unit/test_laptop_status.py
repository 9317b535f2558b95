"""What `make status` prints in addition to its table."""

from typing import Any

from laptop.options import of_system
from laptop.status import table


def state(kept: int) -> dict[str, Any]:
    return {"services": {}, "gatewayPid": None, "brokerPid": None, "kept": kept}


def test_events_that_nobody_took_are_shown_with_the_way_to_deliver_them_again() -> None:
    shown = table(state(kept=3), of_system().kept).splitlines()[-1]
    assert "3 kept by the broker" in shown
    assert "bin/airline dead-letters kept list" in shown


def test_kept_events_are_not_mentioned_where_there_are_none() -> None:
    assert "kept" not in table(state(kept=0), of_system().kept)
