"""Whole sagas that cross themselves, each played to its end: what the model does at random, by name."""

from dataclasses import replace
from functools import partial
from random import Random

import pytest

import projection
from tests.model import model_laws
from tests.model.customer import wish
from tests.model.scenario import Scenario, Unrest
from tests.model.simulation import HOUSEKEEPING, PROVIDER, Delivery, Mishap, Simulation


class AirlineWithOneFlight:
    """One flight of five seats at 100, and reservations on it."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation, self.scenario = simulation, Scenario(simulation)
        self.customer = self.scenario.customer
        self.scenario.add_flight(seats=5, cost=100)

    def books(self, **what: object) -> str:
        """The id of a new reservation for two."""
        self.scenario.book(wish(**({"flight": 1, "seats": 2} | what)), Mishap.NONE)  # type: ignore[arg-type]
        return self.customer.known[-1]

    def books_by_command(self) -> str:
        """The id that was promised to a command."""
        promised = self.customer.order(1, **wish(flight=1))
        assert promised
        return promised

    def on_its_way(self, type_: str | None, policy: str) -> Delivery:
        """The delivery of the latest event, of that type if it is named, to that policy."""
        found = [one for one in self.simulation.pending if one.policy.name == policy]
        return [one for one in found if type_ in (None, one.envelope.type)][-1]

    def hears(self, policy: str, type_: str | None = None) -> None:
        self.simulation.deliver(self.on_its_way(type_, policy))

    def gives_up(self, policy: str) -> None:
        """The broker gives up the latest delivery to that policy, and it is never replayed."""
        self.simulation.give_up(self.on_its_way(None, policy))

    def rests(self) -> None:
        self.scenario.end(Random(1), partial(model_laws.never_oversold, self.simulation), Unrest())
        model_laws.at_rest(self.simulation, self.customer.unwanted)

    def outcome(self, reservation: str) -> tuple[str, str, str, int]:
        """At rest: the status of the reservation, of its hold and of its payment, and all money of the airline."""
        self.rests()
        status = model_laws.statuses(self.simulation)
        ledger = self.simulation.provider_service.read("SELECT kind, amount FROM ledger WHERE accepted")
        money = sum(amount if kind == "charge" else -amount for kind, amount in ledger)
        return *(status.get((kind, reservation), "") for kind in ("reservation", "hold", "payment")), money

    def reason(self, reservation: str) -> str:
        """What the customer reads."""
        found = dict(self.simulation.reserve_service.read("SELECT id, reason FROM reservations"))
        return str(found[reservation])


@pytest.fixture
def airline(monkeypatch: pytest.MonkeyPatch) -> AirlineWithOneFlight:
    return AirlineWithOneFlight(Simulation(monkeypatch))


def test_a_saga_without_misfortune_succeeds_or_says_why_not(airline: AirlineWithOneFlight) -> None:
    assert airline.outcome(airline.books()) == ("SUCCEED", "HELD", "PAID", 200)
    assert airline.outcome(airline.books(method="decline")) == ("CANCELED", "RELEASED", "FAILED", 200)
    assert airline.outcome(airline.books(seats=4)) == ("CANCELED", "REFUSED", "CANCELED", 200)


def test_a_cancel_that_overtakes_everything_leaves_nothing_to_do(airline: AirlineWithOneFlight) -> None:
    unwanted = airline.books()
    airline.customer.cancel(unwanted)
    airline.hears("restore-seats", "ReservationCanceled")
    airline.hears("refund-payment", "ReservationCanceled")
    airline.hears("decrease-seats", "ReservationPlaced")
    assert airline.outcome(unwanted) == ("CANCELED", "CANCELED", "CANCELED", 0)


def test_a_refund_that_overtakes_its_charge_leaves_nothing_to_charge(airline: AirlineWithOneFlight) -> None:
    unwanted = airline.books()
    airline.hears("decrease-seats", "ReservationPlaced")
    airline.customer.cancel(unwanted)
    airline.hears("refund-payment", "ReservationCanceled")
    airline.hears("charge-payment", "RemainingSeatsDecreased")
    assert airline.outcome(unwanted) == ("CANCELED", "RELEASED", "CANCELED", 0)
    assert airline.simulation.asked == {}


@pytest.mark.parametrize(
    ("so_far", "end"),
    [(1, "FAILED"), (2, "REFUNDED"), (3, "REFUNDED")],
    ids=["before the provider is asked", "before its answer is recorded", "before the answer is said"],
)
def test_a_refund_that_crosses_its_charge_undoes_what_was_done_of_it(
    airline: AirlineWithOneFlight, so_far: int, end: str
) -> None:
    unwanted = airline.books()
    airline.hears("decrease-seats", "ReservationPlaced")
    charge = airline.simulation.start(airline.on_its_way("RemainingSeatsDecreased", "charge-payment"))
    airline.simulation.go_on(charge, so_far)
    airline.customer.cancel(unwanted)
    airline.hears("refund-payment", "ReservationCanceled")
    assert airline.outcome(unwanted) == ("CANCELED", "RELEASED", end, 0)


@pytest.mark.parametrize("refund_comes", ["around", "between"])
def test_a_refund_that_is_decided_while_the_charge_is_recorded_is_not_forgotten(
    airline: AirlineWithOneFlight, refund_comes: str
) -> None:
    unwanted = airline.books()
    airline.hears("decrease-seats", "ReservationPlaced")
    charge = airline.simulation.start(airline.on_its_way("RemainingSeatsDecreased", "charge-payment"))
    airline.simulation.go_on(charge, 2)
    airline.customer.cancel(unwanted)
    record = partial(airline.simulation.go_on, charge)
    refund = partial(airline.hears, "refund-payment", "ReservationCanceled")
    outer, inner = (refund, record) if refund_comes == "around" else (record, refund)
    with airline.simulation.crossings.before(0, inner):
        outer()
    assert airline.simulation.crossings.met == 1
    assert airline.outcome(unwanted) == ("CANCELED", "RELEASED", "REFUNDED", 0)


@pytest.mark.parametrize("died_after", [1, 2])
def test_a_charge_whose_process_and_event_are_gone_is_finished_by_housekeeping(
    airline: AirlineWithOneFlight, died_after: int
) -> None:
    booked = airline.books()
    airline.hears("decrease-seats", "ReservationPlaced")
    lost = airline.on_its_way("RemainingSeatsDecreased", "charge-payment")
    airline.simulation.go_on(airline.simulation.start(lost), died_after)
    airline.simulation.working.clear()
    airline.simulation.pending.remove(lost)
    airline.simulation.later(minutes=3)
    airline.simulation.keep_house("payments")
    assert airline.outcome(booked) == ("SUCCEED", "HELD", "PAID", 200)


def test_a_reservation_whose_event_is_lost_for_good_expires_and_everything_goes_back(
    airline: AirlineWithOneFlight,
) -> None:
    forgotten = airline.books()
    airline.hears("decrease-seats", "ReservationPlaced")
    airline.hears("charge-payment", "RemainingSeatsDecreased")
    airline.simulation.pending.remove(airline.on_its_way("Paid", "confirm-reservation"))
    assert airline.outcome(forgotten) == ("CANCELED", "RELEASED", "REFUNDED", 0)


def test_a_payment_that_comes_after_the_expiry_is_given_back(airline: AirlineWithOneFlight) -> None:
    late = airline.books()
    airline.hears("decrease-seats", "ReservationPlaced")
    airline.hears("charge-payment", "RemainingSeatsDecreased")
    airline.simulation.later(minutes=16)
    airline.simulation.keep_house("reservations")
    airline.hears("confirm-reservation", "Paid")
    assert airline.outcome(late) == ("CANCELED", "RELEASED", "REFUNDED", 0)


def test_a_payment_that_comes_after_housekeeping_made_its_list_is_in_time(airline: AirlineWithOneFlight) -> None:
    booked = airline.books()
    airline.hears("decrease-seats", "ReservationPlaced")
    airline.hears("charge-payment", "RemainingSeatsDecreased")
    airline.simulation.later(minutes=16)
    (listed,) = airline.scenario.overdue()
    airline.hears("confirm-reservation", "Paid")
    airline.simulation.do(listed)
    assert airline.outcome(booked) == ("SUCCEED", "HELD", "PAID", 200)


@pytest.mark.parametrize("statement", range(3))
def test_an_expiry_that_crosses_the_payment_never_undoes_what_was_confirmed(
    airline: AirlineWithOneFlight, statement: int
) -> None:
    airline.books()
    airline.hears("decrease-seats", "ReservationPlaced")
    airline.hears("charge-payment", "RemainingSeatsDecreased")
    airline.simulation.later(minutes=16)
    (listed,) = airline.scenario.overdue()
    paid = airline.on_its_way("Paid", "confirm-reservation")
    with airline.simulation.crossings.before(statement, partial(airline.simulation.deliver, paid)):
        airline.simulation.do(listed)
    assert airline.simulation.crossings.met == 1
    airline.rests()


def test_a_declined_payment_that_crosses_the_cancel_gives_the_seats_back_once(airline: AirlineWithOneFlight) -> None:
    unwanted = airline.books(method="decline")
    airline.hears("decrease-seats", "ReservationPlaced")
    airline.hears("charge-payment", "RemainingSeatsDecreased")
    airline.customer.cancel(unwanted)
    airline.hears("cancel-reservation", "PaymentFailed")
    assert airline.outcome(unwanted) == ("CANCELED", "RELEASED", "FAILED", 0)
    assert airline.reason(unwanted) == "canceled by customer"


def test_two_cancels_are_one_and_the_first_reason_is_what_everybody_reads(airline: AirlineWithOneFlight) -> None:
    unwanted = airline.books()
    airline.hears("decrease-seats", "ReservationPlaced")
    airline.customer.cancel(unwanted, by="PATCH")
    airline.hears("refund-payment", "ReservationCanceled")
    airline.customer.cancel(unwanted, by="DELETE")
    airline.customer.cancel(unwanted, by="command")
    assert airline.outcome(unwanted) == ("CANCELED", "RELEASED", "CANCELED", 0)
    assert airline.reason(unwanted) == "rain"


def test_two_cancels_that_cross_are_one(airline: AirlineWithOneFlight) -> None:
    unwanted = airline.books()
    airline.hears("decrease-seats", "ReservationPlaced")
    airline.hears("charge-payment", "RemainingSeatsDecreased")
    with airline.simulation.crossings.before(0, partial(airline.customer.cancel, unwanted, by="PATCH")):
        airline.customer.cancel(unwanted, by="DELETE")
    assert airline.simulation.crossings.met == 1
    assert airline.outcome(unwanted) == ("CANCELED", "RELEASED", "REFUNDED", 0)
    assert airline.reason(unwanted) == "rain"


def test_a_cancel_that_comes_into_the_confirmation_is_refunded_once(airline: AirlineWithOneFlight) -> None:
    unwanted = airline.books()
    airline.hears("decrease-seats", "ReservationPlaced")
    airline.hears("charge-payment", "RemainingSeatsDecreased")
    with airline.simulation.crossings.before(0, partial(airline.customer.cancel, unwanted)):
        airline.hears("confirm-reservation", "Paid")
    assert airline.simulation.crossings.met == 1
    assert airline.outcome(unwanted) == ("CANCELED", "RELEASED", "REFUNDED", 0)


def test_a_confirmation_that_comes_into_the_cancel_is_undone(airline: AirlineWithOneFlight) -> None:
    unwanted = airline.books()
    airline.hears("decrease-seats", "ReservationPlaced")
    airline.hears("charge-payment", "RemainingSeatsDecreased")
    with airline.simulation.crossings.before(0, partial(airline.hears, "confirm-reservation", "Paid")):
        airline.customer.cancel(unwanted)
    assert airline.simulation.crossings.met == 1
    assert airline.outcome(unwanted) == ("CANCELED", "RELEASED", "REFUNDED", 0)


def test_a_cancel_that_crosses_the_decrease_leaves_no_seat_held(airline: AirlineWithOneFlight) -> None:
    unwanted = airline.books()
    placed = airline.on_its_way("ReservationPlaced", "decrease-seats")
    airline.customer.cancel(unwanted)
    with airline.simulation.crossings.before(0, partial(airline.hears, "restore-seats", "ReservationCanceled")):
        airline.simulation.deliver(placed)
    assert airline.simulation.crossings.met == 1
    assert airline.outcome(unwanted) == ("CANCELED", "CANCELED", "CANCELED", 0)


@pytest.mark.parametrize("so_far", [1, 2])
def test_a_charge_delivered_twice_at_once_is_charged_once(airline: AirlineWithOneFlight, so_far: int) -> None:
    booked = airline.books()
    airline.hears("decrease-seats", "ReservationPlaced")
    charge = airline.on_its_way("RemainingSeatsDecreased", "charge-payment")
    airline.simulation.go_on(airline.simulation.start(charge), so_far)
    airline.simulation.deliver(replace(charge))
    assert airline.outcome(booked) == ("SUCCEED", "HELD", "PAID", 200)


@pytest.mark.parametrize("statement", range(2))
def test_a_cancel_that_crosses_its_reservation_waits_until_it_is_placed(
    airline: AirlineWithOneFlight, statement: int
) -> None:
    promised = airline.books_by_command()
    airline.customer.cancel(promised, by="command")
    request = airline.on_its_way("ReservationRequested", "place-reservation")
    with airline.simulation.crossings.before(statement, partial(airline.simulation.deliver, request)):
        airline.hears("cancel-reservation", "CancellationRequested")
    assert airline.simulation.crossings.met == 1
    airline.rests()
    assert airline.reason(promised) == "canceled by customer"


@pytest.mark.parametrize("canceled", [False, True], ids=["confirmed", "canceled"])
def test_whatever_is_heard_twice_or_again_after_the_end_changes_nothing(
    airline: AirlineWithOneFlight, canceled: bool
) -> None:
    booked = airline.books()
    for _ in range(6):
        for found in list(airline.simulation.pending):
            airline.simulation.deliver(replace(found))
            airline.simulation.deliver(found)
    if canceled:
        airline.customer.cancel(booked)
    end = airline.outcome(booked)
    airline.scenario.say_everything_again()
    assert airline.outcome(booked) == end
    assert end[0] == ("CANCELED" if canceled else "SUCCEED")


def test_a_changed_price_is_not_the_price_of_those_who_have_seats(airline: AirlineWithOneFlight) -> None:
    booked = airline.books()
    airline.hears("decrease-seats", "ReservationPlaced")
    airline.scenario.change_flight(0, cost=999)
    airline.scenario.say_everything_again()
    assert airline.outcome(booked) == ("SUCCEED", "HELD", "PAID", 200)


def test_a_provider_that_is_away_until_the_reservation_expired_never_charges_it(airline: AirlineWithOneFlight) -> None:
    late = airline.books()
    airline.hears("decrease-seats", "ReservationPlaced")
    airline.simulation.away.add(PROVIDER)
    airline.hears("charge-payment", "RemainingSeatsDecreased")
    airline.gives_up("charge-payment")
    airline.simulation.later(minutes=16)
    airline.simulation.keep_house("reservations")
    airline.hears("refund-payment", "ReservationCanceled")
    airline.gives_up("refund-payment")
    airline.simulation.later(hours=60)
    airline.simulation.keep_house("payments")
    assert airline.outcome(late) == ("CANCELED", "RELEASED", "FAILED", 0)
    assert airline.simulation.asked.keys() == {("undo", late)}, "the provider was never asked for money"


@pytest.mark.parametrize("housekeeping", ["reservations", "payments"])
def test_a_charge_that_was_not_finished_in_time_is_not_made_whichever_housekeeping_comes_first(
    airline: AirlineWithOneFlight, housekeeping: str
) -> None:
    late = airline.books()
    airline.hears("decrease-seats", "ReservationPlaced")
    airline.simulation.away.add(PROVIDER)
    airline.hears("charge-payment", "RemainingSeatsDecreased")
    airline.gives_up("charge-payment")
    airline.simulation.away.clear()
    airline.simulation.later(minutes=16)
    airline.simulation.keep_house(housekeeping)
    assert airline.outcome(late) == ("CANCELED", "RELEASED", "FAILED", 0)
    assert airline.reason(late) == "expired"
    assert ("charge", late) not in airline.simulation.asked


def test_a_provider_that_is_back_in_time_charges_and_the_reservation_succeeds(airline: AirlineWithOneFlight) -> None:
    booked = airline.books()
    airline.hears("decrease-seats", "ReservationPlaced")
    airline.simulation.away.add(PROVIDER)
    airline.hears("charge-payment", "RemainingSeatsDecreased")
    airline.gives_up("charge-payment")
    airline.simulation.away.clear()
    airline.simulation.later(minutes=5)
    airline.simulation.keep_house("payments")
    airline.hears("confirm-reservation", "Paid")
    assert airline.outcome(booked) == ("SUCCEED", "HELD", "PAID", 200)


@pytest.mark.parametrize("away", [False, True], ids=["and is there", "and is away when it has to undo it"])
def test_money_that_the_provider_took_without_an_answer_goes_back_once_after_a_cancel(
    airline: AirlineWithOneFlight, away: bool
) -> None:
    unwanted = airline.books()
    airline.hears("decrease-seats", "ReservationPlaced")
    with airline.simulation.going_wrong(Mishap.UNANSWERED):
        airline.hears("charge-payment", "RemainingSeatsDecreased")
    airline.gives_up("charge-payment")
    airline.customer.cancel(unwanted)
    if away:
        airline.simulation.away.add(PROVIDER)
    airline.hears("refund-payment", "ReservationCanceled")
    if away:
        airline.gives_up("refund-payment")
    assert airline.outcome(unwanted) == ("CANCELED", "RELEASED", "REFUNDED", 0)
    assert airline.simulation.provider_service.read("SELECT kind, amount FROM ledger ORDER BY kind") == [
        ("charge", 200),
        ("refund", 200),
    ]


def test_a_cancel_during_a_charge_of_unknown_outcome_is_remembered_at_once(airline: AirlineWithOneFlight) -> None:
    unwanted = airline.books()
    airline.hears("decrease-seats", "ReservationPlaced")
    airline.simulation.away.add(PROVIDER)
    airline.hears("charge-payment", "RemainingSeatsDecreased")
    airline.customer.cancel(unwanted)
    airline.hears("refund-payment", "ReservationCanceled")
    assert model_laws.statuses(airline.simulation)["payment", unwanted] == "REFUNDING"
    airline.simulation.away.clear()
    airline.hears("charge-payment", "RemainingSeatsDecreased")
    assert airline.outcome(unwanted) == ("CANCELED", "RELEASED", "FAILED", 0)
    assert airline.simulation.asked.keys() == {("undo", unwanted)}


@pytest.mark.parametrize(
    ("given_up", "heard", "end"),
    [
        ("decrease-seats", [], ("CANCELED", "CANCELED", "CANCELED", 0)),
        ("charge-payment", ["decrease-seats"], ("CANCELED", "RELEASED", "CANCELED", 0)),
        ("confirm-reservation", ["decrease-seats", "charge-payment"], ("CANCELED", "RELEASED", "REFUNDED", 0)),
    ],
)
def test_a_step_that_was_given_up_lets_the_reservation_expire_and_everything_goes_back(
    airline: AirlineWithOneFlight, given_up: str, heard: list[str], end: tuple[str, str, str, int]
) -> None:
    forgotten = airline.books()
    for policy in heard:
        airline.hears(policy)
    airline.gives_up(given_up)
    airline.simulation.later(minutes=16)
    airline.simulation.keep_house("reservations")
    assert airline.outcome(forgotten) == end
    assert airline.reason(forgotten) == "expired"


@pytest.mark.parametrize("given_up", ["decrease-seats", "charge-payment", "confirm-reservation"])
def test_a_step_that_was_given_up_is_made_before_the_expiry_when_reserve_says_it_again(
    airline: AirlineWithOneFlight, given_up: str
) -> None:
    booked = airline.books()
    for policy in ("decrease-seats", "charge-payment", "confirm-reservation"):
        if policy == given_up:
            airline.gives_up(policy)
            break
        airline.hears(policy)
    airline.simulation.later(minutes=11)
    airline.simulation.keep_house("reservations")
    for policy in ("decrease-seats", "charge-payment", "confirm-reservation"):
        airline.hears(policy)
    assert airline.outcome(booked) == ("SUCCEED", "HELD", "PAID", 200)


@pytest.mark.parametrize("given_up", [["restore-seats"], ["refund-payment"], ["restore-seats", "refund-payment"]])
@pytest.mark.parametrize("paid", [False, True], ids=["not paid yet", "confirmed"])
def test_a_compensation_that_was_given_up_is_asked_for_again_and_finished(
    airline: AirlineWithOneFlight, given_up: list[str], paid: bool
) -> None:
    unwanted = airline.books()
    airline.hears("decrease-seats")
    if paid:
        airline.hears("charge-payment")
        airline.hears("confirm-reservation")
    else:
        airline.gives_up("charge-payment")
    airline.customer.cancel(unwanted)
    for policy in given_up:
        airline.gives_up(policy)
    assert airline.outcome(unwanted) == ("CANCELED", "RELEASED", "REFUNDED" if paid else "CANCELED", 0)


def test_nobody_is_charged_for_what_is_canceled_when_reserve_repeats_it(airline: AirlineWithOneFlight) -> None:
    unwanted = airline.books()
    airline.hears("decrease-seats")
    airline.gives_up("charge-payment")
    airline.customer.cancel(unwanted)
    for policy in ("restore-seats", "refund-payment"):
        airline.gives_up(policy)
    for _ in range(9):
        airline.simulation.later(minutes=11)
        airline.simulation.keep_house("reservations")
    for delivery in sorted(airline.simulation.pending, key=lambda found: found.envelope.type == "ReservationCanceled"):
        airline.simulation.deliver(delivery)
    assert airline.outcome(unwanted) == ("CANCELED", "RELEASED", "CANCELED", 0)
    assert airline.simulation.asked == {}


@pytest.mark.parametrize("end", ["SUCCEED", "CANCELED", "REFUSED"])
def test_a_dashboard_that_was_away_for_a_whole_saga_is_right_at_the_end(
    airline: AirlineWithOneFlight, end: str
) -> None:
    booked = airline.books(seats=9 if end == "REFUSED" else 2)
    for delivery in iter(
        lambda: next((one for one in airline.simulation.pending if one.module != "projection"), None), None
    ):
        airline.simulation.deliver(delivery)
    if end == "CANCELED":
        airline.customer.cancel(booked)
        airline.hears("restore-seats")
        airline.hears("refund-payment")
    for delivery in list(airline.simulation.pending):
        airline.simulation.give_up(delivery)
    assert airline.simulation.dashboard_service.rows(projection.RESERVATIONS) == []
    airline.rests()
    (row,) = airline.simulation.dashboard_service.run(lambda tx: list(tx.execute(projection.customers())))
    assert (row.confirmed_count, row.canceled_count) == ((1, 0) if end == "SUCCEED" else (0, 1))
    paid = {"SUCCEED": (200, 0), "CANCELED": (200, 200), "REFUSED": (0, 0)}
    assert (row.spent, row.refunded) == paid[end]


def test_a_report_that_is_lost_is_made_again(airline: AirlineWithOneFlight) -> None:
    airline.books()
    for policy in ("decrease-seats", "charge-payment", "confirm-reservation"):
        airline.hears(policy)
    for delivery in list(airline.simulation.pending):
        airline.simulation.deliver(delivery)
    airline.simulation.keep_house("projection")
    airline.gives_up("settle-reservations")
    assert model_laws.owed(airline.simulation)
    airline.rests()


def test_a_report_that_was_overtaken_by_the_cancel_settles_nothing(airline: AirlineWithOneFlight) -> None:
    unwanted = airline.books()
    for policy in ("decrease-seats", "charge-payment", "confirm-reservation"):
        airline.hears(policy)
    for delivery in list(airline.simulation.pending):
        airline.simulation.deliver(delivery)
    airline.simulation.keep_house("projection")
    airline.customer.cancel(unwanted)
    for policy in ("restore-seats", "refund-payment"):
        airline.gives_up(policy)
    airline.hears("settle-reservations")
    assert model_laws.owed(airline.simulation) == [unwanted]
    assert airline.outcome(unwanted) == ("CANCELED", "RELEASED", "REFUNDED", 0)


def test_a_payment_of_a_canceled_reservation_leads_to_its_refund(airline: AirlineWithOneFlight) -> None:
    late = airline.books()
    airline.hears("decrease-seats")
    airline.hears("charge-payment")
    airline.customer.cancel(late)
    for policy in ("restore-seats", "refund-payment"):
        airline.gives_up(policy)
    airline.hears("confirm-reservation", "Paid")
    airline.hears("refund-payment", "ReservationCanceled")
    assert model_laws.statuses(airline.simulation)["payment", late] == "REFUNDED"
    assert airline.outcome(late) == ("CANCELED", "RELEASED", "REFUNDED", 0)


@pytest.mark.parametrize("module", ["reservations", "flights", "payments", "projection"])
@pytest.mark.parametrize("canceled", [False, True])
def test_a_database_that_is_away_for_a_weekend_is_caught_up_with(
    airline: AirlineWithOneFlight, module: str, canceled: bool
) -> None:
    booked = airline.books()
    if canceled:
        for policy in ("decrease-seats", "charge-payment", "confirm-reservation"):
            airline.hears(policy)
        airline.customer.cancel(booked)
    airline.simulation.away.add(module)
    for _ in range(6):
        for delivery in list(airline.simulation.pending):
            airline.simulation.deliver(delivery)
    for delivery in list(airline.simulation.pending):
        airline.simulation.give_up(delivery)
    for _ in range(6):
        airline.simulation.later(hours=10)
        for house in HOUSEKEEPING:
            airline.simulation.keep_house(house)
    airline.rests()
