"""What customers do in the simulation of the tests, over HTTP: resources, and commands as CloudEvents."""

from datetime import date
from typing import Any

from flask.testing import FlaskClient

import commands_api
import reservations_api
from tests.model.simulation import Simulation

AGENCY = "/agency/7"
WAYS_TO_CANCEL = ("DELETE", "PATCH", "command")


class Customer:
    """Everybody who books. `known` are the reservations they have an id of, `unwanted` those they canceled."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._resources: FlaskClient = reservations_api.app.test_client()
        self._commands: FlaskClient = commands_api.app.test_client()
        self.known: list[str] = []
        self.unwanted: set[str] = set()

    def order(self, number: int, **wish: Any) -> str | None:
        """Sends order `number`, for the first time or again; the id of its reservation, if it was taken."""
        if number % 2:
            return self._taken(self._say("ReservationRequested", str(number), wish))
        with self._simulation.at("reservations"):
            answer = self._resources.post("/reservations", json=wish, headers={"Idempotency-Key": str(number)})
        assert answer.status_code in (201, 503), answer.text
        return self._taken(answer)

    def cancel(self, reservation: str, by: str = "DELETE") -> None:
        """Cancels by one of WAYS_TO_CANCEL."""
        if by == "command":
            event = f"{reservation}-{len(self.unwanted)}"
            answer = self._say("CancellationRequested", event, {"reservationId": reservation})
        else:
            change = {"status": "CANCELED", "reason": "rain"} if by == "PATCH" else None
            with self._simulation.at("reservations"):
                answer = self._resources.open(f"/reservations/{reservation}", method=by, json=change)
        assert answer.status_code in (200, 202, 204, 404, 503), answer.text
        if answer.status_code < 300:
            self.unwanted.add(reservation)

    def _say(self, type_: str, identity: str, data: dict[str, Any]) -> Any:
        event = {"specversion": "1.0", "id": identity, "source": AGENCY, "type": type_, "data": data}
        with self._simulation.at("reservations"):
            answer = self._commands.post("/events", json=event, content_type="application/cloudevents+json")
        assert answer.status_code in (202, 503), answer.text
        return answer

    def _taken(self, answer: Any) -> str | None:
        if answer.status_code == 503:
            return None
        reservation = str(answer.json["reservationId"])
        if reservation not in self.known:
            self.known.append(reservation)
        return reservation


def wish(flight: int, seats: int = 1, method: str = "accept", customer: int = 7, day: int = 21) -> dict[str, Any]:
    """What a customer asks for, as JSON."""
    return {
        "customerId": customer,
        "flightId": flight,
        "seatQty": seats,
        "paymentMethod": method,
        "reserveDate": date(2024, 11, day).isoformat(),
    }
