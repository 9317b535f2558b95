"""Reconcile against live data: what stays wrong is reported, what is only temporary is not."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airline import saga
from client import accounts, lists, reading
from client.gateway import Airline
from client.laws import Books, Difference
from tests.cli.conftest import Output
from tests.cli.fake_airline import FakeAirline
from tests.cli.sample_books import customer, entry, flight, hold

Typed = Callable[..., Output]
NOW = ("reconcile", "--patience", "0", "--json")


def test_sound_books_end_well(typed: Typed) -> None:
    said = typed("reconcile", "--json")
    assert said.code == 0
    assert (said.json["holds"], said.json["suspected"]) == (True, 0)
    assert "BROKEN" not in typed("reconcile").out


@pytest.mark.parametrize(
    ("resource", "items", "law"),
    [
        ("flights", [flight(remaining=6)], "capacity = remaining + held seats"),
        ("holds", [hold(), hold("BACK")], "held seats belong to a live reservation"),
        ("holds", [hold(status="RELEASED")], "SUCCEED reservations hold their seats"),
        ("ledger", [entry(), entry("BACK")], "what is canceled was refunded"),
        ("customerInfos", [customer(placed=3)], "dashboard = reservations"),
    ],
)
def test_a_broken_law_is_reported(typed: Typed, fake: FakeAirline, resource: str, items: list[Any], law: str) -> None:
    fake.lists[resource] = items
    said = typed(*NOW)
    assert (said.code, said.json["holds"]) == (1, False)
    assert said.json["laws"][law]
    table = typed("reconcile", "--patience", "0")
    assert (table.code, "BROKEN" in table.out, law in table.out) == (1, True, True)


def test_how_long_something_may_be_owed_is_for_the_operator_to_say(typed: Typed, fake: FakeAirline) -> None:
    fake.lists["reservations"][0]["owedSince"] = "2026-03-01T11:00:00Z"
    said = typed(*NOW)
    assert [one["reservation"] for one in said.json["laws"]["nothing is owed for long"]] == ["GOOD"]
    assert typed(*NOW, "--owed-minutes", "99999999").code == 0


@pytest.mark.parametrize(("hours", "broken"), [(1, True), (0, False), (-1, False)])
def test_what_is_owed_for_long_is_judged_by_the_clock_of_the_airline(
    typed: Typed, fake: FakeAirline, hours: int, broken: bool
) -> None:
    fake.ahead = timedelta(hours=hours)
    fake.lists["reservations"][0]["owedSince"] = datetime.now(UTC).isoformat()
    assert bool(typed(*NOW).json["laws"]["nothing is owed for long"]) == broken


def test_a_second_reservation_for_a_command_is_reported_with_the_first(typed: Typed, fake: FakeAirline) -> None:
    first, second = fake.lists["reservations"]
    second["requestedBy"] = {"source": "/agency/7", "id": first["requestedBy"]["id"].replace(" ", "%20")}
    said = typed(*NOW)
    assert [one["command"] for one in said.json["laws"]["one reservation for one command"]] == ["BACK = GOOD"]


def test_a_check_of_the_laws_goes_on_where_it_was_interrupted(
    typed: Typed, fake: FakeAirline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake.lists["reservations"] += [fake.lists["reservations"][0] | {"reservationId": f"MORE{n}"} for n in range(4)]
    monkeypatch.setattr(lists, "PAGE", 1)
    whole, place, entered = typed(*NOW).json, tmp_path / "place", list[str]()
    enter = accounts.enter

    def interrupted(books: accounts.Accounts, window: Books, *rest: Any) -> None:
        if len(entered) == 3:
            entered.append("interrupted")
            raise KeyboardInterrupt
        enter(books, window, *rest)
        entered.extend(one["reservationId"] for one in window.reservations)

    monkeypatch.setattr(accounts, "enter", interrupted)
    assert typed(*NOW, "--place", str(place)).code != 0
    said = typed(*NOW, "--place", str(place))

    assert entered == ["BACK", "GOOD", "MORE0", "interrupted", "MORE1", "MORE2", "MORE3"]
    assert whole["totals"]["reservations"] == 6
    assert {**said.json, "seconds": 0} == {**whole, "seconds": 0}
    assert not place.exists()


def test_a_check_that_was_interrupted_among_the_customers_counts_no_flight_twice(
    typed: Typed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole, place = typed(*NOW).json, tmp_path / "place"
    with monkeypatch.context() as broken:
        broken.setattr(accounts, "of_customers", interrupted)
        assert typed(*NOW, "--place", str(place)).code != 0

    said = typed(*NOW, "--place", str(place)).json

    assert whole["totals"]["flights"] == 1
    assert {**said, "seconds": 0} == {**whole, "seconds": 0}


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_what_seats_cost_is_read_again_by_who_goes_on(
    typed: Typed, fake: FakeAirline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = tmp_path / "place"
    fake.lists["holds"] = [hold() | {"amount": None}]  # as an earlier release left it
    fake.lists["flights"] = [flight(cost=1)]
    with monkeypatch.context() as broken:
        broken.setattr(accounts, "enter", interrupted)
        assert typed(*NOW, "--place", str(place)).code != 0
    assert typed(*NOW).json["laws"]["taken - refunded = value of SUCCEED"]
    fake.lists["flights"] = [flight()]

    assert typed(*NOW, "--place", str(place)).code == 0


def test_a_file_of_something_else_keeps_no_place(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "place").write_text("a letter to a friend, longer than the head of a database file is" * 9)
    assert "cannot keep the place" in typed("reconcile", "--place", str(tmp_path / "place")).err


def test_unsent_events_break_a_law(typed: Typed, fake: FakeAirline) -> None:
    fake.outboxes["payment"] = {"unsent": 3, "oldest": "2026-03-01T11:00:00Z"}
    assert typed(*NOW).json["laws"]["outboxes are empty"][0]["outbox"] == "payment"


def test_a_difference_that_vanishes_is_not_reported(
    typed: Typed, fake: FakeAirline, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.lists["flights"] = [flight(remaining=6)]
    look = reading.again

    def mended_meanwhile(airline: Airline, difference: Difference, holds: reading.Holds) -> Any:
        fake.lists["flights"] = [flight()]
        return look(airline, difference, holds)

    monkeypatch.setattr(reading, "again", mended_meanwhile)
    said = typed("reconcile", "--json")
    assert (said.code, said.json["suspected"], said.json["holds"]) == (0, 1, True)


def test_what_changes_at_every_look_is_reported_as_busy_and_breaks_no_law(typed: Typed, fake: FakeAirline) -> None:
    fake.lists["customerInfos"] = [customer(placed=3)]
    fake.lists["reservations"][0]["status"] = "PENDING"
    fake.lists["reservations"][0]["expiresAt"] = "2999-01-01T00:00:00Z"
    said = typed(*NOW)
    assert said.code == 0
    assert [one["customer"] for one in said.json["busy"]] == ["7"]


def test_a_dashboard_that_has_not_heard_of_a_reservation_that_is_not_settled_breaks_nothing(
    typed: Typed, fake: FakeAirline
) -> None:
    fake.lists["customerInfos"] = [customer(placed=1)]
    fake.lists["reservations"][0]["owedSince"] = datetime.now(UTC).isoformat()
    said = typed(*NOW)
    assert (said.code, [one["customer"] for one in said.json["busy"]]) == (0, ["7"])


def test_a_dashboard_that_has_heard_how_a_reservation_ended_must_count_it_although_it_is_not_settled(
    typed: Typed, fake: FakeAirline
) -> None:
    fake.lists["customerInfos"] = [customer(placed=1)]
    for made in fake.lists["reservations"]:
        made["owedSince"] = datetime.now(UTC).isoformat()
        said = [{"type": "ReservationPlaced"}, {"type": saga.ENDS[made["status"]].__name__}]
        fake.events[made["reservationId"]] = {"_embedded": {"events": said}}
    found = typed(*NOW)
    assert (found.code, [one["customer"] for one in found.json["laws"]["dashboard = reservations"]]) == (1, ["7"])
    fake.events["GOOD"]["_embedded"]["events"].pop()
    found = typed(*NOW)
    assert (found.code, [one["customer"] for one in found.json["busy"]]) == (0, ["7"])


def test_a_dashboard_that_follows_a_busy_customer_breaks_nothing(
    typed: Typed, fake: FakeAirline, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.lists["customerInfos"] = [customer(placed=3)]
    look = reading.again

    def one_more(airline: Airline, difference: Difference, holds: reading.Holds) -> Any:
        fake.lists["customerInfos"] = [customer(placed=4)]
        return look(airline, difference, holds)

    monkeypatch.setattr(reading, "again", one_more)
    assert (typed(*NOW).code, typed("reconcile", "--patience", "0").code) == (0, 1)


def test_rows_that_come_twice_while_pages_shift_count_once(typed: Typed, fake: FakeAirline) -> None:
    fake.lists["holds"] = [hold(), hold()]
    assert typed(*NOW).code == 0


def test_only_one_subject_is_read_again(typed: Typed, fake: FakeAirline, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.lists["ledger"] = [entry(), entry("BACK")]
    seen: list[Books | reading.Busy] = []
    look = reading.again

    def noted(airline: Airline, difference: Difference, holds: reading.Holds) -> Any:
        seen.append(look(airline, difference, holds))
        return seen[-1]

    monkeypatch.setattr(reading, "again", noted)
    typed(*NOW)
    assert len(seen) == 2, "once for each of the laws that it breaks"
    for books in seen:
        assert isinstance(books, Books)
        assert [reservation["reservationId"] for reservation in books.reservations] == ["BACK"]
