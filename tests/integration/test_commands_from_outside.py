"""Commands as CloudEvents from outside: judged, cleaned, and given to the broker before the 202."""

import json
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.integration.hosting import Airline
from tests.integration.recording_broker import RecordingBroker
from tests.integration.vocabulary import CLOUD_EVENT, DATA, RESERVATION, assert_refused, body_of, event

WISH = {"customerId": "7", "flightId": "1001", "seatQty": "3", "reserveDate": "2026-03-01"}
AGENCY = "/travel-agency/seoul"
OURS = ["/airline", "/airline/", "/airline/reserve", "/airline/x"]

Command = dict[str, Any]


def request(type_: str = "ReservationRequested", data: object = WISH, **attributes: object) -> Command:
    """A command as a travel agency sends it."""
    return {"specversion": "1.0", "id": "order-1", "source": AGENCY, "type": type_, "data": data} | attributes


def structured(airline: Airline, command: Command) -> TestResponse:
    return airline.function("reserve-commands").post("/events", data=json.dumps(command), headers=CLOUD_EVENT)


def binary(airline: Airline, command: Command) -> TestResponse:
    headers = {f"ce-{name}": str(value) for name, value in command.items() if name != "data"}
    return airline.function("reserve-commands").post("/events", json=command["data"], headers=headers)


in_both_modes = pytest.mark.parametrize("send", [structured, binary])


@in_both_modes
def test_a_request_is_accepted_with_the_id_and_address_of_its_reservation(
    airline: Airline, broker: RecordingBroker, send: Any
) -> None:
    answer = send(airline, request())

    promised = body_of(answer)["reservationId"]
    assert (answer.status_code, answer.content_type) == (202, "application/hal+json")
    assert answer.headers["Location"] == f"http://localhost/reservations/{promised}"
    assert body_of(answer)["_links"]["status"]["href"] == answer.headers["Location"]
    (heard,) = broker.accepted
    assert (heard["id"], heard["source"], heard["type"]) == ("order-1", AGENCY, "ReservationRequested")
    assert heard["partitionkey"] == heard["correlationid"] == heard["data"]["reservationId"] == promised
    assert heard["data"]["seatQty"] == 3


@in_both_modes
def test_a_cancellation_is_accepted(airline: Airline, broker: RecordingBroker, send: Any) -> None:
    answer = send(airline, request("CancellationRequested", {"reservationId": RESERVATION}))

    assert answer.status_code == 202
    (heard,) = broker.accepted
    assert heard["data"] == {"reservationId": RESERVATION, "reason": "canceled by customer"}


def test_behind_the_gateway_the_status_link_leads_to_the_gateway(airline: Airline) -> None:
    headers = CLOUD_EVENT | {"X-Forwarded-Host": "airline.example", "X-Forwarded-Proto": "https"}

    answer = airline.function("reserve-commands").post("/events", data=json.dumps(request()), headers=headers)

    assert answer.headers["Location"].startswith("https://airline.example/reservations/")


def test_a_whole_event_may_be_sent_as_plain_json(airline: Airline) -> None:
    assert airline.function("reserve-commands").post("/events", json=request()).status_code == 202


def test_the_promised_id_is_the_one_that_is_placed(airline: Airline, broker: RecordingBroker) -> None:
    promised = body_of(structured(airline, request()))["reservationId"]

    assert airline.function("place-reservation").hear(broker.accepted[0]).status_code == 204

    placed = body_of(airline.function("reserve").get(f"/reservations/{promised}"))
    assert (placed["status"], placed["customerId"], placed["seatQty"]) == ("PENDING", 7, 3)
    assert broker.accepted[1]["data"]["reservationId"] == promised
    assert broker.accepted[1]["causationid"] == "order-1"


def test_the_same_command_sent_again_is_the_same_reservation(airline: Airline, broker: RecordingBroker) -> None:
    first, again = structured(airline, request()), binary(airline, request())

    for heard in list(broker.accepted):
        airline.function("place-reservation").hear(heard)

    assert body_of(first) == body_of(again)
    assert airline.rows("reserve", "SELECT COUNT(*) FROM reservations") == [(1,)]


@pytest.mark.parametrize("other", [{"id": "order-2"}, {"source": "/travel-agency/busan"}])
def test_another_command_is_another_reservation(airline: Airline, other: Command) -> None:
    promised = {body_of(structured(airline, request(**attributes)))["reservationId"] for attributes in ({}, other)}

    assert len(promised) == 2


@in_both_modes
@pytest.mark.parametrize("source", OURS)
def test_nobody_outside_speaks_as_the_airline(
    airline: Airline, broker: RecordingBroker, send: Any, source: str
) -> None:
    assert_refused(send(airline, request(source=source)), 403)
    assert broker.accepted == []


@in_both_modes
@pytest.mark.parametrize("type_", [*sorted(set(DATA) - {"ReservationRequested", "CancellationRequested"}), "paid", "X"])
def test_what_is_no_command_is_refused(airline: Airline, broker: RecordingBroker, send: Any, type_: str) -> None:
    assert_refused(send(airline, request(type_, DATA.get(type_, {}))), 403)
    assert broker.accepted == []


@in_both_modes
def test_extensions_from_outside_do_not_travel_on(airline: Airline, broker: RecordingBroker, send: Any) -> None:
    forged = dict.fromkeys(("partitionkey", "correlationid", "causationid", "subject", "anything"), "forged")
    knative = {
        f"knative{name}": "forged" for name in ("errordest", "errorcode", "errordata", "kafkaoffset", "brokerttl")
    }
    trace = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}

    promised = body_of(send(airline, request(**forged, **knative, **trace)))["reservationId"]

    (heard,) = broker.accepted
    assert "forged" not in heard.values()
    assert not {name for name in heard if name.startswith("knative")} | heard.keys() & {"causationid", "anything"}
    assert heard["partitionkey"] == heard["correlationid"] == promised
    assert heard["traceparent"].split("-")[1] == "0af7651916cd43dd8448eb211c80319c"


@in_both_modes
def test_fields_that_are_ours_do_not_travel_on(airline: Airline, broker: RecordingBroker, send: Any) -> None:
    mine = {"reservationId": RESERVATION, "status": "SUCCEED", "expiresAt": "2099-01-01T00:00:00Z"}

    promised = body_of(send(airline, request(data=WISH | mine)))["reservationId"]

    assert promised != RESERVATION
    assert set(broker.accepted[0]["data"]) == set(DATA["ReservationRequested"])


@pytest.mark.parametrize("status", [400, 404, 413, 500, 503])
def test_a_command_that_the_broker_refuses_is_not_accepted(
    airline: Airline, broker: RecordingBroker, status: int
) -> None:
    broker.refusals["ReservationRequested"] = status

    assert_refused(structured(airline, request()), 503)


def test_a_command_is_not_accepted_while_the_broker_is_away(airline_without_broker: Airline) -> None:
    assert_refused(structured(airline_without_broker, request()), 503)


def test_a_command_is_not_accepted_where_nobody_said_who_the_broker_is(airline: Airline) -> None:
    airline.sink = ""

    assert_refused(structured(airline, request()), 503)


BROKEN: dict[str, tuple[bytes, dict[str, str]]] = {
    "an empty body": (b"", CLOUD_EVENT),
    "no JSON": (b"{", CLOUD_EVENT),
    "a list": (b"[]", CLOUD_EVENT),
    "a batch": (json.dumps([request()]).encode(), {"Content-Type": "application/cloudevents-batch+json"}),
    "lists in lists": (b"[" * 60_000, CLOUD_EVENT),
    "data in broken base64": (json.dumps(request() | {"data_base64": "a"}).encode(), CLOUD_EVENT),
    "another specversion": (json.dumps(request(specversion="0.3")).encode(), CLOUD_EVENT),
    "a number for an id": (json.dumps(request(id=1)).encode(), CLOUD_EVENT),
    "an empty id": (json.dumps(request(id="")).encode(), CLOUD_EVENT),
    "a plain command": (json.dumps(WISH).encode(), {"Content-Type": "application/json"}),
    "data that is no JSON": (
        b"seatQty=3",
        {"ce-specversion": "1.0", "ce-id": "1", "ce-source": AGENCY, "ce-type": "ReservationRequested"},
    ),
    "two modes at once": (
        json.dumps(WISH).encode(),
        CLOUD_EVENT | {"ce-specversion": "1.0", "ce-id": "1", "ce-source": AGENCY, "ce-type": "ReservationRequested"},
    ),
}


@pytest.mark.parametrize(("body", "headers"), BROKEN.values(), ids=BROKEN)
def test_a_broken_event_is_refused(
    airline: Airline, broker: RecordingBroker, body: bytes, headers: dict[str, str]
) -> None:
    assert_refused(airline.function("reserve-commands").post("/events", data=body, headers=headers), 400)
    assert broker.accepted == []


@pytest.mark.parametrize("attribute", ["specversion", "id", "source", "type"])
def test_an_event_that_lacks_an_attribute_is_refused(airline: Airline, attribute: str) -> None:
    command = {name: value for name, value in request().items() if name != attribute}

    # cloudevents completes a structured event that lacks specversion or id; in binary mode nothing is completed
    assert_refused(binary(airline, command), 400)


@in_both_modes
@pytest.mark.parametrize("attribute", ["id", "source"])
def test_an_attribute_that_is_too_long_is_refused(airline: Airline, send: Any, attribute: str) -> None:
    assert_refused(send(airline, request(**{attribute: "x" * 256})), 422, attribute)


@pytest.mark.parametrize("attribute", [{"id": "a\x00"}, {"id": "\ud800"}, {"source": "a b"}, {"source": "a\nb"}])
def test_an_attribute_that_a_broker_would_choke_on_is_refused(airline: Airline, attribute: Command) -> None:
    assert_refused(structured(airline, request(**attribute)), 422, *attribute)


@in_both_modes
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seatQty", 0),
        ("seatQty", 1001),
        ("seatQty", True),
        ("customerId", None),
        ("flightId", "x"),
        ("reserveDate", "x"),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_field(
    airline: Airline, broker: RecordingBroker, send: Any, field: str, value: object
) -> None:
    assert_refused(send(airline, request(data=WISH | {field: value})), 422, field)
    assert broker.accepted == []


@pytest.mark.parametrize("identity", [None, 1, "", "short", RESERVATION.lower(), RESERVATION + "0", "ILOU" * 3])
def test_a_cancellation_of_what_cannot_be_a_reservation_is_refused(airline: Airline, identity: object) -> None:
    cancellation = request("CancellationRequested", {"reservationId": identity})

    assert_refused(structured(airline, cancellation), 422, "reservationId")


def test_an_oversized_command_is_refused(airline: Airline) -> None:
    assert_refused(structured(airline, request(data=WISH | {"x": "x" * 70_000})), 413)


def test_a_cancellation_of_an_unknown_reservation_is_for_the_broker_to_retry(airline: Airline) -> None:
    before = airline.contents("reserve")

    assert_refused(airline.function("cancel-reservation").hear(event("CancellationRequested", AGENCY)), 404)
    assert airline.contents("reserve") == before
