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
import letters
import payments
import projection
import provider
import reservations
import sink
from airline.events import Event, Paid, PaymentRefunded, ReservationConfirmed
from choreography import idempotency, outbox, store, wire
from choreography.errors import Conflict, TryAgain
from tests.databases.crowd import at_once, ruled
from tests.databases.test_values import ON_A_SERVER
from tests.unit.conftest import Database, Service
from tests.unit.sayings import NOON, canceled, decreased, placed
from tests.unit.test_payments import charge, money, refund
from tests.unit.test_projection import envelope
from tests.unit.test_reservations import PAID, REQUESTED, UNWANTED

MANY = 16
CONFIRMED = ReservationConfirmed(reservation_id="R1", customer_id=7, flight_id=1, seat_qty=3)


@pytest.fixture
def at_the_desk(desk: Service, monkeypatch: pytest.MonkeyPatch) -> Service:
    """The reserve service as the one of this process, without a broker."""
    monkeypatch.setattr(store, "database", lambda: desk.engine)
    return desk


def until_it_works(work: Callable[[], Any]) -> Any:
    """As a broker does: TryAgain is tried again."""
    while True:
        try:
            return work()
        except TryAgain:
            continue


def test_one_charge_delivered_to_many_at_once_is_charged_once(till: Service, bank: Service) -> None:
    said = at_once([lambda: charge(till, decreased())] * MANY)
    assert said == [Paid(payment_id=said[0].payment_id, reservation_id="R1", customer_id=7, amount=600)] * MANY
    assert money(bank) == 600
    assert len(till.rows(payments.PAYMENTS)) == 1


def test_many_refunds_at_once_are_one(till: Service, bank: Service) -> None:
    paid = charge(till, decreased())
    said = at_once([lambda: refund(till, canceled())] * MANY)
    again = PaymentRefunded(
        payment_id=paid.payment_id, reservation_id="R1", customer_id=7, amount=600, reason="changed my mind"
    )
    assert said == [again] * MANY
    assert [entry.kind for entry in bank.rows(provider.LEDGER)].count("refund") == 1
    assert money(bank) == 0


def test_a_refund_that_races_its_own_charge_leaves_no_money_taken(till: Service, bank: Service) -> None:
    for number in range(15):
        identity = f"R{number}"
        taking = [lambda identity=identity: charge(till, decreased(identity))] * 2
        giving = [lambda identity=identity: until_it_works(lambda: refund(till, canceled(identity)))] * 2
        at_once([*taking, *giving])
    assert money(bank) == 0
    ends = [row.status for row in till.rows(payments.PAYMENTS)]
    assert len(ends) == 15
    assert set(ends) <= {"CANCELED", "REFUNDED", "FAILED"}


def test_a_cancel_that_races_its_payment_ends_canceled(desk: Service) -> None:
    for _ in range(15):
        desk.run(lambda transaction: transaction.execute(reservations.RESERVATIONS.delete()))
        desk.run(reservations.place_reservation, REQUESTED)
        confirm = ruled(desk.engine, reservations.confirm_reservation, PAID)
        cancel = ruled(desk.engine, reservations.cancel_reservation, UNWANTED)
        said = at_once([confirm, cancel, confirm, cancel])
        assert said[1] == said[3]
        assert [row.status for row in desk.rows(reservations.RESERVATIONS)] == ["CANCELED"]


def test_a_cancel_that_races_the_placing_of_its_reservation_is_never_lost(desk: Service) -> None:
    for _ in range(40):
        desk.run(lambda transaction: transaction.execute(reservations.RESERVATIONS.delete()))
        place = ruled(desk.engine, reservations.place_reservation, REQUESTED)
        cancel = ruled(desk.engine, reservations.cancel_reservation, UNWANTED)
        both: list[Callable[[], Any]] = [place, functools.partial(until_it_works, cancel)]
        at_once(both)
        assert [row.status for row in desk.rows(reservations.RESERVATIONS)] == ["CANCELED"]
        assert desk.rows(before_placement.EARLY_CANCELS) == []


def test_one_request_delivered_to_many_at_once_is_one_reservation(desk: Service) -> None:
    said = at_once([ruled(desk.engine, reservations.place_reservation, REQUESTED)] * MANY)
    assert len(set(said)) == 1
    assert len(desk.rows(reservations.RESERVATIONS)) == 1


def test_events_that_arrive_at_once_in_any_order_make_the_same_dashboard(board: Service) -> None:
    story: list[Event] = [placed("R1"), decreased("R1"), CONFIRMED, canceled("R1")]
    orders = list(itertools.permutations([envelope(event) for event in story]))
    random.Random(4).shuffle(orders)

    def hear(order: tuple[wire.Envelope, ...]) -> Callable[[], Any]:
        return lambda: [board.run(projection.project, each) for each in order]

    at_once([hear(order) for order in orders])
    [row] = board.rows(projection.RESERVATIONS)
    assert (row.placed, row.seats_held, row.confirmed, row.canceled_at is not None) == (True, True, True, True)
    assert len(board.rows(projection.EVENTS)) == len(story)


def test_a_letter_given_up_on_many_times_at_once_is_one_that_counts_them(database: Database) -> None:
    engine = database(letters.metadata)
    letter = wire.Envelope({"id": "1", "source": "/x", "type": "T", "knativeerrordest": "f"}, {})
    at_once([ruled(engine, sink.keep, letter)] * MANY)
    with store.reading(engine) as connection:
        assert connection.execute(select(letters.LETTERS.c.times)).scalars().all() == [MANY]


COLUMNS = {"customer_id": 7, "flight_id": 1, "seat_qty": 3, "reserve_date": NOON.date(), "payment_method": "accept"}


def keyed() -> Request:
    return Request(EnvironBuilder("/", method="POST", headers=[("Idempotency-Key", "k")]).get_environ())


def test_a_command_sent_many_times_at_once_by_one_key_is_carried_out_once(at_the_desk: Service) -> None:
    def work(transaction: Connection) -> tuple[Response, None]:
        row = reservations.place(f"R{len(at_the_desk.rows(reservations.RESERVATIONS))}", COLUMNS, transaction)
        return Response(row.id, 201), None

    def send() -> str:
        return str(idempotency.carry_out(keyed(), work, reservations.SOURCE).get_data(as_text=True))

    assert at_once([send] * MANY) == ["R0"] * MANY
    assert len(at_the_desk.rows(reservations.RESERVATIONS)) == 1


def test_of_many_commands_by_one_key_of_which_the_first_ones_fail_one_is_carried_out(at_the_desk: Service) -> None:
    failures = iter([True, True, True])

    def work(transaction: Connection) -> tuple[Response, None]:
        row = reservations.place("R0", COLUMNS, transaction)
        if next(failures, False):
            raise Conflict("refused")
        return Response(row.id, 201), None

    def send() -> str:
        try:
            return str(idempotency.carry_out(keyed(), work, reservations.SOURCE).get_data(as_text=True))
        except Conflict as error:
            return str(error)

    assert sorted(at_once([send] * MANY)) == ["R0"] * (MANY - 3) + ["refused"] * 3
    assert len(at_the_desk.rows(reservations.RESERVATIONS)) == 1


@ON_A_SERVER
def test_a_second_request_is_told_that_the_first_is_still_at_work(at_the_desk: Service) -> None:
    def second(_: Connection) -> tuple[Response, None]:
        raise AssertionError("the first one is at work")

    def first(_: Connection) -> tuple[Response, None]:
        with pytest.raises(Conflict, match="still at work"):
            idempotency.carry_out(keyed(), second, reservations.SOURCE)
        return Response("R0", 201), None

    assert idempotency.carry_out(keyed(), first, reservations.SOURCE).status_code == 201


def test_many_services_prune_the_same_keys_at_once(at_the_desk: Service) -> None:
    old = [{"key": str(number), "fingerprint": "f", "claim": "", "claimed_at": NOON} for number in range(50)]
    at_the_desk.run(lambda transaction: transaction.execute(idempotency.KEYS.insert(), old))

    pruned = at_once([lambda: idempotency.prune(time.monotonic() + 60)] * MANY)

    assert sum(pruned) == 50
    assert at_the_desk.rows(idempotency.KEYS) == []


def test_the_outbox_is_sent_oldest_first_over_many_pages(at_the_desk: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[bytes] = []
    monkeypatch.setattr(outbox, "_deliver", lambda _, body, __: sent.append(body))
    monkeypatch.setattr(outbox, "BATCH", 2)
    later = NOON.replace(microsecond=1000)
    rows = [{"id": each, "body": each, "created_at": later if each in "de" else NOON} for each in "daebc"]
    at_the_desk.run(lambda transaction: transaction.execute(outbox.OUTBOX.insert(), rows))
    assert outbox.drain() == 5
    assert sent == [b"a", b"b", b"c", b"d", b"e"]
    assert at_the_desk.rows(outbox.OUTBOX) == []
