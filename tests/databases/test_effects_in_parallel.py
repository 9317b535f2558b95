"""The same event delivered to many at once, and events that cross: one effect, on connections of their own."""

import functools
import itertools
import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from flask import Request, Response
from sqlalchemy import Connection, select
from werkzeug.test import EnvironBuilder

import before_placement
import counts
import letters
import payments
import projection
import provider
import reservations
import sink
from airline.events import Event, Paid, PaymentRefunded, ReservationConfirmed
from choreography import backlog, idempotency, ingress, outbox, store, wire
from choreography.errors import Conflict, TryAgain
from testbed.sample_events import NOON, canceled, decreased, placed
from tests.databases.in_parallel import at_once, ruled
from tests.databases.test_values import ON_A_SERVER
from tests.unit.conftest import Database, Service
from tests.unit.test_payments import charge, money, refund
from tests.unit.test_projection import envelope
from tests.unit.test_reservations import PAID, REQUESTED, UNWANTED

MANY = 16
CONFIRMED = ReservationConfirmed(reservation_id="R1", customer_id=7, flight_id=1, seat_qty=3)


@pytest.fixture
def in_reserve(reserve_service: Service, monkeypatch: pytest.MonkeyPatch) -> Service:
    """The reserve service as the one of this process, without a broker."""
    monkeypatch.setattr(store, "database", lambda: reserve_service.engine)
    return reserve_service


def until_it_works(work: Callable[[], Any]) -> Any:
    """As a broker does: TryAgain is tried again."""
    while True:
        try:
            return work()
        except TryAgain:
            continue


def test_one_charge_delivered_to_many_at_once_is_charged_once(
    payment_service: Service, provider_service: Service
) -> None:
    said = at_once([lambda: charge(payment_service, decreased())] * MANY)
    assert said == [Paid(payment_id=said[0].payment_id, reservation_id="R1", customer_id=7, amount=600)] * MANY
    assert money(provider_service) == 600
    assert len(payment_service.rows(payments.PAYMENTS)) == 1


def test_many_refunds_at_once_are_one(payment_service: Service, provider_service: Service) -> None:
    paid = charge(payment_service, decreased())
    said = at_once([lambda: refund(payment_service, canceled())] * MANY)
    again = PaymentRefunded(
        payment_id=paid.payment_id, reservation_id="R1", customer_id=7, amount=600, reason="changed my mind"
    )
    assert said == [again] * MANY
    assert [entry.kind for entry in provider_service.rows(provider.LEDGER)].count("refund") == 1
    assert money(provider_service) == 0


def test_a_refund_that_races_its_own_charge_leaves_no_money_taken(
    payment_service: Service, provider_service: Service
) -> None:
    for number in range(15):
        identity = f"R{number}"
        taking = [lambda identity=identity: charge(payment_service, decreased(identity))] * 2
        giving = [lambda identity=identity: until_it_works(lambda: refund(payment_service, canceled(identity)))] * 2
        at_once([*taking, *giving])
    assert money(provider_service) == 0
    ends = [row.status for row in payment_service.rows(payments.PAYMENTS)]
    assert len(ends) == 15
    assert set(ends) <= {"CANCELED", "REFUNDED", "FAILED"}


def test_a_cancel_that_races_its_payment_ends_canceled(reserve_service: Service) -> None:
    for _ in range(15):
        reserve_service.run(lambda transaction: transaction.execute(reservations.RESERVATIONS.delete()))
        reserve_service.run(reservations.place_reservation, REQUESTED)
        confirm = ruled(reserve_service.engine, reservations.confirm_reservation, PAID)
        cancel = ruled(reserve_service.engine, reservations.cancel_reservation, UNWANTED)
        said = at_once([confirm, cancel, confirm, cancel])
        assert said[1] == said[3]
        assert [row.status for row in reserve_service.rows(reservations.RESERVATIONS)] == ["CANCELED"]


def test_a_cancel_that_races_the_placing_of_its_reservation_is_never_lost(reserve_service: Service) -> None:
    for _ in range(40):
        reserve_service.run(lambda transaction: transaction.execute(reservations.RESERVATIONS.delete()))
        place = ruled(reserve_service.engine, reservations.place_reservation, REQUESTED)
        cancel = ruled(reserve_service.engine, reservations.cancel_reservation, UNWANTED)
        both: list[Callable[[], Any]] = [place, functools.partial(until_it_works, cancel)]
        at_once(both)
        assert [row.status for row in reserve_service.rows(reservations.RESERVATIONS)] == ["CANCELED"]
        assert reserve_service.rows(before_placement.EARLY_CANCELS) == []


def test_one_request_delivered_to_many_at_once_is_one_reservation(reserve_service: Service) -> None:
    said = at_once([ruled(reserve_service.engine, reservations.place_reservation, REQUESTED)] * MANY)
    assert len(set(said)) == 1
    assert len(reserve_service.rows(reservations.RESERVATIONS)) == 1


def test_events_that_arrive_at_once_in_any_order_make_the_same_dashboard(dashboard_service: Service) -> None:
    story: list[Event] = [placed("R1"), decreased("R1"), CONFIRMED, canceled("R1")]
    orders = list(itertools.permutations([envelope(event) for event in story]))
    random.Random(4).shuffle(orders)

    def hear(order: tuple[wire.Envelope, ...]) -> Callable[[], Any]:
        return lambda: [dashboard_service.run(projection.project, each) for each in order]

    at_once([hear(order) for order in orders])
    [row] = dashboard_service.rows(projection.RESERVATIONS)
    assert (row.placed, row.seats_held, row.confirmed, row.canceled_at is not None) == (True, True, True, True)
    assert len(dashboard_service.rows(projection.EVENTS)) == len(story)


def test_reservations_of_one_customer_that_are_heard_of_at_once_are_all_counted(dashboard_service: Service) -> None:
    names = [f"R{number}" for number in range(4)]
    story = [event for name in names for event in (placed(name), canceled(name), paid(name))]
    works = [ruled(dashboard_service.engine, projection.project, envelope(event)) for event in story * 2]
    works.append(ruled(dashboard_service.engine, counts.recount, [7]))
    random.Random(5).shuffle(works)

    at_once([functools.partial(until_it_works, work) for work in works])

    [row] = dashboard_service.rows(projection.CUSTOMERS)
    assert (row.flight_count, row.canceled_count, row.paid_amount) == (len(names), len(names), 600 * len(names))
    assert dashboard_service.run(lambda tx: counts.differing(0, None, tx)) == []


def paid(identity: str) -> Paid:
    """It was paid."""
    return Paid(payment_id=1, reservation_id=identity, customer_id=7, amount=600)


def test_a_letter_given_up_on_many_times_at_once_is_one_that_counts_them(database: Database) -> None:
    engine = database(letters.metadata)
    letter = wire.Envelope({"id": "1", "source": "/x", "type": "T", "knativeerrordest": "f"}, {})
    at_once([ruled(engine, sink.keep, letter)] * MANY)
    with store.reading(engine) as connection:
        assert connection.execute(select(letters.LETTERS.c.times)).scalars().all() == [MANY]


COLUMNS = {"customer_id": 7, "flight_id": 1, "seat_qty": 3, "reserve_date": NOON.date(), "payment_method": "accept"}


def keyed() -> Request:
    return Request(EnvironBuilder("/", method="POST", headers=[("Idempotency-Key", "k")]).get_environ())


def test_a_command_sent_many_times_at_once_by_one_key_is_carried_out_once(in_reserve: Service) -> None:
    def work(transaction: Connection) -> tuple[Response, None]:
        row = reservations.place(f"R{len(in_reserve.rows(reservations.RESERVATIONS))}", COLUMNS, transaction)
        return Response(row.id, 201), None

    def send() -> str:
        return str(idempotency.carry_out(keyed(), work, reservations.SOURCE).get_data(as_text=True))

    assert at_once([send] * MANY) == ["R0"] * MANY
    assert len(in_reserve.rows(reservations.RESERVATIONS)) == 1


def test_of_many_commands_by_one_key_of_which_the_first_ones_fail_one_is_carried_out(in_reserve: Service) -> None:
    failures = iter([True, True, True])

    def send() -> str:
        fails: list[bool] = []

        def work(transaction: Connection) -> tuple[Response, None]:
            row = reservations.place("R0", COLUMNS, transaction)
            fails.append(fails[0] if fails else next(failures, False))  # run again, it ends as before
            if fails[0]:
                raise Conflict("refused")
            return Response(row.id, 201), None

        try:
            return str(idempotency.carry_out(keyed(), work, reservations.SOURCE).get_data(as_text=True))
        except Conflict as error:
            return str(error)

    assert sorted(at_once([send] * MANY)) == ["R0"] * (MANY - 3) + ["refused"] * 3
    assert len(in_reserve.rows(reservations.RESERVATIONS)) == 1


@ON_A_SERVER
def test_a_second_request_learns_that_the_first_is_still_running(in_reserve: Service) -> None:
    def second(_: Connection) -> tuple[Response, None]:
        raise AssertionError("the first one is at work")

    def first(_: Connection) -> tuple[Response, None]:
        with pytest.raises(Conflict, match="still at work"):
            idempotency.carry_out(keyed(), second, reservations.SOURCE)
        return Response("R0", 201), None

    assert idempotency.carry_out(keyed(), first, reservations.SOURCE).status_code == 201


def test_many_services_prune_the_same_keys_at_once(in_reserve: Service) -> None:
    old = [{"key": str(number), "fingerprint": "f", "claim": "", "claimed_at": NOON} for number in range(50)]
    in_reserve.run(lambda transaction: transaction.execute(idempotency.KEYS.insert(), old))

    pruned = at_once([lambda: idempotency.prune(time.monotonic() + 60)] * MANY)

    assert sum(pruned) == 50
    assert in_reserve.rows(idempotency.KEYS) == []


def test_the_outbox_is_sent_oldest_first_over_many_pages(in_reserve: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[bytes] = []
    monkeypatch.setattr(ingress, "deliver", lambda _, body, __: sent.append(body))
    monkeypatch.setattr(backlog, "BATCH", 2)
    later = NOON.replace(microsecond=1000)
    rows = [{"id": each, "body": each, "created_at": later if each in "de" else NOON} for each in "daebc"]
    in_reserve.run(lambda transaction: transaction.execute(outbox.OUTBOX.insert(), rows))
    assert outbox.drain() == 5
    assert sent == [b"a", b"b", b"c", b"d", b"e"]
    assert in_reserve.rows(outbox.OUTBOX) == []
