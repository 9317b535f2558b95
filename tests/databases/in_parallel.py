"""Many at once: each call has a thread and a connection of its own."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

from choreography import store
from tests.databases.conftest import THREADS

T = TypeVar("T")
PATIENCE = 30.0
"""Seconds that one waits for the others."""


def at_once(calls: Sequence[Callable[[], T]]) -> list[T]:
    """What each of them returned; as many as there are connections start together, the others follow."""
    starters = min(len(calls), int(THREADS))
    start = threading.Barrier(starters)
    started = iter(range(starters))

    def take_part(call: Callable[[], T]) -> T:
        if next(started, None) is not None:
            start.wait(PATIENCE)
        return call()

    with ThreadPoolExecutor(starters) as pool:
        return list(pool.map(take_part, calls))


def ruled(engine: Engine, rule: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
    """A rule to run in a transaction of its own."""

    def work(transaction: Connection) -> Any:
        return rule(*arguments, transaction)

    return lambda: store.commit(work, engine)
