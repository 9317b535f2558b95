"""The vocabulary of whole-saga tests: what a customer does and what becomes of it, against any base URL."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import requests

from tests.system import eventually

ENDED = ("SUCCEED", "CANCELED")
TIMEOUT = 30  # seconds; a first call may wait for a cold start


@dataclass(frozen=True)
class Airline:
    """One running airline, by the address of its gateway."""

    gateway: str

    def get(self, path: str, **query: Any) -> Any:
        """The JSON behind a path."""
        answer = requests.get(self.gateway + path, params=query, timeout=TIMEOUT)
        answer.raise_for_status()
        return answer.json()

    def add_flight(self, seats: int, cost: int = 200_000) -> int:
        """The number of a new flight."""
        flight = {"flightCode": "ACE890", "takeoffDate": "2027-12-25", "cost": cost, "remainingSeatsCount": seats}
        answer = requests.post(f"{self.gateway}/flights", json=flight, timeout=TIMEOUT)
        answer.raise_for_status()
        return int(answer.json()["flightId"])

    def place_reservation(self, flight: int, seats: int, customer: int = 1, method: str = "accept") -> str:
        """The id of a new reservation."""
        wish = {"customerId": customer, "flightId": flight, "seatQty": seats, "paymentMethod": method}
        answer = requests.post(f"{self.gateway}/reservations", json=wish, timeout=TIMEOUT)
        answer.raise_for_status()
        return str(answer.json()["reservationId"])

    def cancel(self, reservation: str) -> None:
        """The customer cancels."""
        requests.delete(f"{self.gateway}/reservations/{reservation}", timeout=TIMEOUT).raise_for_status()

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
        return requests.post(f"{self.gateway}/events", json=event, headers=headers, timeout=TIMEOUT)

    def reservation(self, reservation: str) -> Any:
        """The reservation as it is now; None while nobody has heard of it."""
        answer = requests.get(f"{self.gateway}/reservations/{reservation}", timeout=TIMEOUT)
        return answer.json() if answer.ok else None

    def outcome(self, reservation: str, within: float = 30) -> Any:
        """The reservation, once it has ended."""

        def ended() -> Any:
            found = self.reservation(reservation)
            return found if found and found["status"] in ENDED else None

        return eventually(ended, f"reservation {reservation} ends", within)

    def eventually_canceled(self, reservation: str) -> Any:
        """The reservation, once it is CANCELED."""

        def canceled() -> Any:
            found = self.reservation(reservation)
            return found if found and found["status"] == "CANCELED" else None

        return eventually(canceled, f"reservation {reservation} is canceled")

    def eventually_remaining(self, flight: int, seats: int) -> None:
        """Waits until the flight has so many seats left."""
        eventually(lambda: self.get(f"/flights/{flight}")["remainingSeatsCount"] == seats, f"{seats} seats remain")

    def payment(self, reservation: str) -> Any:
        """The payment of a reservation; None if there is none."""
        payments = self.get("/payments", reservationId=reservation)["_embedded"]["payments"]
        return payments[0] if payments else None

    def eventually_refunded(self, reservation: str) -> None:
        """Waits until the money is back."""
        eventually(lambda: self.payment(reservation)["status"] == "REFUNDED", f"{reservation} is refunded")

    def customer(self, number: int) -> Any:
        """What the dashboard says of a customer; None before it has heard of them."""
        answer = requests.get(f"{self.gateway}/customerInfos/{number}", timeout=TIMEOUT)
        return answer.json() if answer.ok else None

    def events(self, reservation: str) -> list[Any]:
        """The history of a reservation, oldest first."""
        answer = requests.get(f"{self.gateway}/reservations/{reservation}/events", timeout=TIMEOUT)
        return list(answer.json()["_embedded"]["events"]) if answer.ok else []

    def dead_letters(self, **query: str) -> list[Any]:
        """What the broker gave up on."""
        return list(self.get("/dead-letters", **query)["_embedded"]["deadLetters"])
