"""Housekeeping: what a tick of a PingSource has to do, within a time, however much there is and whatever fails.

A tick has several duties. Each gets an equal share of the time that is left, so a full backlog of one leaves time to
the others. Those that were stopped by their share then divide what is left of the tick among them, until none of it is
left, and the next tick goes on where this one stopped. A row that fails is logged and the next one has its turn. A duty
that fails as a whole leaves the others theirs; then the tick answers with that error.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from sqlalchemy import Connection

from choreography import logs, store
from choreography.errors import BrokerAway
from choreography.logs import log

T = TypeVar("T")
Duty = Callable[[float], int]
"""Works until that moment of the monotonic clock, at least at one row, and returns how many it has done."""
SECONDS = 30.0
"""Of one tick: half of timeoutSeconds of the Services, so what is slow at the end still ends in time."""


def keep(**duties: Duty) -> None:
    """Does every duty within SECONDS and logs how much was done, by the names. Raises the first error of a duty."""
    end = time.monotonic() + SECONDS
    done: dict[str, int] = {}
    failed: list[Exception] = []
    waiting = _turns(duties, end, done, failed)
    while waiting and time.monotonic() < end:
        waiting = _turns(waiting, end, done, failed)
    log.info("housekeeping", extra={"fields": done})
    if failed:
        raise failed[0]


def _turns(duties: Mapping[str, Duty], end: float, done: dict[str, int], failed: list[Exception]) -> Mapping[str, Duty]:
    """Gives each of the duties a turn. Returns those that their share of the time has stopped."""
    stopped = {}
    for turns, (name, duty) in zip(range(len(duties), 0, -1), duties.items(), strict=True):
        now = time.monotonic()
        until = now + max(0.0, end - now) / turns
        try:
            done[name] = done.get(name, 0) + duty(until)
        except Exception as error:
            log.exception("housekeeping failed: %s", name)
            failed.append(error)
            continue
        if time.monotonic() >= until:
            stopped[name] = duty
    return stopped


def _nothing(_: object) -> dict[str, str]:
    return {}


def each(
    rows: Iterable[T], work: Callable[[T], object], until: float, about: Callable[[T], Mapping[str, str]] = _nothing
) -> int:
    """Does the rows one by one, at least the first, until that moment. Returns how many went well.

    A broker that is away ends it: the next row would only wait for it too. `about` is what log lines say about a row,
    such as `Glossary.about`.
    """
    done = 0
    for row in rows:
        with logs.about(**about(row)):
            try:
                work(row)
                done += 1
            except BrokerAway as error:
                log.warning("housekeeping waits for the broker: %s", error)
                break
            except Exception:
                log.exception("housekeeping goes on without this one")
        if time.monotonic() >= until:
            break
    return done


def pages(read: Callable[[T | None, Connection], Sequence[T]]) -> Iterator[T]:
    """All rows. `read` gives one page: those after a row, or the first. Each page is read when it is needed."""
    page = _page(read, None)
    while page:
        yield from page
        page = _page(read, page[-1])


def or_one(due: Iterator[T], put_off: Callable[[Connection], Sequence[T]]) -> Iterator[T]:
    """What is due; where nothing is, one of those that were put off, as `put_off` reads it."""
    first = next(due, None)
    if first is not None:
        yield first
        yield from due
        return
    with store.reading() as connection:
        found = put_off(connection)
    yield from found  # when the connection is given back: whoever is at work on it needs one


def _page(read: Callable[[T | None, Connection], Sequence[T]], after: T | None) -> Sequence[T]:
    with store.reading() as connection:
        return read(after, connection)
