"""One order is one reservation, whatever letters its id and source have and whichever way it came."""

import json
from itertools import product
from typing import Any

import pytest

from broker.embedded import event as embedded
from choreography import attributes, wire
from testbed.hosting import FOLDER_OF, HostedAirline
from testbed.project import functions, wiring
from testbed.recording_broker import RecordingBroker
from testbed.vocabulary import CLOUD_EVENT, assert_refused, body_of
from tests.integration.test_dead_letters import FUNCTION
from tests.integration.test_replay import only, replay

WISH = {"customerId": 7, "flightId": 1001, "seatQty": 3, "reserveDate": "2026-03-01"}
IDS = ["order 1", "주문-1", "100%", "%25", "order%201", '"quoted"', 'say "yes"', "é", "%EC%A3%BC", "🛫", "\\"]
SOURCES = ["/agency/7", "/agency/%20", "/agency/대한", "urn:agency:é"]
BROKEN = ["100%", "%", "%zz", "%FF", "%C0%A0", "%EC%A3", '"order 1', '"a" b', "\xff"]
POLICIES = [name for name, service in functions().items() if wiring(service)]


def command(identity: str, source: str = "/agency/7") -> dict[str, Any]:
    return {"specversion": "1.0", "id": identity, "source": source, "type": "ReservationRequested", "data": WISH}


def headers_of(event: dict[str, Any]) -> dict[str, str]:
    named = {f"ce-{name}": attributes.encoded(value) for name, value in event.items() if name != "data"}
    return named | {"Content-Type": "application/json"}


def delivered(event: dict[str, Any]) -> dict[str, Any]:
    """A request of the embedded broker, which took the event in structured mode."""
    stored = embedded.parse([("content-type", wire.CLOUD_EVENT_JSON)], json.dumps(event).encode())
    lines = embedded.binary_head(stored).decode("ascii").split("\r\n")[:-1]
    return {"headers": [tuple(line.split(": ", 1)) for line in lines], "data": stored.data}


def reservations(airline: HostedAirline) -> list[tuple[Any, ...]]:
    return airline.rows("reserve", "SELECT id FROM reservations")


@pytest.mark.parametrize("identity", IDS)
def test_an_order_is_one_reservation_in_binary_and_in_structured_mode(
    airline: HostedAirline, broker: RecordingBroker, identity: str
) -> None:
    function = airline.function("reserve-commands")
    whole = function.post("/events", data=json.dumps(command(identity)), headers=CLOUD_EVENT)
    binary = function.post("/events", json=WISH, headers=headers_of(command(identity)))

    assert (whole.status_code, binary.status_code) == (202, 202)
    assert body_of(whole) == body_of(binary)
    assert {said["id"] for said in broker.accepted} == {identity}
    for said in list(broker.accepted):
        assert airline.function("place-reservation").post("/", **delivered(said)).status_code == 204
    assert reservations(airline) == [(body_of(whole)["reservationId"],)]
    assert broker.accepted[-1]["causationid"] == identity


@pytest.mark.parametrize("header", ["order%201", "order 1", '"order 1"', '"order%201"', "%6frder%201"])
def test_every_way_to_write_a_header_is_the_same_order(
    airline: HostedAirline, broker: RecordingBroker, header: str
) -> None:
    function = airline.function("reserve-commands")
    promised = body_of(function.post("/events", data=json.dumps(command("order 1")), headers=CLOUD_EVENT))

    answer = function.post("/events", json=WISH, headers=headers_of(command("")) | {"ce-id": header})

    assert body_of(answer) == promised


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("identity", IDS)
def test_an_order_that_is_replayed_is_the_same_reservation(
    airline: HostedAirline, broker: RecordingBroker, identity: str, source: str
) -> None:
    order = command(identity, source)
    place, sink = airline.function("place-reservation"), airline.function("dead-letters")
    assert place.post("/", **delivered(order)).status_code == 204

    for _ in range(2):
        assert sink.post("/", **delivered(order | {"knativeerrordest": FUNCTION})).status_code == 204
        replay(sink, only(airline))
        order = broker.accepted[-1]
        assert place.post("/", **delivered(order)).status_code == 204

    assert (order["id"], order["source"]) == (identity, source)
    assert len(reservations(airline)) == 1
    assert {said.get("causationid") for said in broker.accepted} == {None, identity}
    assert only(airline)["eventId"] == identity


@pytest.mark.parametrize("service", ["reserve-commands", *POLICIES])
def test_a_wrongly_encoded_header_is_refused(airline: HostedAirline, service: str) -> None:
    before = airline.contents(FOLDER_OF[service])
    path = "/events" if service == "reserve-commands" else "/"

    for header, attribute in product(BROKEN, ["id", "source", "type", "subject", "traceparent", "anything"]):
        headers = headers_of(command("1")) | {f"ce-{attribute}": header}
        answer = airline.function(service).post(path, json=WISH, headers=headers)
        assert_refused(answer, 400)
        assert f"ce-{attribute}" in body_of(answer)["detail"]

    assert airline.contents(FOLDER_OF[service]) == before
