"""Repeats what is owed until it is settled: the events that lead every reservation to its end, with the same ids.

A repeat of ReservationPlaced makes each later step of a living saga say its event again; a repeat of
ReservationCanceled makes both compensations answer again; the dashboard hears all of it. So whatever was away, and
whichever delivery was given up, the saga goes on from here.

It is not for a dashboard that has fallen behind: that reports late what went well, and repeats would make it later.
"""

import functools
import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row

import reservations
import reserve_tally
from airline.events import AIRLINE, Event
from airline.settings import settings
from choreography import clock, housekeeping, origins, outbox, store, wire
from choreography.wire import CloudEvent

LONGEST_SILENCE = timedelta(hours=1)
CLOCKS_APART = timedelta(minutes=1)
"""How far payment's clock may be behind ours: that clock decides whether the time to charge is over."""


def say_again(until: float) -> int:
    """Repeats once what is owed and due, the longest overdue first. Returns the number of reservations.

    Where none is due, it tries one of those that were put off: that one is settled soon after what was away is back,
    and then all of them are due (`reservations.settle_reservations`).
    """
    return housekeeping.each(_due_or_one(), _speak, until, AIRLINE.about)


def _due_or_one() -> Iterator[str]:
    now = clock.now()
    with store.reading() as connection:
        heard = reserve_tally.heard_until(now - settings().owed_after, connection)
    # what is put off from here on is for another tick, however soon it is due again
    listed = itertools.takewhile(lambda row: row.at < now, housekeeping.pages(reservations.due))
    due = itertools.filterfalse(lambda row: _is_yet_to_be_heard(row, heard), listed)
    return housekeeping.or_one((row.id for row in due), reservations.put_off_longest)


def _is_yet_to_be_heard(row: reservations.Listed, heard: datetime | None) -> bool:
    """Whether the dashboard, which is at work, has not come to its last move, so that nothing of it is missing yet."""
    return heard is not None and row.owed_since > heard and not reservations.was_put_off(row)


def said_again(row: Row[Any]) -> list[Event]:
    """The events of a reservation that are repeated.

    A canceled one is placed again only past its expiry, by everybody's clock, for the sake of the dashboard: nobody is
    charged by then.
    """
    if row.status == "PENDING":
        return [reservations.placed(row)]
    if row.status == "SUCCEED":
        return [reservations.placed(row), reservations.confirmed(row)]
    canceled = reservations.canceled(row)
    too_late_to_charge = row.expires_at + CLOCKS_APART <= clock.now()
    return [canceled, reservations.placed(row)] if too_late_to_charge else [canceled]


def silence(age: timedelta) -> timedelta:
    """Until the next time: at first OWED_AFTER, then half of the time that it is owed already, at last an hour."""
    return max(settings().owed_after, min(age / 2, LONGEST_SILENCE))


def _speak(identity: str) -> None:
    for event in store.commit(functools.partial(_taken, identity)):
        outbox.deliver(wire.pack(event))


def _taken(identity: str, transaction: Connection) -> list[CloudEvent]:
    row = reservations.find(identity, transaction)
    if row.owed_since is None:  # settled since it was listed
        return []
    # before it is sent, so that one that the broker refuses does not hold up the others
    now = clock.now()
    reservations.put_off(identity, now + silence(now - row.owed_since), transaction)
    began = origins.of(identity, transaction)
    return [wire.say(event, reservations.SOURCE, traceparent=began) for event in said_again(row)]
