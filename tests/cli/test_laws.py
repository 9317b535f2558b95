"""Each law, kept and broken once."""

from typing import Any

import pytest

from client import laws
from client.laws import Books
from tests.cli.sample_books import JUST_NOW, NOW, books, customer, entry, flight, hold, payment, reservation, sound


def broken(found: Books) -> list[tuple[str, str]]:
    return [(difference.law, difference.subject) for difference in laws.judge(found, NOW)]


def test_sound_books_break_no_law() -> None:
    assert broken(books()) == []


@pytest.mark.parametrize(
    ("lists", "law", "subject"),
    [
        ({"flights": [flight(remaining=6)]}, "capacity = remaining + held seats", "1"),
        ({"flights": []}, "capacity = remaining + held seats", "1"),
        ({"holds": []}, "SUCCEED reservations hold their seats", "GOOD"),
        ({"holds": [hold(seats=2)]}, "SUCCEED reservations hold their seats", "GOOD"),
        ({"holds": [hold(), hold("NOBODY")]}, "held seats belong to a live reservation", "NOBODY"),
        ({"holds": [hold(), hold("BACK")]}, "held seats belong to a live reservation", "BACK"),
        ({"ledger": []}, "taken - refunded = value of SUCCEED", "GOOD"),
        ({"ledger": [entry(amount=299)]}, "taken - refunded = value of SUCCEED", "GOOD"),
        ({"ledger": [entry(), entry(kind="refund")]}, "taken - refunded = value of SUCCEED", "GOOD"),
        ({"ledger": [entry(accepted=False)]}, "taken - refunded = value of SUCCEED", "GOOD"),
        ({"ledger": [entry(), entry("BACK")]}, "what is canceled was refunded", "BACK"),
        ({"ledger": [entry(), entry("NOBODY")]}, "what is canceled was refunded", "NOBODY"),
        ({"payments": [payment()]}, "payments = the provider's ledger", "BACK"),
        ({"payments": [payment(status="FAILED")]}, "payments = the provider's ledger", "GOOD"),
        ({"payments": [payment(amount=299)]}, "payments = the provider's ledger", "GOOD"),
        ({"payments": [payment() | {"customerId": 8}]}, "payments = the provider's ledger", "GOOD"),
        ({"payments": [payment("NOBODY")]}, "payments = the provider's ledger", "NOBODY"),
        ({"ledger": [entry(accepted=False)]}, "payments = the provider's ledger", "GOOD"),
        ({"ledger": [entry(), entry("BACK")]}, "payments = the provider's ledger", "BACK"),
        ({"customers": [customer(placed=3)]}, "dashboard = reservations", "7"),
        ({"customers": [customer(confirmed=2, canceled=0)]}, "dashboard = reservations", "7"),
        ({"customers": []}, "dashboard = reservations", "7"),
        ({"customers": [customer(), customer() | {"customerId": 8}]}, "dashboard = reservations", "8"),
        ({"customers": [customer() | {"spent": 599, "refunded": 300}]}, "dashboard = the provider's ledger", "7"),
        ({"customers": [customer() | {"spent": 600, "refunded": 0}]}, "dashboard = the provider's ledger", "7"),
        ({"outboxes": {"payment": {"unsent": 2, "oldest": "2026-03-01T11:00:00Z"}}}, "outboxes are empty", "payment"),
    ],
)
def test_what_is_wrong_breaks_its_law(lists: dict[str, Any], law: str, subject: str) -> None:
    assert (law, subject) in broken(books(**lists))


def asked_by(identity: str, source: str, event_id: str, seats: int = 3) -> dict[str, Any]:
    return reservation(identity) | {"seatQty": seats, "requestedBy": {"source": source, "id": event_id}}


@pytest.mark.parametrize(
    ("source", "event_id"),
    [("/agency/7", "주문-1"), ("/agency/7", "%EC%A3%BC%EB%AC%B8-1"), ("/agency/7", "%25EC%25A3%25BC%25EB%25AC%25B8-1")],
)
def test_two_reservations_for_one_command_break_a_law_whatever_its_letters_became(source: str, event_id: str) -> None:
    made = [asked_by("ONE", "/agency/7", "주문-1"), asked_by("TWO", source, event_id)]
    assert ("one reservation for one command", "ONE = TWO") in broken(Books(reservations=made))


@pytest.mark.parametrize(
    "other",
    [
        asked_by("TWO", "/agency/8", "a b"),
        asked_by("TWO", "/agency/7", "b"),
        asked_by("TWO", "/agency/7", "a%20b", seats=2),
    ],
)
def test_another_source_id_or_wish_is_another_command(other: dict[str, Any]) -> None:
    found = broken(Books(reservations=[asked_by("ONE", "/agency/7", "a b"), other]))
    assert "one reservation for one command" not in dict(found)


def test_one_command_with_two_reservations_breaks_a_law_even_if_they_differ() -> None:
    made = [asked_by("ONE", "/agency/7", "a"), asked_by("TWO", "/agency/7", "a", seats=2)]
    assert ("one reservation for one command", "ONE = TWO") in broken(Books(reservations=made))


def test_reservations_by_http_are_no_commands() -> None:
    made = [reservation(identity) | {"requestedBy": None} for identity in ("ONE", "TWO")]
    assert "one reservation for one command" not in dict(broken(Books(reservations=made)))


@pytest.mark.parametrize("status", ["PENDING", "SUCCEED", "CANCELED"])
def test_what_is_owed_for_longer_than_half_an_hour_breaks_a_law(status: str) -> None:
    unsettled = reservation(status=status) | {"owedSince": "2026-03-01T11:29:59Z"}
    assert ("nothing is owed for long", "GOOD") in broken(Books(reservations=[unsettled]))
    recent = reservation(status=status) | {"owedSince": "2026-03-01T11:30:01Z"}
    assert "nothing is owed for long" not in dict(broken(Books(reservations=[recent])))


@pytest.mark.parametrize(("since", "breaks"), [("2026-03-01T11:29:59Z", True), ("2026-03-01T11:30:01Z", False)])
def test_a_command_that_was_accepted_and_not_done_for_half_an_hour_breaks_a_law(since: str, breaks: bool) -> None:
    box = {"unsent": 0, "oldest": None, "commands": 2, "oldestCommand": since}
    found = broken(books(outboxes={"reserve": box}))
    assert found == ([("no accepted command is owed for long", "reserve")] if breaks else [])


@pytest.mark.parametrize("known", [{"spent": 600, "refunded": 300}, {"spent": None, "refunded": None}, {}])
def test_the_money_of_a_customer_is_what_the_ledger_says_where_it_is_known(known: dict[str, Any]) -> None:
    assert broken(books(customers=[customer() | known])) == []


def test_an_oversold_flight_breaks_two_laws() -> None:
    found = broken(books(flights=[flight(capacity=2, remaining=0)]))
    assert found == [("capacity = remaining + held seats", "1"), ("no flight is oversold", "1")]


def test_a_reservation_that_waits_long_after_its_expiry_breaks_a_law() -> None:
    waiting = reservation(status="PENDING")
    assert ("nothing stays PENDING", "GOOD") in broken(books(reservations=[waiting]))
    still = waiting | {"expiresAt": "2026-03-01T11:55:00Z"}
    assert broken(books(reservations=[still], customers=[customer(1, 0, 0)])) == []


@pytest.mark.parametrize("status", ["SUCCEED", "CANCELED", "PENDING"])
def test_what_is_young_may_still_be_under_way(status: str) -> None:
    young = reservation(status=status, made=JUST_NOW) | {"expiresAt": "2026-03-01T12:15:00Z"}
    found = books(
        reservations=[young],
        payments=[],
        ledger=[],
        holds=[],
        flights=[],
        customers=[customer(1, status == "SUCCEED", status == "CANCELED")],
    )
    assert broken(found) == []


@pytest.mark.parametrize("status", ["CHARGING", "REFUNDING"])
def test_a_payment_that_is_on_its_way_may_differ_from_the_ledger(status: str) -> None:
    assert "payments = the provider's ledger" not in dict(broken(books(payments=[payment(status=status)], ledger=[])))


def test_a_new_row_in_an_outbox_is_not_a_fault() -> None:
    assert broken(books(outboxes={"payment": {"unsent": 1, "oldest": JUST_NOW}})) == []


def test_a_flight_that_costs_something_else_by_now_changes_nothing_of_what_was_paid() -> None:
    assert broken(books(flights=[flight(cost=999)])) == []


def test_only_the_laws_about_the_asked_kind_are_judged() -> None:
    everything_wrong = Books(**(sound() | {"flights": [], "customers": [], "ledger": []}))
    assert {difference.kind for difference in laws.judge(everything_wrong, NOW, ["customer"])} == {"customer"}


def test_totals_are_sums_over_the_books() -> None:
    totals = laws.totals(books())
    assert {name: totals[name] for name in ("SUCCEED", "CANCELED", "heldSeats", "taken", "refunded", "unsent")} == {
        "SUCCEED": 1,
        "CANCELED": 1,
        "heldSeats": 3,
        "taken": 600,
        "refunded": 300,
        "unsent": 0,
    }
