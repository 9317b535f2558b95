"""The projection is compared with the history and repaired, over HTTP; housekeeping prunes the history."""

from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from sqlite3 import connect
from typing import Any

import pytest

import history_pruning
import rebuild
from choreography import housekeeping
from testbed.hosting import HostedAirline
from testbed.vocabulary import RESERVATION, body_of, event, href, tick
from tests.integration.conftest import Clock

OTHER = "000000000001"
SUCCEEDED = ("ReservationPlaced", "RemainingSeatsDecreased", "Paid", "ReservationConfirmed")


def tell(airline: HostedAirline, *words: str, about: str = RESERVATION) -> None:
    for word in words:
        assert airline.function("project-dashboard").hear(event(word, reservationId=about)).status_code == 204


def tamper(airline: HostedAirline, statement: str) -> None:
    with closing(connect(airline.database("dashboard-projector"))) as connection:
        connection.execute(statement)
        connection.commit()


def rebuilt(airline: HostedAirline, query: str = "") -> dict[str, Any]:
    answer = airline.function("dashboard").post(f"/customerInfos/rebuild{query}")
    assert answer.status_code == 200, answer.text
    return body_of(answer)


def customers(airline: HostedAirline) -> Any:
    return body_of(airline.function("dashboard").get("/customerInfos"))["_embedded"]["customerInfos"]


def count(airline: HostedAirline, table: str) -> int:
    ((number,),) = airline.rows("dashboard-projector", f"SELECT COUNT(*) FROM {table}")
    return int(number)


def test_an_empty_dashboard_is_as_it_should_be(airline: HostedAirline) -> None:
    figures = rebuilt(airline)

    assert figures.pop("seconds") >= 0
    assert figures.pop("examples") == []
    assert set(figures.values()) == {0}


def test_what_was_tampered_with_is_found_and_repaired(airline: HostedAirline) -> None:
    tell(airline, *SUCCEEDED)
    tell(airline, "ReservationPlaced", about=OTHER)
    right = customers(airline)
    tamper(airline, "UPDATE reservations SET customer_id = 8, confirmed = 0")
    tamper(airline, "UPDATE customers SET customer_id = 8, confirmed_count = 0")

    dry = rebuilt(airline, "?dryRun=true")
    assert (dry["events"], dry["reservations"], dry["differing"], dry["repaired"]) == (5, 2, 2, 0)
    assert dry["examples"] == [OTHER, RESERVATION]
    assert customers(airline) != right

    assert rebuilt(airline)["repaired"] == 2
    assert customers(airline) == right
    assert rebuilt(airline)["differing"] == 0


def test_a_projection_that_is_gone_comes_back(airline: HostedAirline) -> None:
    tell(airline, *SUCCEEDED, "ReservationCanceled")
    right = customers(airline)
    tamper(airline, "DELETE FROM reservations")
    tamper(airline, "DELETE FROM customers")
    assert customers(airline) == []

    rebuilt(airline)

    assert customers(airline) == right


def test_an_event_that_comes_meanwhile_is_not_lost(airline: HostedAirline, monkeypatch: pytest.MonkeyPatch) -> None:
    tell(airline, "ReservationPlaced")
    tamper(airline, "UPDATE reservations SET placed = 0")
    repair, projector = rebuild._repair_some, airline.function("project-dashboard")

    def hear_and_repair(identities: Sequence[str], until: float) -> int:
        projector.hear(event("ReservationCanceled"))
        return repair(identities, until)

    monkeypatch.setattr(rebuild, "_repair_some", hear_and_repair)
    assert rebuilt(airline)["repaired"] == 1
    monkeypatch.undo()

    assert rebuilt(airline)["differing"] == 0
    assert customers(airline)[0]["canceledCount"] == 1


def test_a_long_repair_stops_and_the_next_call_goes_on(airline: HostedAirline, monkeypatch: pytest.MonkeyPatch) -> None:
    for about in (RESERVATION, OTHER):
        tell(airline, "ReservationPlaced", about=about)
    tamper(airline, "DELETE FROM reservations")
    monkeypatch.setattr(rebuild, "SECONDS", 0.0)

    figures = [rebuilt(airline) for _ in range(3)]

    assert [(found["differing"], found["repaired"]) for found in figures] == [(2, 1), (1, 1), (0, 0)]


def test_a_rebuild_goes_on_page_by_page_and_counts_the_customers_last(
    airline: HostedAirline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuild, "SECONDS", 0.0)
    monkeypatch.setattr(rebuild, "PAGE", 1)
    for about in (RESERVATION, OTHER):
        tell(airline, "ReservationPlaced", about=about)
    right = customers(airline)
    tamper(airline, "UPDATE customers SET flight_count = 9")

    figures = [rebuilt(airline)]
    while "_links" in figures[-1]:
        figures.append(body_of(airline.function("dashboard").post(href(figures[-1], "next"))))

    assert [found["events"] for found in figures] == [1, 1, 0, 0, 0]
    assert [found["customers"] for found in figures] == [0, 0, 0, 1, 0]
    assert customers(airline) == right


def test_a_place_that_no_rebuild_has_named_is_refused(airline: HostedAirline) -> None:
    assert airline.function("dashboard").post("/customerInfos/rebuild?after=customer-x").status_code == 422


def test_housekeeping_prunes_what_ended_long_ago(airline: HostedAirline, held_clock: Clock) -> None:
    airline.settings["EVENT_HISTORY_DAYS"] = "30"
    tell(airline, *SUCCEEDED)
    tell(airline, "ReservationPlaced", about=OTHER)
    right = customers(airline)

    for days, kept in ((30, 5), (1, 1)):
        held_clock.passes(timedelta(days=days))
        assert airline.function("dashboard-housekeeping").hear(tick()).status_code == 204
        assert count(airline, "events") == kept

    assert customers(airline) == right
    figures = rebuilt(airline)
    assert (figures["events"], figures["withoutHistory"], figures["differing"]) == (1, 1, 0)
    assert airline.function("dashboard").get(f"/reservations/{RESERVATION}/events").status_code == 404


def test_a_tick_prunes_until_its_time_is_over_and_the_next_goes_on(
    airline: HostedAirline, held_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_pruning, "_OLD", history_pruning._OLD.limit(1))
    monkeypatch.setattr(history_pruning, "BATCH", 1)
    for number in range(3):
        tell(airline, *SUCCEEDED, about=f"00000000000{number}")
    held_clock.passes(timedelta(days=366))

    with monkeypatch.context() as hurried:
        hurried.setattr(housekeeping, "SECONDS", 0.0)
        airline.function("dashboard-housekeeping").hear(tick())
    assert count(airline, "events") == 8

    airline.function("dashboard-housekeeping").hear(tick())
    assert count(airline, "events") == 0


def test_a_history_without_bounds_is_never_pruned(airline: HostedAirline, held_clock: Clock) -> None:
    airline.settings["EVENT_HISTORY_DAYS"] = "0"
    tell(airline, *SUCCEEDED)
    held_clock.passes(timedelta(days=10_000))

    airline.function("dashboard-housekeeping").hear(tick())

    assert count(airline, "events") == 4
