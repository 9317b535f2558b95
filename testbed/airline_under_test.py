"""The vocabulary of whole-saga tests: what a customer does and what becomes of it, against any base URL.

It sends its own requests instead of using client/: what is tested must not be what tests it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import uuid4

import requests

from testbed.running_system import eventually

ENDED = ("SUCCEED", "CANCELED")
TIMEOUT = 30  # seconds; a first call may wait for a cold start

Found = TypeVar("Found")


@dataclass(frozen=True)
class AirlineUnderTest:
    """One running airline, by the address of its gateway; `host` is its name there, where no DNS knows it, and `token`
    says who asks.

    `patience` is how many seconds something may take to happen, `pause` how many there are between two looks.
    """

    gateway: str
    host: str | None = None
    patience: float = 30.0
    pause: float = 0.02
    token: str | None = None

    def ask(self, method: str, path: str, **request: Any) -> requests.Response:
        """One request to the gateway, whatever the answer is."""
        headers = request.pop("headers", {}) | ({"Host": self.host} if self.host else {})
        headers |= {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return requests.request(method, self.gateway + path, headers=headers, timeout=TIMEOUT, **request)

    def eventually(self, look: Callable[[], Found], what: str, within: float | None = None) -> Found:
        """The first true answer of `look`; fails the test when patience, or `within`, is over."""
        return eventually(look, what, within or self.patience, self.pause)

    def get(self, path: str, **query: Any) -> Any:
        """The JSON behind a path."""
        answer = self.ask("GET", path, params=query)
        answer.raise_for_status()
        return answer.json()

    def add_flight(self, seats: int, cost: int = 200_000, code: str = "ACE890") -> int:
        """The number of a new flight."""
        flight = {"flightCode": code, "takeoffDate": "2027-12-25", "cost": cost, "remainingSeatsCount": seats}
        answer = self.ask("POST", "/flights", json=flight)
        answer.raise_for_status()
        return int(answer.json()["flightId"])

    def place_reservation(self, flight: int, seats: int, customer: int = 1, method: str = "accept") -> str:
        """The id of a new reservation."""
        wish = {"customerId": customer, "flightId": flight, "seatQty": seats, "paymentMethod": method}
        answer = self.ask("POST", "/reservations", json=wish)
        answer.raise_for_status()
        return str(answer.json()["reservationId"])

    def cancel(self, reservation: str) -> None:
        """The customer cancels."""
        self.ask("DELETE", f"/reservations/{reservation}").raise_for_status()

    def say(self, type_: str, data: dict[str, Any], **attributes: str) -> requests.Response:
        """A command as a structured CloudEvent at /events."""
        event = {
            "specversion": "1.0",
            "id": str(uuid4()),
            "source": "/agency/7",
            "type": type_,
            "data": data,
        } | attributes
        headers = {"Content-Type": "application/cloudevents+json"}
        return self.ask("POST", "/events", json=event, headers=headers)

    def reservation(self, reservation: str) -> Any:
        """The reservation as it is now; None while it is unknown."""
        answer = self.ask("GET", f"/reservations/{reservation}")
        return answer.json() if answer.ok else None

    def outcome(self, reservation: str, within: float | None = None) -> Any:
        """The reservation, once it has ended."""

        def ended() -> Any:
            found = self.reservation(reservation)
            return found if found and found["status"] in ENDED else None

        return self.eventually(ended, f"reservation {reservation} ends", within)

    def eventually_canceled(self, reservation: str) -> Any:
        """The reservation, once it is CANCELED."""

        def canceled() -> Any:
            found = self.reservation(reservation)
            return found if found and found["status"] == "CANCELED" else None

        return self.eventually(canceled, f"reservation {reservation} is canceled")

    def eventually_remaining(self, flight: int, seats: int) -> None:
        """Waits until the flight has this many seats left."""
        self.eventually(lambda: self.get(f"/flights/{flight}")["remainingSeatsCount"] == seats, f"{seats} seats remain")

    def eventually_compensated(self, reservation: str) -> None:
        """Waits until seats and money of a canceled reservation have both been answered for."""
        seats, money = {"RemainingSeatsIncreased", "SeatsNotHeld"}, {"PaymentRefunded", "PaymentNotTaken"}

        def answered() -> bool:
            said = {event["type"] for event in self.events(reservation)}
            return bool(said & seats and said & money)

        self.eventually(answered, f"{reservation} is compensated")

    def payment(self, reservation: str) -> Any:
        """The payment of a reservation; None if there is none."""
        payments = self.get("/payments", reservationId=reservation)["_embedded"]["payments"]
        return payments[0] if payments else None

    def eventually_refunded(self, reservation: str) -> None:
        """Waits until the money is back."""
        self.eventually(lambda: self.payment(reservation)["status"] == "REFUNDED", f"{reservation} is refunded")

    def eventually_undone(self, reservation: str) -> None:
        """Waits until the charge is undone: the money is back, or the provider declined what it was still asked for."""
        ends = ("REFUNDED", "FAILED")
        self.eventually(lambda: self.payment(reservation)["status"] in ends, f"the charge of {reservation} is undone")

    def money_with_the_provider(self, reservation: str) -> int:
        """What the provider took for a reservation and has not given back, by its ledger."""
        entries = self.get("/ledger", key=reservation)["_embedded"]["entries"]
        taken = [
            entry["amount"] if entry["kind"] == "charge" else -entry["amount"] for entry in entries if entry["accepted"]
        ]
        return sum(taken)

    def customer(self, number: int) -> Any:
        """What the dashboard says about a customer; None before it has heard of them."""
        answer = self.ask("GET", f"/customerInfos/{number}")
        return answer.json() if answer.ok else None

    def events(self, reservation: str) -> list[Any]:
        """The history of a reservation, oldest first."""
        answer = self.ask("GET", f"/reservations/{reservation}/events")
        return list(answer.json()["_embedded"]["events"]) if answer.ok else []

    def dead_letters(self, **query: str) -> list[Any]:
        """What the broker gave up on."""
        return list(self.get("/dead-letters", **query)["_embedded"]["deadLetters"])
