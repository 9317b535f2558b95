"""What the tests say to functions and expect of them, in the airline's words."""

import json
from typing import Any

from werkzeug.test import TestResponse

from airline.events import AIRLINE
from testbed.hosting import HostedAirline

RESERVATION = "7Q2M9XW4TBCK"
INSTANT = "2026-03-01T12:00:00.000Z"
IN_TIME = "2099-01-01T00:00:00.000Z"
CLOUD_EVENT = {"Content-Type": "application/cloudevents+json"}

_PARTY = {"reservationId": RESERVATION, "customerId": 7, "flightId": 1001, "seatQty": 3}
_MONEY = {"paymentId": 1, "reservationId": RESERVATION, "customerId": 7, "amount": 2_940_000}
DATA: dict[str, dict[str, Any]] = {
    "ReservationPlaced": _PARTY | {"reserveDate": "2026-03-01", "paymentMethod": "accept", "expiresAt": IN_TIME},
    "RemainingSeatsDecreased": _PARTY
    | {"flightCode": "KE081", "takeoffDate": "2027-06-01", "cost": 980_000, "amount": 2_940_000}
    | {"remainingSeatsCount": 177, "paymentMethod": "accept", "expiresAt": IN_TIME},
    "SeatsSoldOut": {"reservationId": RESERVATION, "flightId": 1001, "seatQty": 3}
    | {"remainingSeatsCount": 2, "reason": "not enough seats left"},
    "Paid": _MONEY,
    "PaymentFailed": _MONEY | {"reason": "declined by the provider"},
    "PaymentRefunded": _MONEY | {"reason": "canceled by customer"},
    "ReservationConfirmed": _PARTY,
    "ReservationCanceled": _PARTY | {"reason": "canceled by customer"},
    "RemainingSeatsIncreased": {"reservationId": RESERVATION, "flightId": 1001, "seatQty": 3}
    | {"remainingSeatsCount": 180},
    "SeatsNotHeld": {"reservationId": RESERVATION, "flightId": 1001},
    "PaymentNotTaken": {"reservationId": RESERVATION, "customerId": 7},
    "SagasSettled": {"status": "SUCCEED", "reservationIds": [RESERVATION]},
    "SagaExpected": {"expectedBy": "reserve", "expectedAt": INSTANT},
    "ReservationRequested": _PARTY | {"reserveDate": "2026-03-01", "paymentMethod": "accept"},
    "CancellationRequested": {"reservationId": RESERVATION, "reason": "ill"},
}
"""Sample data of every word of the glossary, all about one reservation (SagasSettled is about many, here one).

SagaExpected is about none.
"""


def event(type_: str, source: str = "/airline/test", **data: object) -> dict[str, Any]:
    """A structured saga event as the broker delivers it; `data` replaces sample values."""
    said = DATA[type_] | data
    about = str(said.get("reservationId", RESERVATION))
    return {
        "specversion": "1.0",
        "id": AIRLINE.event_id(type_, about),
        "type": type_,
        "source": source,
        "subject": f"reservations/{about}",
        "time": INSTANT,
        "datacontenttype": "application/json",
        "partitionkey": about,
        "correlationid": about,
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "data": said,
    }


def tick() -> dict[str, Any]:
    """What a PingSource sends."""
    source = "/apis/v1/namespaces/airline/pingsources/housekeeping"
    return {"specversion": "1.0", "id": "tick-1", "type": "dev.knative.sources.ping", "source": source}


def place(airline: HostedAirline, **wish: object) -> dict[str, Any]:
    """Reserves seats over HTTP and returns the reservation."""
    answer = airline.function("reserve").post(
        "/reservations", json={"customerId": 1, "flightId": 1, "seatQty": 3} | wish
    )
    assert answer.status_code == 201, answer.text
    return body_of(answer)


def body_of(answer: TestResponse) -> dict[str, Any]:
    """The JSON object in an answer."""
    body: dict[str, Any] = json.loads(answer.text)
    return body


def href(resource: dict[str, Any], relation: str) -> str:
    """Where a link leads."""
    return str(resource["_links"][relation]["href"])


def assert_refused(answer: TestResponse, status: int, *fields: str) -> None:
    """A problem document of that status, naming exactly these fields."""
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    problem = body_of(answer)
    assert problem["status"] == status
    assert problem["detail"]
    assert {error["field"] for error in problem.get("errors", [])} == set(fields)
