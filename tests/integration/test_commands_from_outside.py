"""Commands as CloudEvents from outside: checked, cleaned, stored before the 202, and repeated until they are done."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from testbed.hosting import HostedAirline
from testbed.recording_broker import RecordingBroker
from testbed.vocabulary import (
    CLOUD_EVENT,
    DATA,
    RESERVATION,
    assert_refused,
    body_of,
    event,
    place,
    tick,
)
from tests.integration.conftest import Clock

WISH = {"customerId": "7", "flightId": "1001", "seatQty": "3", "reserveDate": "2026-03-01"}
AGENCY = "/travel-agency/seoul"
OURS = ["/airline", "/airline/", "/airline/reserve", "/airline/x"]

Command = dict[str, Any]


def request(type_: str = "ReservationRequested", data: object = WISH, **attributes: object) -> Command:
    """A command as a travel agency sends it."""
    return {"specversion": "1.0", "id": "order-1", "source": AGENCY, "type": type_, "data": data} | attributes


def cancellation(reservation: str) -> Command:
    return request("CancellationRequested", {"reservationId": reservation}, id="cancel-1")


def structured(airline: HostedAirline, command: Command) -> TestResponse:
    return airline.function("reserve-commands").post("/events", data=json.dumps(command), headers=CLOUD_EVENT)


def binary(airline: HostedAirline, command: Command) -> TestResponse:
    headers = {f"ce-{name}": str(value) for name, value in command.items() if name != "data"}
    return airline.function("reserve-commands").post("/events", json=command["data"], headers=headers)


in_both_modes = pytest.mark.parametrize("send", [structured, binary])


@in_both_modes
def test_a_request_is_accepted_with_the_id_and_address_of_its_reservation(
    airline: HostedAirline, broker: RecordingBroker, send: Any
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
def test_a_cancellation_is_accepted(airline: HostedAirline, broker: RecordingBroker, send: Any) -> None:
    placed = place(airline)["reservationId"]

    answer = send(airline, request("CancellationRequested", {"reservationId": placed}))

    assert answer.status_code == 202
    assert broker.accepted[-1]["data"] == {"reservationId": placed, "reason": "canceled by customer"}


@in_both_modes
def test_a_cancellation_of_what_was_promised_and_is_not_placed_yet_is_accepted(
    airline: HostedAirline, send: Any
) -> None:
    promised = body_of(structured(airline, request()))["reservationId"]

    assert send(airline, cancellation(promised)).status_code == 202


@in_both_modes
def test_a_cancellation_of_what_was_neither_placed_nor_promised_is_refused(
    airline: HostedAirline, broker: RecordingBroker, send: Any
) -> None:
    promised = body_of(structured(airline, request()))["reservationId"]
    structured(airline, cancellation(promised))
    before = airline.contents("reserve")

    assert_refused(send(airline, cancellation(RESERVATION)), 404)
    assert broker.heard() == ["ReservationRequested", "CancellationRequested"]
    assert airline.contents("reserve") == before


def test_behind_the_gateway_the_status_link_leads_to_the_gateway(airline: HostedAirline) -> None:
    headers = CLOUD_EVENT | {"X-Forwarded-Host": "airline.example", "X-Forwarded-Proto": "https"}

    answer = airline.function("reserve-commands").post("/events", data=json.dumps(request()), headers=headers)

    assert answer.headers["Location"].startswith("https://airline.example/reservations/")


def test_a_whole_event_may_be_sent_as_plain_json(airline: HostedAirline) -> None:
    assert airline.function("reserve-commands").post("/events", json=request()).status_code == 202


def test_the_promised_id_is_the_one_that_is_placed(airline: HostedAirline, broker: RecordingBroker) -> None:
    promised = body_of(structured(airline, request()))["reservationId"]

    assert airline.function("place-reservation").hear(broker.accepted[0]).status_code == 204

    placed = body_of(airline.function("reserve").get(f"/reservations/{promised}"))
    assert (placed["status"], placed["customerId"], placed["seatQty"]) == ("PENDING", 7, 3)
    assert broker.accepted[1]["data"]["reservationId"] == promised
    assert broker.accepted[1]["causationid"] == "order-1"


def test_a_reservation_names_the_command_that_asked_for_it(airline: HostedAirline, broker: RecordingBroker) -> None:
    promised = body_of(structured(airline, request()))["reservationId"]
    airline.function("place-reservation").hear(broker.accepted[0])
    straight = request(id="주문-1", data={"customerId": 7, "flightId": 1001, "seatQty": 3})
    airline.function("place-reservation").hear(straight)

    found = body_of(airline.function("reserve").get("/reservations"))["_embedded"]["reservations"]

    commands = {one["reservationId"]: one["requestedBy"] for one in found}
    assert commands.pop(promised) == {"source": AGENCY, "id": "order-1"}
    assert [*commands.values()] == [{"source": AGENCY, "id": "주문-1"}]
    assert place(airline)["requestedBy"] is None


def test_two_commands_whose_long_ids_begin_alike_stay_two(airline: HostedAirline) -> None:
    # straight from the broker's ingress, which lets ids be of any length
    for letters in (255, 5000):
        command = event("ReservationRequested", "/agency/7") | {"id": "x" * letters}
        del command["correlationid"], command["data"]["reservationId"]
        assert airline.function("place-reservation").hear(command).status_code == 204

    names = {name for (name,) in airline.rows("reserve", "SELECT requested_id FROM reservations")}
    assert len(names) == 2
    assert all(len(name) == 255 for name in names)


def test_the_same_command_sent_again_is_the_same_reservation(airline: HostedAirline, broker: RecordingBroker) -> None:
    first, again = structured(airline, request()), binary(airline, request())

    for heard in list(broker.accepted):
        airline.function("place-reservation").hear(heard)

    assert body_of(first) == body_of(again)
    assert airline.rows("reserve", "SELECT COUNT(*) FROM reservations") == [(1,)]


@pytest.mark.parametrize("other", [{"id": "order-2"}, {"source": "/travel-agency/busan"}])
def test_another_command_is_another_reservation(airline: HostedAirline, other: Command) -> None:
    promised = {body_of(structured(airline, request(**attributes)))["reservationId"] for attributes in ({}, other)}

    assert len(promised) == 2


@in_both_modes
@pytest.mark.parametrize("source", OURS)
def test_nobody_outside_can_send_as_the_airline(
    airline: HostedAirline, broker: RecordingBroker, send: Any, source: str
) -> None:
    assert_refused(send(airline, request(source=source)), 403)
    assert broker.accepted == []


@in_both_modes
@pytest.mark.parametrize("type_", [*sorted(set(DATA) - {"ReservationRequested", "CancellationRequested"}), "paid", "X"])
def test_what_is_not_a_command_is_refused(
    airline: HostedAirline, broker: RecordingBroker, send: Any, type_: str
) -> None:
    assert_refused(send(airline, request(type_, DATA.get(type_, {}))), 403)
    assert broker.accepted == []


@in_both_modes
def test_extensions_from_outside_do_not_travel_on(airline: HostedAirline, broker: RecordingBroker, send: Any) -> None:
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
def test_fields_that_are_ours_do_not_travel_on(airline: HostedAirline, broker: RecordingBroker, send: Any) -> None:
    mine = {"reservationId": RESERVATION, "status": "SUCCEED", "expiresAt": "2099-01-01T00:00:00Z"}

    promised = body_of(send(airline, request(data=WISH | mine)))["reservationId"]

    assert promised != RESERVATION
    assert set(broker.accepted[0]["data"]) == set(DATA["ReservationRequested"])


@pytest.mark.parametrize("status", [404, 429, 500, 503])
def test_a_command_is_accepted_while_the_broker_refuses_it_and_sent_later(
    airline: HostedAirline, broker: RecordingBroker, status: int
) -> None:
    broker.refusals["ReservationRequested"] = status
    promised = body_of(structured(airline, request()))["reservationId"]
    assert broker.accepted == []

    broker.refusals.clear()
    keep_house(airline)

    assert {said["data"]["reservationId"] for said in broker.accepted} == {promised}


@pytest.mark.parametrize("sink", ["", None], ids=["the broker is not configured", "away"])
def test_a_command_is_accepted_without_the_broker_and_sent_later(
    airline_without_broker: HostedAirline, broker: RecordingBroker, sink: str | None
) -> None:
    airline = airline_without_broker
    airline.sink = airline.sink if sink is None else sink
    promised = body_of(structured(airline, request()))["reservationId"]

    airline.sink = broker.url
    keep_house(airline)

    assert {(said["data"]["reservationId"], said["id"]) for said in broker.accepted} == {(promised, "order-1")}


def test_a_command_is_not_accepted_where_it_cannot_be_remembered(
    airline: HostedAirline, broker: RecordingBroker, tmp_path: Path
) -> None:
    airline.settings["DATABASE_URL"] = f"sqlite:///{tmp_path / 'no such folder' / 'x.db'}"

    assert_refused(structured(airline, request()), 503)
    assert broker.accepted == []


def test_a_command_is_repeated_until_its_reservation_is_there(
    airline: HostedAirline, broker: RecordingBroker, held_clock: Clock
) -> None:
    structured(airline, request())
    (lost,) = broker.accepted
    keep_house(airline)
    assert broker.accepted == [lost]

    for hours in (1, 5, 48):
        held_clock.passes(timedelta(hours=hours))
        keep_house(airline)
        assert broker.accepted.pop() == lost == broker.accepted[0]

    airline.function("place-reservation").hear(lost)
    held_clock.passes(timedelta(hours=5))
    keep_house(airline)
    keep_house(airline)
    assert commands_heard(broker) == ["ReservationRequested"]


def test_a_cancellation_is_repeated_until_its_reservation_is_canceled(
    airline: HostedAirline, broker: RecordingBroker, held_clock: Clock
) -> None:
    placed = place(airline)["reservationId"]
    structured(airline, cancellation(placed))
    lost = broker.accepted[-1]

    held_clock.passes(timedelta(minutes=11))
    keep_house(airline)
    assert [said for said in broker.accepted if said["type"] == "CancellationRequested"] == [lost, lost]

    airline.function("cancel-reservation").hear(lost)
    held_clock.passes(timedelta(hours=5))
    keep_house(airline)
    assert commands_heard(broker) == ["CancellationRequested"] * 2
    assert status_of(airline, placed) == "CANCELED"


def test_a_command_that_the_broker_does_not_take_keeps_no_other_waiting(
    airline: HostedAirline, broker: RecordingBroker, held_clock: Clock
) -> None:
    placed = place(airline)["reservationId"]
    structured(airline, cancellation(placed))
    structured(airline, request())
    broker.refusals["CancellationRequested"] = 400
    broker.accepted.clear()

    held_clock.passes(timedelta(minutes=11))
    keep_house(airline)

    assert commands_heard(broker) == ["ReservationRequested"]


def test_a_command_is_forgotten_long_after_its_effect_is_there(
    airline: HostedAirline, broker: RecordingBroker, held_clock: Clock
) -> None:
    structured(airline, request())
    structured(airline, request(id="order-2"))
    airline.function("place-reservation").hear(broker.accepted[0])
    held_clock.passes(timedelta(days=8))
    keep_house(airline)
    keep_house(airline)

    assert airline.rows("reserve", "SELECT COUNT(*) FROM accepted_commands") == [(1,)]
    assert broker.accepted[-1]["id"] == "order-2"
    # its reservation remembers it for ever
    assert structured(airline, request()).status_code == 202
    held_clock.passes(timedelta(days=8))
    assert_refused(structured(airline, request(data=WISH | {"seatQty": 1})), 422, "seatQty")


@in_both_modes
@pytest.mark.parametrize("placed", [False, True])
@pytest.mark.parametrize(
    "other", [{"seatQty": "2"}, {"customerId": 8, "flightId": 1}, {"reserveDate": "2026-03-02"}], ids=str
)
def test_another_request_under_the_same_source_and_id_is_refused(
    airline: HostedAirline, broker: RecordingBroker, send: Any, placed: bool, other: dict[str, Any]
) -> None:
    structured(airline, request())
    if placed:
        airline.function("place-reservation").hear(broker.accepted[0])
    broker.accepted.clear()
    before = airline.contents("reserve")

    assert_refused(send(airline, request(data=WISH | other)), 422, *other)
    assert broker.accepted == []
    assert airline.contents("reserve") == before


def test_another_cancellation_under_the_same_source_and_id_is_refused(airline: HostedAirline) -> None:
    one, other = (place(airline)["reservationId"] for _ in range(2))
    structured(airline, cancellation(one))

    assert structured(airline, cancellation(one)).status_code == 202
    assert_refused(structured(airline, cancellation(other)), 422, "reservationId")
    assert_refused(structured(airline, request(id="cancel-1")), 422)


def test_the_same_command_in_other_letters_is_the_same(airline: HostedAirline, broker: RecordingBroker) -> None:
    first = structured(airline, request())
    again = structured(
        airline,
        request(
            data={"seatQty": 3.0, "flightId": 1001, "customerId": 7, "reserveDate": "2026-03-01T10:00:00Z", "x": 1}
        ),
    )

    assert (again.status_code, body_of(again)) == (202, body_of(first))
    assert broker.accepted[0]["data"] == broker.accepted[1]["data"]


def test_a_request_that_leaves_the_day_open_may_be_sent_again_on_another_day(
    airline: HostedAirline, broker: RecordingBroker, held_clock: Clock
) -> None:
    whenever = request(data={"customerId": 7, "flightId": 1001, "seatQty": 3})
    structured(airline, whenever)

    held_clock.passes(timedelta(days=1))
    assert structured(airline, whenever).status_code == 202

    assert [said["data"]["reserveDate"] for said in broker.accepted] == ["2026-03-01", "2026-03-01"]
    for said in list(broker.accepted):
        assert airline.function("place-reservation").hear(said).status_code == 204


def test_a_strangers_event_id_may_be_as_long_as_a_line_and_like_one_of_ours(
    airline_without_broker: HostedAirline, broker: RecordingBroker
) -> None:
    airline = airline_without_broker
    placed = place(airline)["reservationId"]
    mine = [request(id=identity) for identity in ("x" * 255, event("ReservationPlaced", reservationId=placed)["id"])]
    for command in mine:
        assert structured(airline, command).status_code == 202

    airline.sink = broker.url
    keep_house(airline)

    assert {said["id"] for said in broker.accepted if said["source"] == AGENCY} == {said["id"] for said in mine}
    assert "ReservationPlaced" in broker.heard()


BROKEN: dict[str, tuple[bytes, dict[str, str]]] = {
    "an empty body": (b"", CLOUD_EVENT),
    "no JSON": (b"{", CLOUD_EVENT),
    "a list": (b"[]", CLOUD_EVENT),
    "lists in lists": (b"[" * 60_000, CLOUD_EVENT),
    "data in broken base64": (json.dumps(request() | {"data_base64": "a"}).encode(), CLOUD_EVENT),
    "another specversion": (json.dumps(request(specversion="0.3")).encode(), CLOUD_EVENT),
    "a number for an id": (json.dumps(request(id=1)).encode(), CLOUD_EVENT),
    "an empty id": (json.dumps(request(id="")).encode(), CLOUD_EVENT),
    "a plain command": (json.dumps(WISH).encode(), {"Content-Type": "application/json"}),
    "data that is not JSON": (
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
    airline: HostedAirline, broker: RecordingBroker, body: bytes, headers: dict[str, str]
) -> None:
    assert_refused(airline.function("reserve-commands").post("/events", data=body, headers=headers), 400)
    assert broker.accepted == []


PLAIN = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": AGENCY, "ce-type": "ReservationRequested"}


@pytest.mark.parametrize(
    ("media", "headers", "body"),
    [
        ("application/cloudevents-batch+json", {}, [request()]),
        ("application/cloudevents-batch+json", {}, request()),
        ("application/cloudevents+xml", {}, request()),
        ("application/cloudevents+avro", {}, request()),
        ("application/cloudevents", {}, request()),
        ("application/cloudevents+json; charset=latin-1", {}, request()),
        ("application/xml", {}, request()),
        ("text/plain", {}, request()),
        ("application/x-www-form-urlencoded", {}, request()),
        ("", {}, request()),
        ("application/xml", PLAIN, WISH),
        ("text/xml", PLAIN, WISH),
        ("application/octet-stream", PLAIN, WISH),
        ("application/cloudevents-batch+json", PLAIN, [request()]),
        ("application/cloudevents+json", {}, request(datacontenttype="application/xml")),
        ("application/cloudevents+json", {}, request(datacontenttype="text/plain; charset=utf-8")),
    ],
)
def test_another_media_type_than_json_is_refused_by_its_name(
    airline: HostedAirline, broker: RecordingBroker, media: str, headers: dict[str, str], body: object
) -> None:
    sent = headers | ({"Content-Type": media} if media else {})

    assert_refused(airline.function("reserve-commands").post("/events", data=json.dumps(body), headers=sent), 415)
    assert broker.accepted == []


@pytest.mark.parametrize(
    "media", ["application/cloudevents+json; charset=UTF-8", "Application/CloudEvents+JSON", "application/json"]
)
def test_a_media_type_may_be_written_in_other_letters(airline: HostedAirline, media: str) -> None:
    headers = {"Content-Type": media}
    answer = airline.function("reserve-commands").post("/events", data=json.dumps(request()), headers=headers)

    assert answer.status_code == 202


@in_both_modes
@pytest.mark.parametrize(
    "wrong",
    [
        {"time": "yesterday"},
        {"time": "2026-03-01"},
        {"time": "2026-02-30T00:00:00Z"},
        {"time": "2026-03-01T24:00:00Z"},
        {"time": "2026-03-01T10:00:00"},
        {"time": "2026-03-01 10:00:00Z"},
        {"dataschema": "not a URI"},
        {"dataschema": "http://["},
        {"dataschema": "::"},
        {"dataschema": "reservation.json"},
        {"dataschema": "//schemas.example/reservation.json"},
        {"subject": ""},
        {"bad-name": "x"},
        {"bad_name": "x"},
        {"data": WISH, "data_base64": "e30="},
    ],
    ids=str,
)
def test_an_event_that_a_broker_would_refuse_is_refused_with_the_reason(
    airline: HostedAirline, broker: RecordingBroker, send: Any, wrong: dict[str, Any]
) -> None:
    answer = send(airline, request(**wrong))

    assert_refused(answer, 400)
    if send is structured:  # a server may write the names of headers in other letters
        assert any(name in body_of(answer)["detail"] for name in wrong)
    assert broker.accepted == []


WHOLE = json.dumps(request())
UNREADABLE = {
    "nothing": ("", "nothing"),
    "cut off": (WHOLE[:-1], "column"),
    "a list of orders": (f"[{WHOLE}]", "one JSON object"),
    "two ids": (WHOLE[:-1] + ', "id": "order-2"}', "'id' more than once"),
    "two numbers of seats": (WHOLE.replace('"seatQty"', '"seatQty": 1, "seatQty"'), "'seatQty' more than once"),
    "no number": (WHOLE.replace('"3"', "NaN"), "NaN"),
    "too many digits": (WHOLE.replace('"3"', "9" * 5000), "too many digits"),
    "too many lists": (WHOLE.replace('"3"', "[" * 20_000 + "]" * 20_000), "inside each other"),
    "a number as version": (WHOLE.replace('"1.0"', "1.0"), "specversion"),
    "no id": (WHOLE.replace('"order-1"', "null"), "id must be"),
    "base64 in signs of its own": (json.dumps(request(data_base64="@@@@")).replace('"data": ', '"x": '), "base64"),
    "base64 as a number": (WHOLE.replace('"data": ' + json.dumps(WISH), '"data_base64": 7'), "base64"),
}


@pytest.mark.parametrize(("body", "named"), UNREADABLE.values(), ids=UNREADABLE)
def test_an_order_that_two_readers_could_read_in_two_ways_is_refused_in_words_of_its_sender(
    airline: HostedAirline, broker: RecordingBroker, body: str, named: str
) -> None:
    answer = airline.function("reserve-commands").post("/events", data=body, headers=CLOUD_EVENT)

    assert_refused(answer, 400)
    assert named in body_of(answer)["detail"]
    assert not any(word in body_of(answer)["detail"] for word in ("Error", "sys.", "recursion", "deserialized"))
    assert broker.accepted == []


@pytest.mark.parametrize("name", ["Time", "ID", "traceParent", "é", "", "a b"])
def test_an_attribute_in_capitals_is_refused(airline: HostedAirline, name: str) -> None:
    assert_refused(structured(airline, request(**{name: "x"})), 400)


@in_both_modes
@pytest.mark.parametrize(
    "right",
    [
        {"time": "2026-03-01T10:00:00Z"},
        {"time": "2026-03-01t10:00:00.123456789+09:00"},
        {"dataschema": "https://schemas.example/reservation.json#1"},
        {"dataschema": "urn:example:reservation"},
        {"subject": "reservations"},
        {"comexampleextension1": "x"},
        {"traceparent": "garbage"},
    ],
    ids=str,
)
def test_what_a_broker_takes_is_accepted(airline: HostedAirline, send: Any, right: dict[str, Any]) -> None:
    assert send(airline, request(**right)).status_code == 202


@pytest.mark.parametrize("absent", [{"time": None}, {"subject": None}, {"dataschema": None}], ids=str)
def test_what_is_null_is_absent(airline: HostedAirline, absent: dict[str, Any]) -> None:
    assert structured(airline, request(**absent)).status_code == 202


@pytest.mark.parametrize(
    "source",
    [
        *("/agency", "agency/7", "https://agency.example:8080/a?b=c#d", "urn:agency:7", "mailto:a@example.com", "a"),
        *("//agency.example/7", "file:///agency", "http://[::1]:80/", "/a//b", "?a", "#a", "tel:+82-2-1234"),
        *("/%ED%95%9C", "-a.b_c~d", "http://%ED%95%9C/", "//%41@agency.example"),
    ],
)
def test_a_source_is_any_uri_reference(airline: HostedAirline, source: str) -> None:
    assert structured(airline, request(source=source)).status_code == 202


@pytest.mark.parametrize(
    "source",
    [
        *("1a:b", "http:", "http://", "//", "http://[", "http://]/", "::", "a[b]", "%zz", "%", "한국", "a\\b", "<a>"),
        *("http://%41/", "//agency%2Fseoul", "http://[1:2]/", "http://[::1::]/", "//[12]"),
    ],
)
def test_a_source_that_no_broker_takes_is_refused(airline: HostedAirline, source: str) -> None:
    assert_refused(structured(airline, request(source=source)), 422, "source")


@pytest.mark.parametrize("attribute", ["specversion", "id", "source", "type"])
def test_an_event_that_lacks_an_attribute_is_refused(airline: HostedAirline, attribute: str) -> None:
    command = {name: value for name, value in request().items() if name != attribute}

    # cloudevents completes a structured event that lacks specversion or id; in binary mode nothing is completed
    assert_refused(binary(airline, command), 400)


@in_both_modes
@pytest.mark.parametrize("attribute", ["id", "source"])
def test_an_attribute_that_is_too_long_is_refused(airline: HostedAirline, send: Any, attribute: str) -> None:
    assert_refused(send(airline, request(**{attribute: "x" * 256})), 422, attribute)


@pytest.mark.parametrize("attribute", [{"id": "a\x00"}, {"id": "\ud800"}, {"source": "a b"}, {"source": "a\nb"}])
def test_an_attribute_that_a_broker_would_choke_on_is_refused(airline: HostedAirline, attribute: Command) -> None:
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
    airline: HostedAirline, broker: RecordingBroker, send: Any, field: str, value: object
) -> None:
    assert_refused(send(airline, request(data=WISH | {field: value})), 422, field)
    assert broker.accepted == []


@pytest.mark.parametrize("identity", [None, 1, "", "short", RESERVATION.lower(), RESERVATION + "0", "ILOU" * 3])
def test_a_cancellation_of_what_cannot_be_a_reservation_is_refused(airline: HostedAirline, identity: object) -> None:
    impossible = request("CancellationRequested", {"reservationId": identity})

    assert_refused(structured(airline, impossible), 422, "reservationId")


def test_an_oversized_command_is_refused(airline: HostedAirline) -> None:
    assert_refused(structured(airline, request(data=WISH | {"x": "x" * 70_000})), 413)


STRAIGHT = {"specversion": "1.0", "id": "order-9", "source": AGENCY, "datacontenttype": "application/json"}
"""What a command has that went straight to the broker, past /events."""


def straight(type_: str, data: dict[str, Any], **attributes: object) -> Command:
    return STRAIGHT | {"type": type_, "data": data} | attributes


def test_a_cancellation_of_what_was_never_placed_is_remembered_and_not_retried(
    airline: HostedAirline, broker: RecordingBroker
) -> None:
    early = event("CancellationRequested", AGENCY)
    for _ in range(2):
        assert airline.function("cancel-reservation").hear(early).status_code == 204
    assert broker.accepted == []

    assert airline.function("place-reservation").hear(event("ReservationRequested", AGENCY)).status_code == 204

    assert broker.heard() == ["ReservationPlaced", "ReservationCanceled"]
    assert {said["causationid"] for said in broker.accepted} == {event("ReservationRequested")["id"]}
    canceled = body_of(airline.function("reserve").get(f"/reservations/{RESERVATION}"))
    assert (canceled["status"], canceled["reason"]) == ("CANCELED", "ill")


def test_a_customer_who_is_canceled_before_being_placed_is_counted_once(
    airline: HostedAirline, broker: RecordingBroker
) -> None:
    airline.function("cancel-reservation").hear(event("CancellationRequested", AGENCY))
    airline.function("place-reservation").hear(event("ReservationRequested", AGENCY))
    for said in [*broker.accepted, *broker.accepted]:
        airline.function("project-dashboard").hear(said)

    counted = body_of(airline.function("dashboard").get("/customerInfos/7"))
    assert (counted["flightCount"], counted["canceledCount"], counted["confirmedCount"]) == (1, 1, 0)


def test_a_cancel_whose_reservation_does_not_come_is_forgotten(airline: HostedAirline, held_clock: Clock) -> None:
    airline.function("cancel-reservation").hear(event("CancellationRequested", AGENCY))

    held_clock.passes(timedelta(days=6))
    keep_house(airline)
    assert airline.rows("reserve", "SELECT COUNT(*) FROM early_cancels") == [(1,)]
    held_clock.passes(timedelta(days=2))
    keep_house(airline)
    assert airline.rows("reserve", "SELECT COUNT(*) FROM early_cancels") == [(0,)]


def test_another_request_that_went_straight_to_the_broker_is_a_dead_letter_at_once(airline: HostedAirline) -> None:
    function = airline.function("place-reservation")
    assert function.hear(straight("ReservationRequested", WISH)).status_code == 204

    assert function.hear(straight("ReservationRequested", WISH)).status_code == 204
    refused = function.hear(straight("ReservationRequested", WISH | {"seatQty": 1}))

    assert_refused(refused, 422, "seatQty")
    assert airline.rows("reserve", "SELECT COUNT(*), SUM(seat_qty) FROM reservations") == [(1, 3)]


def test_another_cancellation_that_went_straight_to_the_broker_is_a_dead_letter_at_once(airline: HostedAirline) -> None:
    one, other = (place(airline)["reservationId"] for _ in range(2))
    function = airline.function("cancel-reservation")

    for _ in range(2):
        assert function.hear(straight("CancellationRequested", {"reservationId": one})).status_code == 204
    refused = function.hear(straight("CancellationRequested", {"reservationId": other}))

    assert_refused(refused, 422, "reservationId")
    assert (status_of(airline, one), status_of(airline, other)) == ("CANCELED", "PENDING")


def test_a_cancellation_that_went_straight_to_the_broker_is_promised_when_it_comes_to_events_as_well(
    airline: HostedAirline, broker: RecordingBroker, held_clock: Clock
) -> None:
    one, other = (place(airline)["reservationId"] for _ in range(2))
    early = straight("CancellationRequested", {"reservationId": one}, id="cancel-1")
    assert airline.function("cancel-reservation").hear(early).status_code == 204

    assert structured(airline, cancellation(one)).status_code == 202
    assert structured(airline, cancellation(one)).status_code == 202

    assert broker.accepted[-1]["data"] == {"reservationId": one, "reason": "canceled by customer"}
    ((body, owed),) = airline.rows("reserve", "SELECT body, owed_at IS NOT NULL FROM accepted_commands")
    assert (json.loads(body)["id"], owed) == ("cancel-1", 1)
    assert_refused(structured(airline, cancellation(other)), 422, "reservationId")


def test_what_was_accepted_is_not_another_command_straight_from_the_broker(
    airline: HostedAirline, broker: RecordingBroker
) -> None:
    placed = place(airline)["reservationId"]
    structured(airline, cancellation(placed))

    assert airline.function("cancel-reservation").hear(broker.accepted[-1]).status_code == 204
    other = straight("CancellationRequested", {"reservationId": RESERVATION}, id="cancel-1")
    assert_refused(airline.function("cancel-reservation").hear(other), 422, "reservationId")


@pytest.mark.parametrize("service", ["place-reservation", "cancel-reservation"])
@pytest.mark.parametrize("identity", ["\ud800", "x" * 9_000, "\x00", "é", "주문 1"])
def test_a_command_is_never_retried_for_its_id(airline: HostedAirline, service: str, identity: str) -> None:
    word = "ReservationRequested" if service == "place-reservation" else "CancellationRequested"
    data = WISH if service == "place-reservation" else {"reservationId": RESERVATION}

    assert airline.function(service).hear(straight(word, data, id=identity)).status_code in (204, 400, 422)


def keep_house(airline: HostedAirline) -> None:
    assert airline.function("reserve-housekeeping").hear(tick()).status_code == 204


def commands_heard(broker: RecordingBroker) -> list[str]:
    return [type_ for type_ in broker.heard() if type_.endswith("Requested")]


def status_of(airline: HostedAirline, reservation: str) -> str:
    return str(body_of(airline.function("reserve").get(f"/reservations/{reservation}"))["status"])
