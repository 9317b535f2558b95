"""Reconcile: judge the live books, look again at what seems wrong, and believe what stays."""

import functools
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.progress import Progress

from client import accounts, gateway, laws, reading
from client.accounts import Accounts
from client.gateway import Airline
from client.laws import Books, Difference, Kind, Moment
from client.reading import Busy

PAUSE = 1.0
"""Seconds between two looks at what seems wrong."""


@dataclass(frozen=True)
class Verdict:
    """`broken` stayed wrong; `busy` changed at every look, so it is undecided; `suspected` seemed wrong at first."""

    broken: list[Difference]
    busy: list[Difference]
    suspected: int
    totals: dict[str, int]
    seconds: float


@dataclass(frozen=True)
class Allowance:
    """What an airline is not blamed for: reservations younger than `young`, and what is owed no longer than `owed`.

    Both by its own clock, which is `ahead` of this machine's.
    """

    young: timedelta
    owed: timedelta = timedelta(minutes=30)
    ahead: timedelta = timedelta(0)

    def now(self) -> Moment:
        """The moment at which the books are judged, if it is now."""
        return Moment(datetime.now(UTC) + self.ahead, self.young, self.owed)


def verdict(airline: Airline, allowed: Allowance, patience: float, bars: Progress, kept: Path | None = None) -> Verdict:
    """Reads everything once, then what seems wrong until it is right or `patience` seconds are over.

    `kept` is a file with the place of a check that was interrupted, which goes on from there; it goes at the end.
    """
    began = time.monotonic()
    allowed = replace(allowed, ahead=gateway.clock_ahead(airline))
    with accounts.opened(kept) as books:
        _read_reservations(airline, allowed, books, bars)
        suspects, totals = accounts.suspects(books), accounts.totals(books)
        for kind, found in _others(airline, books):
            suspects += laws.judge(found, allowed.now(), [kind])
            totals.update(laws.totals(found))  # not kept: who is interrupted reads all of these again
        for together in accounts.asked_twice(books):
            suspects += laws.judge(reading.of_command(airline, together), allowed.now(), ["command"])
    if kept is not None:
        kept.unlink(missing_ok=True)
    suspected = len(suspects)
    left, busy = suspects, set[Difference]()
    deadline = time.monotonic() + patience
    while left:
        time.sleep(PAUSE)
        left, busy = _look_again(airline, left, allowed, bars)
        if time.monotonic() > deadline:
            break
    broken = [difference for difference in left if difference not in busy]
    return Verdict(broken, [*busy], suspected, totals, time.monotonic() - began)


def _read_reservations(airline: Airline, allowed: Allowance, books: Accounts, bars: Progress) -> None:
    """Judges what is about one reservation, and adds up what it comes to."""
    place, bar = accounts.place(books), bars.add_task("reservations", total=None)
    for page in reading.pages(airline, "flights"):
        accounts.keep_costs(books, page)
    for window, reached in reading.windows(airline, place):
        moment = allowed.now()
        suspects = laws.judge(replace(window, flights=accounts.flights(books, window)), moment, ["reservation"])
        accounts.enter(books, window, moment, suspects, reached)
        done, share = accounts.totals(books)["reservations"], reading.share(reached["behind"])
        bars.update(bar, completed=done, total=max(done, round(done / share)) if share else None)
    bars.remove_task(bar)


def _others(airline: Airline, books: Accounts) -> Iterator[tuple[Kind, Books]]:
    """The books about everything else, with what the reservations come to for it."""
    for page, after, last in reading.ranges(airline, "flights", "id"):
        yield "flight", Books(flights=page, sums=accounts.held(books, after, last))
    for page, after, last in reading.ranges(airline, "customerInfos", "customerId"):
        yield "customer", Books(customers=page, sums=accounts.of_customers(books, after, last))
    yield "outbox", Books(outboxes={name: reading.outbox(airline, name) for name in reading.OUTBOXES})


def as_json(found: Verdict) -> dict[str, Any]:
    """For machines: the laws, and what breaks them."""
    by_law = {name: [_plain(one) for one in found.broken if one.law == name] for name in laws.LAWS}
    return {
        "holds": not found.broken,
        "laws": by_law,
        "busy": [_plain(one) for one in found.busy],
        "suspected": found.suspected,
        "totals": found.totals,
        "seconds": round(found.seconds, 3),
    }


def _look_again(
    airline: Airline, suspects: list[Difference], allowed: Allowance, bars: Progress
) -> tuple[list[Difference], set[Difference]]:
    left, busy = [], set()
    bar = bars.add_task("looking again", total=len(suspects))
    holds = functools.cache(lambda flight: reading.held(airline, flight))  # once a round: many may be on one flight
    for one in bars.track(suspects, task_id=bar):
        books = reading.again(airline, one, holds)
        found = [one] if isinstance(books, Busy) else _same(one, laws.judge(books, allowed.now(), [one.kind]))
        if isinstance(books, Busy) or _moved(one, found):
            left.append(one)
            busy.add(one)
        else:
            left += found
    bars.remove_task(bar)
    return left, busy


def _moved(one: Difference, found: list[Difference]) -> bool:
    """A dashboard lags a little: for a customer with much activity it is never quite right."""
    return one.kind == "customer" and any(other.detail != one.detail for other in found)


def _same(one: Difference, found: list[Difference]) -> list[Difference]:
    return [other for other in found if (other.law, other.subject) == (one.law, one.subject)]


def _plain(one: Difference) -> dict[str, str]:
    return {one.kind: one.subject, "detail": one.detail}
