"""A broker that is away stops nobody else: requests are answered without it, and what waits is sent when it is back."""

import socket
import threading
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from sqlalchemy import insert, select, update

from choreography import backlog, clock, ingress, outbox, relay, store, wire
from choreography.errors import BrokerAway, EventRefused, TryAgain
from testbed.hosting import HostedAirline
from testbed.recording_broker import RecordingBroker
from testbed.running_system import ROOT, eventually
from testbed.vocabulary import body_of, event, href, place
from tests.integration.test_connections import served

WISH = {"customerId": 1, "flightId": 1, "seatQty": 3}
AWAY = [404, 429, 500, 503]
"""What an ingress answers when it is up, but its Kafka, or its Broker, is away."""


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(relay, "LONGEST_PAUSE", 0.05)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What requests have tried to send themselves."""
    tried: list[bytes] = []
    deliver = outbox.deliver

    def counted(body: bytes, timeout: tuple[float, float]) -> None:
        tried.append(body)
        deliver(body, timeout)

    monkeypatch.setattr(outbox, "deliver", counted)
    return tried


def waiting(airline: HostedAirline) -> int:
    ((count,),) = airline.rows("reserve", "SELECT COUNT(*) FROM outbox")
    return int(count)


def test_only_the_first_customer_waits_for_a_broker_that_does_not_answer(
    airline_without_broker: HostedAirline, sent: list[bytes]
) -> None:
    for _ in range(5):
        place(airline_without_broker)

    assert len(sent) == 1
    assert waiting(airline_without_broker) == 5


@pytest.mark.parametrize("status", AWAY)
def test_a_broker_that_is_up_but_takes_nothing_is_as_good_as_away(
    airline: HostedAirline, broker: RecordingBroker, sent: list[bytes], status: int
) -> None:
    broker.refuses_all = status
    for _ in range(5):
        place(airline)

    assert len(sent) == 1
    assert waiting(airline) == 5


@pytest.mark.parametrize("status", AWAY)
def test_what_customers_left_behind_is_sent_when_the_broker_is_back_without_housekeeping(
    airline: HostedAirline, broker: RecordingBroker, status: int
) -> None:
    broker.refuses_all = status
    placed = {place(airline)["reservationId"] for _ in range(5)}

    broker.refuses_all = None

    eventually(lambda: waiting(airline) == 0, "the outbox is empty")
    assert {said["data"]["reservationId"] for said in broker.accepted} == placed


def test_customers_send_again_themselves_after_the_broker_is_back(
    airline: HostedAirline, broker: RecordingBroker, sent: list[bytes]
) -> None:
    broker.refuses_all = 503
    place(airline)
    broker.refuses_all = None
    eventually(lambda: waiting(airline) == 0, "the outbox is empty")

    place(airline)

    assert len(sent) == 2
    assert waiting(airline) == 0


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_one_event_that_the_broker_never_takes_does_not_make_customers_go_past_it(
    airline: HostedAirline, broker: RecordingBroker, sent: list[bytes], status: int
) -> None:
    broker.refusals["ReservationPlaced"] = status
    place(airline)
    place(airline)

    assert len(sent) == 2


@pytest.mark.parametrize("status", [400, 413, 429, 503])
def test_an_event_that_the_broker_never_takes_holds_up_none_of_those_that_wait(
    airline: HostedAirline, broker: RecordingBroker, status: int
) -> None:
    broker.refuses_all = 503
    canceled = [place(airline) for _ in range(30)][-1]
    airline.function("reserve").delete(href(canceled, "self"))
    broker.refusals["ReservationCanceled"] = status

    broker.refuses_all = None

    eventually(lambda: waiting(airline) == 1, "only the event is left that is refused")
    assert broker.heard() == ["ReservationPlaced"] * 30


def test_a_row_that_cannot_be_read_holds_up_none_of_those_that_wait(
    airline: HostedAirline, broker: RecordingBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as asleep:
        asleep.setattr(outbox, "_send_at_once", lambda *_: None)
        place(airline)
        place(airline)
    with store.database().begin() as connection:
        oldest = connection.execute(select(outbox.OUTBOX.c.id).order_by(outbox.OUTBOX.c.created_at)).scalars().first()
        connection.execute(update(outbox.OUTBOX).where(outbox.OUTBOX.c.id == oldest).values(body="{"))

    assert outbox.drain() == 1

    assert (waiting(airline), broker.heard()) == (1, ["ReservationPlaced"])


def test_an_event_that_no_request_can_carry_is_not_taken_for_an_outage(airline: HostedAirline) -> None:
    airline.function("reserve")
    stranger = {"specversion": "1.0", "id": "order 1", "source": "/a", "type": "Odd", "not a name\r\n": "1"}

    with pytest.raises(EventRefused):
        outbox.deliver(wire.pack(stranger))


def test_a_thread_that_cannot_be_started_is_started_later(monkeypatch: pytest.MonkeyPatch) -> None:
    went = threading.Event()

    def send(_: relay.Relay) -> relay.Round:
        went.set()
        return relay.Round(1, waiting=False)

    circuit = relay.Relay(send, places=1)
    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", broken)
        with pytest.raises(RuntimeError):
            circuit.want()

    circuit.want()

    assert went.wait(5)
    circuit.end()


def test_what_housekeeping_sent_instead_is_not_remembered_for_ever(airline: HostedAirline) -> None:
    airline.function("reserve")
    circuit = relay.Relay(lambda _: relay.Round(0, waiting=False), places=1)
    circuit.failed("sent by housekeeping")

    eventually(lambda: circuit._thread is None, "the thread has ended")

    assert circuit.handed_over == set()


def test_housekeeping_that_finds_the_broker_away_goes_on_when_it_is_back(
    airline: HostedAirline, broker: RecordingBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as asleep:
        asleep.setattr(outbox, "_send_at_once", lambda *_: None)
        place(airline)
    broker.refuses_all = 503
    airline.function("reserve")
    assert outbox.drain() == 0

    broker.refuses_all = None

    eventually(lambda: waiting(airline) == 0, "the outbox is empty")


def test_the_thread_ends_when_nothing_waits(airline: HostedAirline, broker: RecordingBroker) -> None:
    broker.refuses_all = 503
    place(airline)
    (circuit,) = outbox._relays.values()
    assert circuit._thread is not None
    broker.refuses_all = None

    eventually(lambda: circuit._thread is None, "the thread has ended")

    assert (waiting(airline), circuit.is_open) == (0, False)


def left_behind(airline: HostedAirline, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A reservation whose event an earlier process could not send."""
    with monkeypatch.context() as asleep:
        asleep.setattr(outbox, "_send_at_once", lambda *_: None)
        return place(airline)


def test_a_process_looks_for_what_an_earlier_one_left_behind(
    airline: HostedAirline, broker: RecordingBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_behind(airline, monkeypatch)
    monkeypatch.setattr(outbox, "LEFT_BEHIND", -outbox.LEFT_BEHIND)
    monkeypatch.setattr(backlog, "YOUNG", -backlog.YOUNG)

    place(airline)

    eventually(lambda: waiting(airline) == 0, "the outbox is empty")
    # The look behind counts rows as old that are being sent at this moment: it may send one of them twice.
    assert set(broker.heard()) == {"ReservationPlaced"}
    assert len({event["id"] for event in broker.accepted}) == 2


def test_who_looks_at_a_reservation_sends_what_an_earlier_process_left_behind(
    airline: HostedAirline, broker: RecordingBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    reservation = left_behind(airline, monkeypatch)
    monkeypatch.setattr(outbox, "LEFT_BEHIND", -outbox.LEFT_BEHIND)
    monkeypatch.setattr(backlog, "YOUNG", -backlog.YOUNG)

    airline.function("reserve").get(href(reservation, "self"))

    eventually(lambda: waiting(airline) == 0, "the outbox is empty")
    assert broker.heard() == ["ReservationPlaced"]


def test_a_process_that_is_started_again_at_once_looks_again_for_what_is_still_young(
    airline: HostedAirline, broker: RecordingBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    reservation = left_behind(airline, monkeypatch)
    monkeypatch.setattr(backlog, "YOUNG", timedelta(0))
    airline.function("reserve").get(href(reservation, "self"))
    assert waiting(airline) == 1
    monkeypatch.setattr(outbox, "LEFT_BEHIND", timedelta(0))

    airline.function("reserve").get(href(reservation, "self"))

    eventually(lambda: waiting(airline) == 0, "the outbox is empty")
    assert broker.heard() == ["ReservationPlaced"]


def leave_unsent(count: int, named: str = "e") -> None:
    """Writes events into the outbox of a service that is at work; requests have left them behind a minute ago."""
    then = clock.now() - timedelta(minutes=1)
    rows = [
        {"id": f"{named}{number}", "body": "{}", "created_at": then + timedelta(milliseconds=number)}
        for number in range(count)
    ]
    with store.database().begin() as connection:
        connection.execute(insert(outbox.OUTBOX), rows)


def test_an_event_that_waited_does_not_wait_for_the_202_of_the_one_before_it(
    airline: HostedAirline, monkeypatch: pytest.MonkeyPatch
) -> None:
    airline.function("reserve")
    together = threading.Barrier(2)
    sent: list[bytes] = []

    def deliver(_: str | None, body: bytes, __: object) -> None:
        sent.append(body)
        if len(sent) > 1:  # the first one finds out whether the broker is there
            together.wait(timeout=10)

    monkeypatch.setattr(ingress, "deliver", deliver)
    leave_unsent(5)  # one alone, and then two pairs

    assert (outbox.drain(), waiting(airline)) == (5, 0)


def test_two_processes_that_reach_the_same_events_do_not_send_all_the_rest_twice(
    airline: HostedAirline, monkeypatch: pytest.MonkeyPatch
) -> None:
    airline.function("reserve")
    sent: list[bytes] = []
    side_by_side = threading.Barrier(2)
    read = backlog._waiting

    def at_the_same_time(*where: Any) -> Any:
        with suppress(threading.BrokenBarrierError):
            side_by_side.wait(timeout=0.5)
        return read(*where)

    monkeypatch.setattr(backlog, "_waiting", at_the_same_time)
    leave_unsent(1000)
    rounds = [backlog.Rounds(store.database(), sent.append, started=True) for _ in range(2)]
    processes = [relay.Relay(one, places=1, is_open=True) for one in rounds]

    for process in processes:
        process.want()

    eventually(lambda: waiting(airline) == 0, "the outbox is empty")
    for process in processes:
        process.end()
    assert len(sent) < 1300


def test_a_thousand_events_that_the_broker_never_takes_keep_no_other_from_being_sent(
    airline: HostedAirline, monkeypatch: pytest.MonkeyPatch
) -> None:
    airline.function("reserve")
    clock_of_a_tick = [0.0]

    def deliver(_: str | None, body: bytes, __: object) -> None:
        clock_of_a_tick[0] += 0.1
        if body != b"good":
            raise EventRefused("The broker answered 400.")

    for timed in (outbox, backlog):
        monkeypatch.setattr(timed, "time", SimpleNamespace(monotonic=lambda: clock_of_a_tick[0]))
    monkeypatch.setattr(ingress, "deliver", deliver)
    leave_unsent(1000)
    leave_unsent(1, named="good")
    with store.database().begin() as connection:
        connection.execute(update(outbox.OUTBOX).where(outbox.OUTBOX.c.id == "good0").values(body="good"))

    ticks = next((tick for tick in range(300) if outbox.drain(clock_of_a_tick[0] + 5)), None)

    assert ticks is not None
    assert waiting(airline) == 1000


def broken(*_: object, **__: object) -> None:
    raise RuntimeError("after the commit")


def away(*_: object, **__: object) -> None:
    raise TryAgain("The database is out of reach; try again.")


@pytest.mark.parametrize("trouble", [broken, away])
@pytest.mark.parametrize("step", ["_remove_now", "_relay", "_send_at_once", "note", "deliver"])
def test_nothing_that_happens_after_the_commit_changes_the_answer(
    airline: HostedAirline, broker: RecordingBroker, monkeypatch: pytest.MonkeyPatch, step: str, trouble: object
) -> None:
    room = "sent" if step == "_remove_now" else "outbox"
    monkeypatch.setattr(f"choreography.{room}.{step}", trouble)
    reserve = airline.function("reserve")

    placed = reserve.post("/reservations", json=WISH, headers={"Idempotency-Key": "k"})
    changed = reserve.patch(href(body_of(placed), "self"), json={"status": "CANCELED"})
    canceled = reserve.delete(href(body_of(placed), "self"))
    heard = airline.function("place-reservation").hear(event("ReservationRequested"))

    assert [answer.status_code for answer in (placed, changed, canceled, heard)] == [201, 200, 204, 204]
    kept = {identity for (identity,) in airline.rows("reserve", "SELECT id FROM outbox")}
    assert len(kept | {said["id"] for said in broker.accepted}) == 3


def test_an_unknown_broker_counts_as_away_and_nothing_is_lost(airline: HostedAirline) -> None:
    airline.settings["K_SINK"] = ""

    place(airline)

    assert waiting(airline) == 1
    with pytest.raises(BrokerAway, match="K_SINK is not set"):
        outbox.deliver(b"{}")


@pytest.mark.parametrize("threads", [1, 4])
def test_a_function_that_is_terminated_while_the_broker_does_not_answer_ends_cleanly(
    airline: HostedAirline, tmp_path: Path, threads: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sink = f"http://127.0.0.1:{silent.getsockname()[1]}/airline/airline"
        settings = {"K_SINK": sink, "DATABASE_URL": f"sqlite:///{airline.database('reserve')}"}
        source = ROOT / "functions" / "reserve" / "main.py"
        with served(source, "reserve", threads, tmp_path, **settings) as (process, port):
            for _ in range(3):
                answer = requests.post(f"http://127.0.0.1:{port}/reservations", json=WISH, timeout=20)
                assert answer.status_code == 201
            process.terminate()
            assert process.wait(20) == 0

    said = (tmp_path / "log").read_text()
    assert "stays in the outbox" in said
    assert "Fatal" not in said
    assert "Traceback" not in said
    assert waiting(airline) == 3
