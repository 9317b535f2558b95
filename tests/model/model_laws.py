"""What must hold in the simulated airline: after every step, and at rest, when everything is done.

The laws are written three times on purpose, each an oracle for the others: here, read from the tables of the
simulation; in tests/reliability/laws_in_sql.py, as SQL over the files of a run that ended; in client/laws.py, over HTTP
for operators. Change a law in all three; none of them imports another.
"""

from collections import Counter
from datetime import timedelta
from typing import Any

import counts
import flights
import projection
import provider
import reservations
from airline.events import AIRLINE, EXPIRED, OF_SAGAS
from tests.model.simulation import Simulation

FORWARD = {
    ("reservation", "PENDING"): {"SUCCEED", "CANCELED"},
    ("reservation", "SUCCEED"): {"CANCELED"},
    ("hold", "HELD"): {"RELEASED"},
    ("payment", "CHARGING"): {"PAID", "FAILED", "REFUNDING", "REFUNDED"},
    ("payment", "PAID"): {"REFUNDING", "REFUNDED"},
    ("payment", "REFUNDING"): {"REFUNDED", "FAILED"},
}
"""Where a status may go from one look to the next; the others are ends."""
SAID_UNTIL_HEARD = {
    *("ReservationPlaced", "ReservationCanceled"),
    *("RemainingSeatsIncreased", "SeatsNotHeld", "PaymentRefunded", "PaymentNotTaken"),
}
"""What the dashboard hears of a canceled reservation whatever was away."""

Statuses = dict[tuple[str, str], str]


def statuses(simulation: Simulation) -> Statuses:
    """The status of everything that has one."""
    found = {
        ("reservation", key): status
        for key, status in simulation.reserve_service.read("SELECT id, status FROM reservations")
    }
    found |= {
        ("hold", key): status for key, status in simulation.seats.read("SELECT reservation_id, status FROM holds")
    }
    return found | {
        ("payment", key): status
        for key, status in simulation.payment_service.read("SELECT reservation_id, status FROM payments")
    }


def only_forward(before: Statuses, after: Statuses) -> None:
    """No status went back, and no row is gone."""
    for (kind, key), status in before.items():
        now = after[kind, key]
        assert now == status or now in FORWARD.get((kind, status), ()), f"the {kind} of {key}: {status} -> {now}"


def never_oversold(simulation: Simulation) -> None:
    """Every seat remains or is held, and none is both."""
    held: Counter[int] = Counter()
    for flight, seats in simulation.seats.read("SELECT flight_id, seat_qty FROM holds WHERE status = 'HELD'"):
        held[flight] += seats
    for flight, capacity, remaining in simulation.seats.read("SELECT id, capacity, remaining_seats_count FROM flights"):
        assert remaining >= 0
        assert remaining + held.pop(flight, 0) == capacity, f"the seats of flight {flight} do not add up"
    assert not held, "seats are held on flights that were removed"


def money_moves_once(simulation: Simulation) -> None:
    """What went back was taken before, and it was as much."""
    taken: dict[str, int] = {}
    for key, kind, accepted, amount in simulation.provider_service.read(
        "SELECT key, kind, accepted, amount FROM ledger ORDER BY kind"
    ):
        if kind == "charge":
            taken[key] = amount if accepted else 0
        else:
            assert taken.pop(key) == amount, f"{key} was refunded {amount}"


def customers_are_counted(simulation: Simulation) -> None:
    """The counts of each customer are those of the reservations that the dashboard has heard of."""
    changes = simulation.dashboard_service.changes
    if changes == simulation.counted_at:
        return
    miscounted = simulation.dashboard_service.run(lambda tx: counts.differing(0, None, tx))
    assert miscounted == [], f"the counts are wrong of {miscounted}"
    simulation.counted_at = changes


def owed(simulation: Simulation) -> list[str]:
    """The reservations that are not settled."""
    return [
        key for (key,) in simulation.reserve_service.read("SELECT id FROM reservations WHERE owed_since IS NOT NULL")
    ]


def commands_owed(simulation: Simulation) -> list[str]:
    """The commands from outside whose effect is not there yet."""
    return [
        key for (key,) in simulation.reserve_service.read("SELECT key FROM accepted_commands WHERE owed_at IS NOT NULL")
    ]


def at_rest(simulation: Simulation, unwanted: set[str]) -> None:
    """All laws at rest; `unwanted` are the reservations that the customer canceled."""
    assert not simulation.pending, f"is never done: {', '.join(map(str, simulation.pending))}"
    assert not simulation.reserve_service.read("SELECT id FROM outbox") + simulation.payment_service.read(
        "SELECT id FROM outbox"
    )
    assert owed(simulation) == [], "it is not known to be settled"
    rows = simulation.reserve_service.rows(reservations.RESERVATIONS)
    succeeded = {row.id for row in rows if row.status == "SUCCEED"}
    _everything_ended(rows, unwanted, simulation)
    _seats_are_of_those_who_succeeded(simulation, succeeded)
    _money_is_of_those_who_succeeded(simulation, succeeded)
    _the_dashboard_tells_the_same(simulation, rows)


def _everything_ended(rows: list[Any], unwanted: set[str], simulation: Simulation) -> None:
    for row in rows:
        assert row.status in ("SUCCEED", "CANCELED")
        if row.status == "SUCCEED":
            assert row.id not in unwanted
            assert row.payment_method != "decline"
        elif row.reason == provider.DECLINED:
            assert row.payment_method == "decline"
        elif row.reason == EXPIRED:
            assert row.expires_at < simulation.now
            assert AIRLINE.event_id("ReservationConfirmed", row.id) not in simulation.said, (
                "what succeeded does not expire"
            )
        elif row.reason.startswith((flights.SOLD_OUT, flights.UNKNOWN_FLIGHT)):
            assert statuses(simulation)["hold", row.id] == "REFUSED"
        else:
            assert row.id in unwanted, f"canceled for no reason: {row.reason}"


def _seats_are_of_those_who_succeeded(simulation: Simulation, succeeded: set[str]) -> None:
    assert {hold.reservation_id for hold in simulation.seats.rows(flights.HOLDS) if hold.status == "HELD"} == succeeded
    never_oversold(simulation)


def _money_is_of_those_who_succeeded(simulation: Simulation, succeeded: set[str]) -> None:
    price = {
        event["correlationid"]: event["data"]["amount"]
        for event in simulation.said.values()
        if event["type"] == "RemainingSeatsDecreased"
    }
    charged = dict(simulation.provider_service.read("SELECT key, amount FROM ledger WHERE kind = 'charge'"))
    assert charged.items() <= price.items(), "something else was charged than the price of the seats"
    kept: Counter[str] = Counter()
    for key, kind, amount in simulation.provider_service.read("SELECT key, kind, amount FROM ledger WHERE accepted"):
        kept[key] += amount if kind == "charge" else -amount
    assert +kept == +Counter({key: price[key] for key in succeeded})
    open_ = simulation.payment_service.read(
        "SELECT reservation_id FROM payments WHERE status IN ('CHARGING', 'REFUNDING', 'PAID')"
    )
    assert {key for (key,) in open_} == succeeded


def _the_dashboard_tells_the_same(simulation: Simulation, rows: list[Any]) -> None:
    customers = simulation.dashboard_service.run(lambda tx: list(tx.execute(_customers())))
    shown = {
        row.customer_id: (row.flight_count, row.recent_reserve_date, row.confirmed_count, row.canceled_count)
        for row in customers
    }
    by_customer: dict[int, list[Any]] = {}
    for row in rows:
        by_customer.setdefault(row.customer_id, []).append(row)
    assert shown == {customer: _summary(theirs) for customer, theirs in by_customer.items()}
    whose = {row.id: row.customer_id for row in rows}
    kept: Counter[int] = Counter()
    for key, kind, amount in simulation.provider_service.read("SELECT key, kind, amount FROM ledger WHERE accepted"):
        kept[whose[key]] += amount if kind == "charge" else -amount
    assert {row.customer_id: row.spent - row.refunded for row in customers} == {one: kept[one] for one in by_customer}
    _the_history_is_whole(simulation, {row.id for row in rows if row.status == "CANCELED"})
    assert (
        simulation.dashboard_service.run(lambda tx: projection.uncompensated(simulation.now + timedelta(days=1), tx))
        == []
    )


def _the_history_is_whole(simulation: Simulation, canceled: set[str]) -> None:
    kept = {row.id for row in simulation.dashboard_service.rows(projection.EVENTS)}
    said = {key for key, event in simulation.said.items() if event["type"] in OF_SAGAS}
    assert kept <= said
    for event in (simulation.said[key] for key in said - kept):
        assert event["id"] in simulation.unheard
        # what is undone is not repeated: not that seats were held, once they are back
        assert event["correlationid"] in canceled
        assert event["type"] not in SAID_UNTIL_HEARD


def _customers() -> Any:
    return projection.customers()


def _summary(rows: list[Any]) -> tuple[Any, ...]:
    statuses = Counter(row.status for row in rows)
    return len(rows), max(row.reserve_date for row in rows), statuses["SUCCEED"], statuses["CANCELED"]
