"""Customers: they place, cancel, go away, and ask again with the same key whenever they got no answer."""

import heapq
import itertools
import sqlite3
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests.reliability.laws_in_sql import ACKNOWLEDGED
from tests.reliability.plan import Cancel, Order
from tests.reliability.restartable_laptop import RestartableLaptop

TIMEOUT = 40.0  # seconds; the gateway gives up after 35
PENDING_AT_MOST = 150  # more reservations under way than this wait outside, or all of them would expire
Send = Callable[[str, float], requests.Response]


@dataclass
class Acknowledged:
    """The answers that clients got, and nothing else; shared by all of them."""

    placed: dict[str, Order] = field(default_factory=dict)
    canceled: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def finished(self) -> int:
        """Orders that were acknowledged or given up."""
        return self.counts["acknowledged"] + self.counts["given up"]

    def count(self, what: str) -> None:
        """One more of these."""
        with self.lock:
            self.counts[what] += 1

    def write(self, data: Path, flights: list[int]) -> None:
        """As acknowledged.db, for the laws."""
        path = data / "acknowledged.db"
        path.unlink(missing_ok=True)
        rows = [(key, order.customer, flights[order.flight], order.seats) for key, order in self.placed.items()]
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(ACKNOWLEDGED)
            connection.executemany("INSERT INTO placed VALUES (?, ?, ?, ?)", rows)
            connection.executemany("INSERT INTO canceled VALUES (?)", [(identity,) for identity in self.canceled])
            connection.commit()


class Client(threading.Thread):
    """Takes orders from the common queue until it is empty, and cancels what is due in between."""

    def __init__(
        self,
        laptop: RestartableLaptop,
        flights: list[int],
        orders: deque[Order],
        acknowledged: Acknowledged,
        patience: float,
    ) -> None:
        super().__init__(daemon=True)  # a run that breaks off waits for nobody
        self._laptop = laptop
        self._flights = flights
        self._orders = orders
        self._record = acknowledged
        self._patience = patience
        self._session = requests.Session()
        self._due: list[tuple[float, int, str, Order, Cancel]] = []
        self._sequence = itertools.count()

    def run(self) -> None:
        while self._orders or self._due:
            if self._due and self._due[0][0] <= time.monotonic():
                _, number, identity, order, cancel = heapq.heappop(self._due)
                self._cancel(number, identity, order, cancel)
            elif self._orders and self._may_place():
                self._take()
            else:
                time.sleep(0.05)

    def _may_place(self) -> bool:
        pending = self._laptop.query("reserve", "SELECT count(*) FROM reservations WHERE status = 'PENDING'")
        return not pending or pending[0][0] < PENDING_AT_MOST

    def _take(self) -> None:
        try:
            order = self._orders.popleft()
        except IndexError:
            return  # another client was faster
        answer = self._until_answered(self._placing(order), once=order.road == "POST once", hasty=order.hasty)
        if answer is None:
            self._record.count("given up")
        elif answer.status_code in {201, 202}:
            self._acknowledged(order, str(answer.json()["reservationId"]))
            if order.hasty and order.road != "POST once":
                self._compare(order, answer)
        else:
            self._record.faults.append(f"{order} was answered {answer.status_code}: {answer.text[:300]}")
            self._record.count("given up")

    def _compare(self, order: Order, first: requests.Response) -> None:
        """Asked once more with the same key, the answer is the same."""
        second = self._until_answered(self._placing(order))
        self._record.count("same answer again")
        if second is not None and second.json()["reservationId"] != first.json()["reservationId"]:
            self._record.faults.append(f"{order} was answered {first.text} and then {second.text}")

    def _acknowledged(self, order: Order, identity: str) -> None:
        with self._record.lock:
            self._record.placed[identity] = order
            self._record.counts["acknowledged"] += 1
            self._record.counts[f"by {order.road}"] += 1
        for cancel in order.cancels:
            due = time.monotonic() + cancel.after
            heapq.heappush(self._due, (due, next(self._sequence), identity, order, cancel))

    def _placing(self, order: Order) -> Send:
        data = {
            "customerId": order.customer,
            "flightId": self._flights[order.flight],
            "seatQty": order.seats,
            "reserveDate": order.day,
            "paymentMethod": order.method,
        }
        if order.road == "event":
            return self._event("ReservationRequested", order.key, data)
        headers = {} if order.road == "POST once" else {"Idempotency-Key": order.key}
        return lambda gateway, timeout: self._session.post(
            f"{gateway}/reservations", json=data, headers=headers, timeout=timeout
        )

    def _event(self, type_: str, identity: str, data: dict[str, Any]) -> Send:
        event = {"specversion": "1.0", "id": identity, "source": "/harness", "type": type_, "data": data}
        headers = {"Content-Type": "application/cloudevents+json"}
        return lambda gateway, timeout: self._session.post(
            f"{gateway}/events", json=event, headers=headers, timeout=timeout
        )

    def _cancel(self, number: int, identity: str, order: Order, cancel: Cancel) -> None:
        # a reservation that was asked for by an event may not be there yet; one that was posted must be
        not_yet = {404} if order.road == "event" else set()
        answer = self._until_answered(self._canceling(number, identity, order, cancel), again=not_yet)
        if answer is None:
            self._record.count("cancels given up")
        elif answer.ok:
            with self._record.lock:
                self._record.canceled.add(identity)
                self._record.counts[f"canceled by {cancel.road}"] += 1
        else:
            self._record.faults.append(f"{cancel} of {identity} was answered {answer.status_code}: {answer.text[:300]}")

    def _canceling(self, number: int, identity: str, order: Order, cancel: Cancel) -> Send:
        if cancel.road == "event":
            return self._event("CancellationRequested", f"{order.key}-cancel-{number}", {"reservationId": identity})
        body = {"status": "CANCELED", "reason": "thought better of it"} if cancel.road == "PATCH" else None
        return lambda gateway, timeout: self._session.request(
            cancel.road, f"{gateway}/reservations/{identity}", json=body, timeout=timeout
        )

    def _until_answered(
        self, send: Send, *, once: bool = False, hasty: bool = False, again: Iterable[int] = ()
    ) -> requests.Response | None:
        """The first answer that is not a failure and not in `again`; None when patience has run out."""
        deadline = time.monotonic() + self._patience
        while True:
            answer = self._answer(send, 0.02 if hasty else TIMEOUT)
            if answer is not None and answer.status_code < 500 and answer.status_code not in {409, *again}:
                return answer
            if once or time.monotonic() > deadline:
                return None
            self._record.count("asked again")
            hasty = False
            time.sleep(0.2)

    def _answer(self, send: Send, timeout: float) -> requests.Response | None:
        state = self._laptop.state()
        if not state or not state["gateway"]:
            return None
        try:
            return send(state["gateway"], timeout)
        except requests.RequestException as error:
            self._record.count(f"no answer: {type(error).__name__}")
            return None
