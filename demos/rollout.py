"""Every function gets a new revision while customers look at flights, reserve, cancel, and send events.

The readers are the original's: `siege -c1 -t60S --delay=1S` on /flights. The sagas go through the functions that are
replaced meanwhile, the consumers of events among them: none may be lost, no seat sold and no money taken twice.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import requests

from client import gateway
from client.errors import ClientError
from client.gateway import Airline
from demos import charts, checks, customers, load
from demos.customers import Placed
from demos.errors import DemoFailed
from demos.instances import Sample
from demos.kubectl import SERVICE, Namespace, is_ready
from demos.load import Availability, Load, Target
from demos.running_airline import RunningAirline

BEFORE = 10.0
"""Seconds of load before the rollout begins."""
READY_WITHIN = 300.0
"""Seconds for one Service."""
EVERY = 1.0
"""Seconds from one saga to the next."""
CLIENTS = 8
SEATS = 10_000
"""More than are wanted, so nobody is refused."""
ROUND = 20
"""Seconds of a further round of load, where the rollout takes longer."""

Change = Callable[[Namespace], list[str]]
"""Rolls something out, and returns the names of the Services that have a new revision; by default, everything."""
ROLLED_AT = "demo/rolled-at"
"""An annotation of the template: any change there makes a new revision, as a changed setting does."""


@dataclass(frozen=True)
class Order:
    """One customer's saga: asked for over HTTP or by an event, and canceled at once or not."""

    customer: int
    by_event: bool
    canceled: bool


@dataclass(frozen=True)
class Result:
    """How it went; times are seconds since the load began, the rollout being one stretch of it."""

    availability: Availability
    rolled: list[str]
    began: float
    ended: float
    orders: list[Order]
    statuses: Counter[str]
    laws: list[str]
    samples: list[Sample]


def run(
    running: RunningAirline,
    namespace: Namespace,
    wanted: Load,
    say: Callable[[str], None],
    change: Change | None = None,
) -> Result:
    """Under load until the rollout is over. Raises DemoFailed or ClientError if anything fails, is lost or doubled."""
    airline = running.connect()
    flight, letters = customers.add_flight(airline, SEATS), checks.open_letters(airline)
    with running.watch() as watch, ThreadPoolExecutor(2) as threads:
        start = watch.now
        say(f"Load for {wanted.seconds} s: {wanted.clients} client(s) on /flights, a saga every {EVERY:g} s ...")
        with _until_over() as over:
            readers = threads.submit(_readers, Target(running.url + "/flights", running.host), wanted, over)
            travelers = threads.submit(_sagas, running, flight, wanted.seconds, over)
            time.sleep(BEFORE)
            began = watch.now - start
            rolled = (change or roll)(namespace)
            ended = watch.now - start
        say(f"{len(rolled)} Services have a new revision, Ready after {ended - began:.0f} s.")
        availability, placed = readers.result(), travelers.result()
        say(f"{availability}. Waiting for the end of {len(placed)} sagas ...")
        customers.await_ends(airline, flight, placed)
    samples = [Sample(sample.at - start, sample.instances) for sample in watch.samples]
    asked = orders(len(placed))
    sold = sum(not order.canceled for order in asked)
    statuses = checks.check_flight(airline, flight, SEATS, [one.reservation for one in placed], sold)
    laws = checks.check_laws(airline)
    checks.check_letters(airline, letters)
    if availability.failed:
        raise DemoFailed(f"readers were turned away: {availability}")
    return Result(availability, rolled, began, ended, asked, statuses, laws, samples)


@contextmanager
def _until_over() -> Iterator[threading.Event]:
    """An event that is set at the end, whatever happens: then the load ends."""
    over = threading.Event()
    try:
        yield over
    finally:
        over.set()


def as_text(result: Result) -> str:
    """For people."""
    events = sum(order.by_event for order in result.orders)
    return "\n\n".join(
        [
            charts.chart(result.samples, sorted(charts.functions_seen(result.samples))),
            f"New revisions of {len(result.rolled)} Services, all Ready from second {result.began:.0f} to "
            f"{result.ended:.0f} of the load.\n"
            f"Readers of /flights, {result.availability}.\n"
            f"{len(result.orders)} sagas, {events} of them by events: {dict(result.statuses)}.\n"
            f"None lost, none doubled; all {len(result.laws)} laws hold, no dead letter.",
        ]
    )


def figures(result: Result) -> dict[str, Any]:
    """For machines; times are seconds."""
    return {
        "readers": asdict(result.availability),
        "rolled": result.rolled,
        "rolloutBegan": round(result.began, 1),
        "rolloutEnded": round(result.ended, 1),
        "sagas": len(result.orders),
        "sagasByEvent": sum(order.by_event for order in result.orders),
        "ended": dict(result.statuses),
        "laws": result.laws,
        "samples": [asdict(sample) for sample in result.samples],
    }


def roll(namespace: Namespace, functions: list[str] | None = None) -> list[str]:
    """Gives Services (without a list: all) a new revision, one after the other, as each new revision starts an instance
    even where nobody calls; returns when every one is Ready and takes the calls.

    Raises DemoFailed.
    """
    rolled = [name for name in _services(namespace) if functions is None or name in functions]
    for name in rolled:
        _roll(namespace, name)
    return rolled


def _roll(namespace: Namespace, name: str) -> None:
    change = {ROLLED_AT: datetime.now(UTC).isoformat(timespec="microseconds")}
    renew(namespace, name, {"metadata": {"annotations": change}})


def renew(namespace: Namespace, name: str, template: dict[str, Any]) -> None:
    """Merges a change into a Service's template; returns when its new revision takes the calls. Raises DemoFailed."""
    before = namespace.get(SERVICE, name)
    namespace.patch(SERVICE, name, {"spec": {"template": template}})
    deadline = time.monotonic() + READY_WITHIN
    while not _newer(namespace.get(SERVICE, name), before):
        if time.monotonic() > deadline:
            raise DemoFailed(f"{name} is not Ready with a new revision after {READY_WITHIN:g} s")
        time.sleep(0.5)


def orders(number: int) -> list[Order]:
    """Over HTTP, by event, over HTTP and canceled, by event and canceled, and again."""
    return [order(customer) for customer in range(1, number + 1)]


def order(customer: int) -> Order:
    """What this customer wants; customers are numbered from 1."""
    kinds = ((False, False), (True, False), (False, True), (True, True))
    return Order(customer, *kinds[customer % len(kinds)])


def _services(namespace: Namespace) -> list[str]:
    return [found["metadata"]["name"] for found in namespace.items(SERVICE)]


def _newer(now: dict[str, Any], before: dict[str, Any]) -> bool:
    latest = now["status"].get("latestReadyRevisionName")
    return is_ready(now) and latest != before["status"].get("latestReadyRevisionName")


def _readers(target: Target, wanted: Load, over: threading.Event) -> Availability:
    """Rounds of the load, one after the other, until it is over."""
    rounds = [load.run(target, wanted)]
    while not over.is_set():
        rounds.append(load.run(target, replace(wanted, seconds=ROUND)))
    return load.together(rounds)


def _sagas(running: RunningAirline, flight: int, seconds: float, over: threading.Event) -> list[Placed]:
    """One every EVERY seconds, however long the ones before take, for `seconds` and until it is over."""
    began = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as clients:
        under_way: list[Future[Placed]] = []
        while (now := time.monotonic() - began) < seconds or not over.is_set():
            time.sleep(max(0.0, len(under_way) * EVERY - now))
            under_way.append(clients.submit(_saga, running, flight, order(len(under_way) + 1)))
        return [one.result() for one in under_way]


def _saga(running: RunningAirline, flight: int, order: Order) -> Placed:
    airline = running.connect()
    try:
        placed = (_by_event if order.by_event else customers.place)(airline, flight, order.customer)
        if order.canceled:
            _cancel(airline, placed.reservation, order.by_event)
    except ClientError as error:
        raise DemoFailed(f"the command of customer {order.customer} failed: {error}") from error
    return placed


def _by_event(airline: Airline, flight: int, customer: int) -> Placed:
    sent = time.monotonic()
    promised = _say(airline, "ReservationRequested", {"customerId": customer, "flightId": flight, "seatQty": 1})
    return Placed(promised["reservationId"], sent, time.monotonic() - sent)


def _cancel(airline: Airline, reservation: str, by_event: bool) -> None:
    """Wherever the saga is by now; by event even before it is placed, as the broker tries again until it is."""
    if by_event:
        _say(airline, "CancellationRequested", {"reservationId": reservation})
    else:
        gateway.send(airline, "PATCH", f"/reservations/{gateway.segment(reservation)}", {"status": "CANCELED"})


def _say(airline: Airline, type_: str, data: dict[str, object]) -> Any:
    """A command as a CloudEvent from outside. Its id makes it safe to send again; Raises DemoFailed."""
    event = {"specversion": "1.0", "id": str(uuid4()), "source": "/demos/rollout", "type": type_, "data": data}
    try:
        answer = airline.session.post(
            f"{airline.url}/events",
            json=event,
            headers={"Content-Type": "application/cloudevents+json"},
            timeout=gateway.TIMEOUT,
        )
        answer.raise_for_status()
    except requests.RequestException as error:
        raise DemoFailed(f"{type_} was not taken: {error}") from error
    return answer.json()
