"""Whole sagas that cross themselves, each told out: what the model does at random, by name."""

from dataclasses import replace
from functools import partial
from random import Random

import pytest

import projection
from tests.unit import laws
from tests.unit.customer import wish
from tests.unit.story import Story, Unrest
from tests.unit.world import HOUSEKEEPING, PROVIDER, Delivery, Mishap, World


class Tale:
    """One flight of five seats at 100, and reservations on it."""

    def __init__(self, world: World) -> None:
        self.world, self.story = world, Story(world)
        self.customer = self.story.customer
        self.story.add_flight(seats=5, cost=100)

    def books(self, **what: object) -> str:
        """The id of a new reservation for two."""
        self.story.book(wish(**({"flight": 1, "seats": 2} | what)), Mishap.NONE)  # type: ignore[arg-type]
        return self.customer.known[-1]

    def books_by_command(self) -> str:
        """The id that was promised to a command."""
        promised = self.customer.order(1, **wish(flight=1))
        assert promised
        return promised

    def on_its_way(self, type_: str | None, policy: str) -> Delivery:
        """The delivery of the latest event, of that type if it is named, to that policy."""
        found = [one for one in self.world.pending if one.policy.name == policy]
        return [one for one in found if type_ in (None, one.envelope.type)][-1]

    def hears(self, policy: str, type_: str | None = None) -> None:
        self.world.deliver(self.on_its_way(type_, policy))

    def gives_up(self, policy: str) -> None:
        """The broker gives up the latest delivery to that policy, and nobody replays it."""
        self.world.give_up(self.on_its_way(None, policy))

    def rests(self) -> None:
        self.story.end(Random(1), partial(laws.never_oversold, self.world), Unrest())
        laws.at_rest(self.world, self.customer.unwanted)

    def outcome(self, reservation: str) -> tuple[str, str, str, int]:
        """At rest: the status of the reservation, of its hold and of its payment, and all money of the airline."""
        self.rests()
        status = laws.statuses(self.world)
        ledger = self.world.bank.read("SELECT kind, amount FROM ledger WHERE accepted")
        money = sum(amount if kind == "charge" else -amount for kind, amount in ledger)
        return *(status.get((kind, reservation), "") for kind in ("reservation", "hold", "payment")), money

    def reason(self, reservation: str) -> str:
        """What the customer reads."""
        found = dict(self.world.desk.read("SELECT id, reason FROM reservations"))
        return str(found[reservation])


@pytest.fixture
def tale(monkeypatch: pytest.MonkeyPatch) -> Tale:
    return Tale(World(monkeypatch))


def test_a_saga_without_misfortune_succeeds_or_says_why_not(tale: Tale) -> None:
    assert tale.outcome(tale.books()) == ("SUCCEED", "HELD", "PAID", 200)
    assert tale.outcome(tale.books(method="decline")) == ("CANCELED", "RELEASED", "FAILED", 200)
    assert tale.outcome(tale.books(seats=4)) == ("CANCELED", "REFUSED", "CANCELED", 200)


def test_a_cancel_that_overtakes_everything_leaves_nothing_to_do(tale: Tale) -> None:
    unwanted = tale.books()
    tale.customer.cancel(unwanted)
    tale.hears("restore-seats", "ReservationCanceled")
    tale.hears("refund-payment", "ReservationCanceled")
    tale.hears("decrease-seats", "ReservationPlaced")
    assert tale.outcome(unwanted) == ("CANCELED", "CANCELED", "CANCELED", 0)


def test_a_refund_that_overtakes_its_charge_leaves_nothing_to_charge(tale: Tale) -> None:
    unwanted = tale.books()
    tale.hears("decrease-seats", "ReservationPlaced")
    tale.customer.cancel(unwanted)
    tale.hears("refund-payment", "ReservationCanceled")
    tale.hears("charge-payment", "RemainingSeatsDecreased")
    assert tale.outcome(unwanted) == ("CANCELED", "RELEASED", "CANCELED", 0)
    assert tale.world.asked == {}


@pytest.mark.parametrize(
    ("so_far", "end"),
    [(1, "FAILED"), (2, "REFUNDED"), (3, "REFUNDED")],
    ids=["before the provider is asked", "before its answer is recorded", "before the answer is said"],
)
def test_a_refund_that_crosses_its_charge_undoes_what_was_done_of_it(tale: Tale, so_far: int, end: str) -> None:
    unwanted = tale.books()
    tale.hears("decrease-seats", "ReservationPlaced")
    charge = tale.world.start(tale.on_its_way("RemainingSeatsDecreased", "charge-payment"))
    tale.world.go_on(charge, so_far)
    tale.customer.cancel(unwanted)
    tale.hears("refund-payment", "ReservationCanceled")
    assert tale.outcome(unwanted) == ("CANCELED", "RELEASED", end, 0)


@pytest.mark.parametrize("refund_comes", ["around", "between"])
def test_a_refund_that_is_decided_while_the_charge_is_recorded_is_not_forgotten(tale: Tale, refund_comes: str) -> None:
    unwanted = tale.books()
    tale.hears("decrease-seats", "ReservationPlaced")
    charge = tale.world.start(tale.on_its_way("RemainingSeatsDecreased", "charge-payment"))
    tale.world.go_on(charge, 2)
    tale.customer.cancel(unwanted)
    record = partial(tale.world.go_on, charge)
    refund = partial(tale.hears, "refund-payment", "ReservationCanceled")
    outer, inner = (refund, record) if refund_comes == "around" else (record, refund)
    with tale.world.crossings.before(0, inner):
        outer()
    assert tale.world.crossings.met == 1
    assert tale.outcome(unwanted) == ("CANCELED", "RELEASED", "REFUNDED", 0)


@pytest.mark.parametrize("died_after", [1, 2])
def test_a_charge_whose_process_and_event_are_gone_is_finished_by_housekeeping(tale: Tale, died_after: int) -> None:
    booked = tale.books()
    tale.hears("decrease-seats", "ReservationPlaced")
    lost = tale.on_its_way("RemainingSeatsDecreased", "charge-payment")
    tale.world.go_on(tale.world.start(lost), died_after)
    tale.world.working.clear()
    tale.world.pending.remove(lost)
    tale.world.later(minutes=3)
    tale.world.keep_house("payments")
    assert tale.outcome(booked) == ("SUCCEED", "HELD", "PAID", 200)


def test_a_reservation_whose_event_is_lost_for_good_expires_and_everything_goes_back(tale: Tale) -> None:
    forgotten = tale.books()
    tale.hears("decrease-seats", "ReservationPlaced")
    tale.hears("charge-payment", "RemainingSeatsDecreased")
    tale.world.pending.remove(tale.on_its_way("Paid", "confirm-reservation"))
    assert tale.outcome(forgotten) == ("CANCELED", "RELEASED", "REFUNDED", 0)


def test_a_payment_that_comes_after_the_expiry_is_given_back(tale: Tale) -> None:
    late = tale.books()
    tale.hears("decrease-seats", "ReservationPlaced")
    tale.hears("charge-payment", "RemainingSeatsDecreased")
    tale.world.later(minutes=16)
    tale.world.keep_house("reservations")
    tale.hears("confirm-reservation", "Paid")
    assert tale.outcome(late) == ("CANCELED", "RELEASED", "REFUNDED", 0)


def test_a_payment_that_comes_after_housekeeping_made_its_list_is_in_time(tale: Tale) -> None:
    booked = tale.books()
    tale.hears("decrease-seats", "ReservationPlaced")
    tale.hears("charge-payment", "RemainingSeatsDecreased")
    tale.world.later(minutes=16)
    (listed,) = tale.story.overdue()
    tale.hears("confirm-reservation", "Paid")
    tale.world.do(listed)
    assert tale.outcome(booked) == ("SUCCEED", "HELD", "PAID", 200)


@pytest.mark.parametrize("statement", range(3))
def test_an_expiry_that_crosses_the_payment_never_undoes_what_was_confirmed(tale: Tale, statement: int) -> None:
    tale.books()
    tale.hears("decrease-seats", "ReservationPlaced")
    tale.hears("charge-payment", "RemainingSeatsDecreased")
    tale.world.later(minutes=16)
    (listed,) = tale.story.overdue()
    paid = tale.on_its_way("Paid", "confirm-reservation")
    with tale.world.crossings.before(statement, partial(tale.world.deliver, paid)):
        tale.world.do(listed)
    assert tale.world.crossings.met == 1
    tale.rests()


def test_a_declined_payment_that_crosses_the_cancel_gives_the_seats_back_once(tale: Tale) -> None:
    unwanted = tale.books(method="decline")
    tale.hears("decrease-seats", "ReservationPlaced")
    tale.hears("charge-payment", "RemainingSeatsDecreased")
    tale.customer.cancel(unwanted)
    tale.hears("cancel-reservation", "PaymentFailed")
    assert tale.outcome(unwanted) == ("CANCELED", "RELEASED", "FAILED", 0)
    assert tale.reason(unwanted) == "canceled by customer"


def test_two_cancels_are_one_and_the_first_reason_is_what_everybody_reads(tale: Tale) -> None:
    unwanted = tale.books()
    tale.hears("decrease-seats", "ReservationPlaced")
    tale.customer.cancel(unwanted, by="PATCH")
    tale.hears("refund-payment", "ReservationCanceled")
    tale.customer.cancel(unwanted, by="DELETE")
    tale.customer.cancel(unwanted, by="command")
    assert tale.outcome(unwanted) == ("CANCELED", "RELEASED", "CANCELED", 0)
    assert tale.reason(unwanted) == "rain"


def test_two_cancels_that_cross_are_one(tale: Tale) -> None:
    unwanted = tale.books()
    tale.hears("decrease-seats", "ReservationPlaced")
    tale.hears("charge-payment", "RemainingSeatsDecreased")
    with tale.world.crossings.before(0, partial(tale.customer.cancel, unwanted, by="PATCH")):
        tale.customer.cancel(unwanted, by="DELETE")
    assert tale.world.crossings.met == 1
    assert tale.outcome(unwanted) == ("CANCELED", "RELEASED", "REFUNDED", 0)
    assert tale.reason(unwanted) == "rain"


def test_a_cancel_that_comes_into_the_confirmation_is_refunded_once(tale: Tale) -> None:
    unwanted = tale.books()
    tale.hears("decrease-seats", "ReservationPlaced")
    tale.hears("charge-payment", "RemainingSeatsDecreased")
    with tale.world.crossings.before(0, partial(tale.customer.cancel, unwanted)):
        tale.hears("confirm-reservation", "Paid")
    assert tale.world.crossings.met == 1
    assert tale.outcome(unwanted) == ("CANCELED", "RELEASED", "REFUNDED", 0)


def test_a_confirmation_that_comes_into_the_cancel_is_undone(tale: Tale) -> None:
    unwanted = tale.books()
    tale.hears("decrease-seats", "ReservationPlaced")
    tale.hears("charge-payment", "RemainingSeatsDecreased")
    with tale.world.crossings.before(0, partial(tale.hears, "confirm-reservation", "Paid")):
        tale.customer.cancel(unwanted)
    assert tale.world.crossings.met == 1
    assert tale.outcome(unwanted) == ("CANCELED", "RELEASED", "REFUNDED", 0)


def test_a_cancel_that_crosses_the_decrease_leaves_no_seat_held(tale: Tale) -> None:
    unwanted = tale.books()
    placed = tale.on_its_way("ReservationPlaced", "decrease-seats")
    tale.customer.cancel(unwanted)
    with tale.world.crossings.before(0, partial(tale.hears, "restore-seats", "ReservationCanceled")):
        tale.world.deliver(placed)
    assert tale.world.crossings.met == 1
    assert tale.outcome(unwanted) == ("CANCELED", "CANCELED", "CANCELED", 0)


@pytest.mark.parametrize("so_far", [1, 2])
def test_a_charge_delivered_twice_at_once_is_charged_once(tale: Tale, so_far: int) -> None:
    booked = tale.books()
    tale.hears("decrease-seats", "ReservationPlaced")
    charge = tale.on_its_way("RemainingSeatsDecreased", "charge-payment")
    tale.world.go_on(tale.world.start(charge), so_far)
    tale.world.deliver(replace(charge))
    assert tale.outcome(booked) == ("SUCCEED", "HELD", "PAID", 200)


@pytest.mark.parametrize("statement", range(2))
def test_a_cancel_that_crosses_its_reservation_waits_until_it_is_placed(tale: Tale, statement: int) -> None:
    promised = tale.books_by_command()
    tale.customer.cancel(promised, by="command")
    request = tale.on_its_way("ReservationRequested", "place-reservation")
    with tale.world.crossings.before(statement, partial(tale.world.deliver, request)):
        tale.hears("cancel-reservation", "CancellationRequested")
    assert tale.world.crossings.met == 1
    tale.rests()
    assert tale.reason(promised) == "canceled by customer"


@pytest.mark.parametrize("canceled", [False, True], ids=["confirmed", "canceled"])
def test_whatever_is_heard_twice_or_again_after_the_end_changes_nothing(tale: Tale, canceled: bool) -> None:
    booked = tale.books()
    for _ in range(6):
        for found in list(tale.world.pending):
            tale.world.deliver(replace(found))
            tale.world.deliver(found)
    if canceled:
        tale.customer.cancel(booked)
    end = tale.outcome(booked)
    tale.story.say_everything_again()
    assert tale.outcome(booked) == end
    assert end[0] == ("CANCELED" if canceled else "SUCCEED")


def test_a_changed_price_is_not_the_price_of_those_who_have_seats(tale: Tale) -> None:
    booked = tale.books()
    tale.hears("decrease-seats", "ReservationPlaced")
    tale.story.change_flight(0, cost=999)
    tale.story.say_everything_again()
    assert tale.outcome(booked) == ("SUCCEED", "HELD", "PAID", 200)


def test_a_provider_that_is_away_until_the_reservation_expired_never_charges_it(tale: Tale) -> None:
    late = tale.books()
    tale.hears("decrease-seats", "ReservationPlaced")
    tale.world.away.add(PROVIDER)
    tale.hears("charge-payment", "RemainingSeatsDecreased")
    tale.gives_up("charge-payment")
    tale.world.later(minutes=16)
    tale.world.keep_house("reservations")
    tale.hears("refund-payment", "ReservationCanceled")
    tale.gives_up("refund-payment")
    tale.world.later(hours=60)
    tale.world.keep_house("payments")
    assert tale.outcome(late) == ("CANCELED", "RELEASED", "FAILED", 0)
    assert tale.world.asked.keys() == {("undo", late)}, "the provider was never asked for money"


@pytest.mark.parametrize("housekeeping", ["reservations", "payments"])
def test_a_charge_that_nobody_finished_in_time_is_not_made_whichever_housekeeping_comes_first(
    tale: Tale, housekeeping: str
) -> None:
    late = tale.books()
    tale.hears("decrease-seats", "ReservationPlaced")
    tale.world.away.add(PROVIDER)
    tale.hears("charge-payment", "RemainingSeatsDecreased")
    tale.gives_up("charge-payment")
    tale.world.away.clear()
    tale.world.later(minutes=16)
    tale.world.keep_house(housekeeping)
    assert tale.outcome(late) == ("CANCELED", "RELEASED", "FAILED", 0)
    assert tale.reason(late) == "expired"
    assert ("charge", late) not in tale.world.asked


def test_a_provider_that_is_back_in_time_charges_and_the_reservation_succeeds(tale: Tale) -> None:
    booked = tale.books()
    tale.hears("decrease-seats", "ReservationPlaced")
    tale.world.away.add(PROVIDER)
    tale.hears("charge-payment", "RemainingSeatsDecreased")
    tale.gives_up("charge-payment")
    tale.world.away.clear()
    tale.world.later(minutes=5)
    tale.world.keep_house("payments")
    tale.hears("confirm-reservation", "Paid")
    assert tale.outcome(booked) == ("SUCCEED", "HELD", "PAID", 200)


@pytest.mark.parametrize("away", [False, True], ids=["and is there", "and is away when it has to undo it"])
def test_money_that_the_provider_took_without_an_answer_goes_back_once_after_a_cancel(tale: Tale, away: bool) -> None:
    unwanted = tale.books()
    tale.hears("decrease-seats", "ReservationPlaced")
    with tale.world.going_wrong(Mishap.UNANSWERED):
        tale.hears("charge-payment", "RemainingSeatsDecreased")
    tale.gives_up("charge-payment")
    tale.customer.cancel(unwanted)
    if away:
        tale.world.away.add(PROVIDER)
    tale.hears("refund-payment", "ReservationCanceled")
    if away:
        tale.gives_up("refund-payment")
    assert tale.outcome(unwanted) == ("CANCELED", "RELEASED", "REFUNDED", 0)
    assert tale.world.bank.read("SELECT kind, amount FROM ledger ORDER BY kind") == [("charge", 200), ("refund", 200)]


def test_a_cancel_that_meets_a_charge_of_unknown_outcome_is_remembered_at_once(tale: Tale) -> None:
    unwanted = tale.books()
    tale.hears("decrease-seats", "ReservationPlaced")
    tale.world.away.add(PROVIDER)
    tale.hears("charge-payment", "RemainingSeatsDecreased")
    tale.customer.cancel(unwanted)
    tale.hears("refund-payment", "ReservationCanceled")
    assert laws.statuses(tale.world)["payment", unwanted] == "REFUNDING"
    tale.world.away.clear()
    tale.hears("charge-payment", "RemainingSeatsDecreased")
    assert tale.outcome(unwanted) == ("CANCELED", "RELEASED", "FAILED", 0)
    assert tale.world.asked.keys() == {("undo", unwanted)}


@pytest.mark.parametrize(
    ("given_up", "heard", "end"),
    [
        ("decrease-seats", [], ("CANCELED", "CANCELED", "CANCELED", 0)),
        ("charge-payment", ["decrease-seats"], ("CANCELED", "RELEASED", "CANCELED", 0)),
        ("confirm-reservation", ["decrease-seats", "charge-payment"], ("CANCELED", "RELEASED", "REFUNDED", 0)),
    ],
)
def test_a_step_that_was_given_up_lets_the_reservation_expire_and_everything_goes_back(
    tale: Tale, given_up: str, heard: list[str], end: tuple[str, str, str, int]
) -> None:
    forgotten = tale.books()
    for policy in heard:
        tale.hears(policy)
    tale.gives_up(given_up)
    tale.world.later(minutes=16)
    tale.world.keep_house("reservations")
    assert tale.outcome(forgotten) == end
    assert tale.reason(forgotten) == "expired"


@pytest.mark.parametrize("given_up", ["decrease-seats", "charge-payment", "confirm-reservation"])
def test_a_step_that_was_given_up_is_made_before_the_expiry_when_reserve_says_it_again(
    tale: Tale, given_up: str
) -> None:
    booked = tale.books()
    for policy in ("decrease-seats", "charge-payment", "confirm-reservation"):
        if policy == given_up:
            tale.gives_up(policy)
            break
        tale.hears(policy)
    tale.world.later(minutes=11)
    tale.world.keep_house("reservations")
    for policy in ("decrease-seats", "charge-payment", "confirm-reservation"):
        tale.hears(policy)
    assert tale.outcome(booked) == ("SUCCEED", "HELD", "PAID", 200)


@pytest.mark.parametrize("given_up", [["restore-seats"], ["refund-payment"], ["restore-seats", "refund-payment"]])
@pytest.mark.parametrize("paid", [False, True], ids=["not paid yet", "confirmed"])
def test_a_compensation_that_was_given_up_is_asked_for_again_and_finished(
    tale: Tale, given_up: list[str], paid: bool
) -> None:
    unwanted = tale.books()
    tale.hears("decrease-seats")
    if paid:
        tale.hears("charge-payment")
        tale.hears("confirm-reservation")
    else:
        tale.gives_up("charge-payment")
    tale.customer.cancel(unwanted)
    for policy in given_up:
        tale.gives_up(policy)
    assert tale.outcome(unwanted) == ("CANCELED", "RELEASED", "REFUNDED" if paid else "CANCELED", 0)


def test_nobody_is_charged_for_what_is_canceled_when_reserve_says_it_again(tale: Tale) -> None:
    unwanted = tale.books()
    tale.hears("decrease-seats")
    tale.gives_up("charge-payment")
    tale.customer.cancel(unwanted)
    for policy in ("restore-seats", "refund-payment"):
        tale.gives_up(policy)
    for _ in range(9):
        tale.world.later(minutes=11)
        tale.world.keep_house("reservations")
    for delivery in sorted(tale.world.pending, key=lambda found: found.envelope.type == "ReservationCanceled"):
        tale.world.deliver(delivery)
    assert tale.outcome(unwanted) == ("CANCELED", "RELEASED", "CANCELED", 0)
    assert tale.world.asked == {}


@pytest.mark.parametrize("end", ["SUCCEED", "CANCELED", "REFUSED"])
def test_a_dashboard_that_was_away_for_a_whole_saga_is_right_at_the_end(tale: Tale, end: str) -> None:
    booked = tale.books(seats=9 if end == "REFUSED" else 2)
    for delivery in iter(lambda: next((one for one in tale.world.pending if one.module != "projection"), None), None):
        tale.world.deliver(delivery)
    if end == "CANCELED":
        tale.customer.cancel(booked)
        tale.hears("restore-seats")
        tale.hears("refund-payment")
    for delivery in list(tale.world.pending):
        tale.world.give_up(delivery)
    assert tale.world.board.rows(projection.RESERVATIONS) == []
    tale.rests()
    (row,) = tale.world.board.run(lambda tx: list(tx.execute(projection.customers())))
    assert tuple(row)[3:] == ((1, 0) if end == "SUCCEED" else (0, 1))


def test_a_report_that_is_lost_is_made_again(tale: Tale) -> None:
    tale.books()
    for policy in ("decrease-seats", "charge-payment", "confirm-reservation"):
        tale.hears(policy)
    for delivery in list(tale.world.pending):
        tale.world.deliver(delivery)
    tale.world.keep_house("projection")
    tale.gives_up("settle-reservations")
    assert laws.owed(tale.world)
    tale.rests()


def test_a_report_that_was_overtaken_by_the_cancel_settles_nothing(tale: Tale) -> None:
    unwanted = tale.books()
    for policy in ("decrease-seats", "charge-payment", "confirm-reservation"):
        tale.hears(policy)
    for delivery in list(tale.world.pending):
        tale.world.deliver(delivery)
    tale.world.keep_house("projection")
    tale.customer.cancel(unwanted)
    for policy in ("restore-seats", "refund-payment"):
        tale.gives_up(policy)
    tale.hears("settle-reservations")
    assert laws.owed(tale.world) == [unwanted]
    assert tale.outcome(unwanted) == ("CANCELED", "RELEASED", "REFUNDED", 0)


def test_a_payment_of_a_canceled_reservation_leads_to_its_refund(tale: Tale) -> None:
    late = tale.books()
    tale.hears("decrease-seats")
    tale.hears("charge-payment")
    tale.customer.cancel(late)
    for policy in ("restore-seats", "refund-payment"):
        tale.gives_up(policy)
    tale.hears("confirm-reservation", "Paid")
    tale.hears("refund-payment", "ReservationCanceled")
    assert laws.statuses(tale.world)["payment", late] == "REFUNDED"
    assert tale.outcome(late) == ("CANCELED", "RELEASED", "REFUNDED", 0)


@pytest.mark.parametrize("module", ["reservations", "flights", "payments", "projection"])
@pytest.mark.parametrize("canceled", [False, True])
def test_a_database_that_is_away_for_a_weekend_is_caught_up_with(tale: Tale, module: str, canceled: bool) -> None:
    booked = tale.books()
    if canceled:
        for policy in ("decrease-seats", "charge-payment", "confirm-reservation"):
            tale.hears(policy)
        tale.customer.cancel(booked)
    tale.world.away.add(module)
    for _ in range(6):
        for delivery in list(tale.world.pending):
            tale.world.deliver(delivery)
    for delivery in list(tale.world.pending):
        tale.world.give_up(delivery)
    for _ in range(6):
        tale.world.later(hours=10)
        for house in HOUSEKEEPING:
            tale.world.keep_house(house)
    tale.rests()
