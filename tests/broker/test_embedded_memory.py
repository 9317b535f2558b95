"""The embedded broker's memory does not grow with its backlog; the full size is in benchmarks/broker_memory.py."""

import asyncio

from testbed.broker_memory import measure


def test_memory_is_flat_while_the_backlog_grows() -> None:
    assert asyncio.run(measure(small=1_000, large=8_000, triggers=2, connections=2)) <= 1.2
