"""Nothing lost, nothing doubled: what a demo sold against what the airline says, and all laws on the live books."""

from collections import Counter
from collections.abc import Collection
from datetime import timedelta

from client import gateway, lists, reconciliation
from client.gateway import Airline
from client.laws import LAWS
from client.reconciliation import Allowance
from demos.customers import of_flight
from demos.errors import DemoFailed
from terminal.console import progress

AT_ONCE = Allowance(young=timedelta(0))
PATIENCE = 60.0
"""Seconds in which a difference may still vanish: the dashboard follows, refunds are under way."""


def open_letters(airline: Airline) -> int:
    """How many dead letters wait for somebody. Raises DemoFailed where they are too many to be counted."""
    found = lists.some(airline, "/dead-letters", "deadLetters", 1, status="OPEN")
    if found.total_is_least:
        raise DemoFailed(
            f"{found.how_many} dead letters are open, so a new one would not be seen: replay or discard them"
        )
    return found.total


def check_letters(airline: Airline, before: int) -> None:
    """Raises DemoFailed if more dead letters are open than before."""
    if (now := open_letters(airline)) > before:
        raise DemoFailed(f"{now - before} events became dead letters; airline dead-letters list shows them")


def check_flight(airline: Airline, flight: int, seats: int, placed: Collection[str], sold: int) -> Counter[str]:
    """How many of these reservations ended in which way. Raises DemoFailed unless they and nothing else are on the
    flight, and exactly as many of its seats are sold as there are SUCCEED."""
    found = {item["reservationId"]: item["status"] for item in of_flight(airline, flight)}
    lost, strange = {*placed} - found.keys(), found.keys() - {*placed}
    if lost or strange or len({*placed}) != len(placed):
        raise DemoFailed(f"of {len(placed)} reservations {sorted(lost)} are lost, {sorted(strange)} are unexpected")
    statuses = Counter(found.values())
    remaining = gateway.get(airline, f"/flights/{flight}")["remainingSeatsCount"]
    if statuses["SUCCEED"] != sold or remaining != seats - sold:
        raise DemoFailed(f"of {seats} seats {sold} should be sold: {dict(statuses)}, {remaining} remain")
    return statuses


def check_laws(airline: Airline) -> list[str]:
    """The laws: all of them hold now. Raises DemoFailed with those that do not."""
    with progress() as bars:
        found = reconciliation.verdict(airline, AT_ONCE, PATIENCE, bars)
    wrong = [f"{one.law}: {one.kind} {one.subject}: {one.detail}" for one in [*found.broken, *found.busy]]
    if wrong:
        raise DemoFailed("broken: " + "; ".join(wrong))
    return list(LAWS)
