"""CloudEvents as they arrive and as we write them."""

import base64
import itertools
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airline.events import AIRLINE, ReservationPlaced, SagasSettled
from choreography import attributes, wire
from choreography.errors import Invalid, Malformed
from testbed.sample_events import IN_TIME, canceled, placed
from tests.unit.event_paths import HOPS, Hop

BINARY = {
    "ce-specversion": "1.0",
    "ce-id": "1",
    "ce-source": "/agency",
    "ce-type": "ReservationPlaced",
    "content-type": "application/json",
}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def structured(**changes: Any) -> bytes:
    event = {"specversion": "1.0", "id": "1", "source": "/agency", "type": "T", "data": {"a": 1}} | changes
    return json.dumps({name: value for name, value in event.items() if value is not None}).encode()


def test_both_modes_are_read() -> None:
    assert wire.read(BINARY, b'{"a": 1}').data == {"a": 1}
    read = wire.read({"content-type": "application/cloudevents+json"}, structured())
    assert (read.id, read.source, read.type, read.data) == ("1", "/agency", "T", {"a": 1})


def test_data_in_base64_is_read() -> None:
    body = structured(data=None, data_base64=base64.b64encode(b'{"a": 1}').decode())
    assert wire.read({"content-type": "application/cloudevents+json"}, body).data == {"a": 1}


def test_an_event_without_a_time_is_given_none() -> None:
    assert "time" not in wire.read(BINARY, b"{}").attributes
    assert "time" not in wire.read({"content-type": "application/cloudevents+json"}, structured()).attributes
    assert wire.read(BINARY | {"CE-Time": "now"}, b"{}").attributes["time"] == "now"


def test_the_bytes_of_data_are_known_where_it_came_as_bytes() -> None:
    assert wire.read(BINARY, b'{"a":  1}').content == b'{"a":  1}'
    assert wire.read({"content-type": "application/cloudevents+json"}, structured()).content is None


def test_data_that_is_not_json_stays_as_it_is_and_no_policy_takes_it() -> None:
    envelope = wire.read(BINARY | {"content-type": "text/plain"}, b"\xffrain")
    assert envelope.data == b"\xffrain"
    with pytest.raises(Malformed):
        wire.event_of(envelope, ReservationPlaced)


def test_data_of_too_many_levels_are_bytes_or_no_event() -> None:
    fair, deep = (b"[" * levels + b"]" * levels for levels in (wire.DEEPEST, wire.DEEPEST + 1))
    assert wire.read(BINARY, fair).data != fair
    assert wire.read(BINARY, deep).data == deep
    assert len(wire.read(BINARY, b"[" + b"{}," * 500 + b"{}]").data) == 501
    with pytest.raises(Malformed, match="levels"):
        wire.read({"content-type": "application/cloudevents+json"}, structured(data=json.loads(deep)))


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"1", b"null", structured(id=None), structured(source=None), structured(type=None)]
    + [structured(specversion=version) for version in ("0.3", "1.1", 1)]
    + [structured(id="").replace(b'""', b"null")]
    + [structured(id=""), structured(id=7), structured(type=["T"]), structured(data=None, data_base64=7)],
)
def test_what_is_not_a_cloud_event_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed, match="not a CloudEvent"):
        wire.read({"content-type": "application/cloudevents+json"}, body)


def test_every_wrong_field_of_an_event_is_named() -> None:
    with pytest.raises(Invalid) as refused:
        wire.event_of(wire.read(BINARY, b'{"reservationId": "R1", "seatQty": -10}'), ReservationPlaced)
    assert set(refused.value.fields) >= {"customerId", "seatQty", "expiresAt"}


def test_what_is_written_can_be_read() -> None:
    cloud_event = wire.say(placed(), "/airline/reserve")
    heard = wire.read({"content-type": wire.CLOUD_EVENT_JSON}, wire.pack(cloud_event))
    assert wire.event_of(heard, ReservationPlaced) == placed()
    assert placed().expires_at == IN_TIME


def test_an_event_names_its_saga_its_cause_and_its_trace() -> None:
    cause = wire.Envelope(
        {"id": "cause", "type": "T", "source": "/s", "traceparent": TRACE, "knativearrivaltime": "x"}, {}
    )
    said = wire.say(canceled(), "/airline/reserve", cause)
    assert said["id"] == AIRLINE.event_id("ReservationCanceled", "R1")
    assert (said["partitionkey"], said["correlationid"], said["causationid"]) == ("R1", "R1", "cause")
    assert said["subject"] == "reservations/R1"
    assert said["datacontenttype"] == "application/json"
    assert wire.trace_id(said["traceparent"]) == wire.trace_id(TRACE)
    assert said["traceparent"] != TRACE
    assert "knativearrivaltime" not in said


@pytest.mark.parametrize("broken", ["", "x", "00-" + "0" * 32 + "-b7ad6b7169203331-01", TRACE + "-x"])
def test_a_broken_trace_begins_a_new_one(broken: str) -> None:
    made, another = (wire.trace_id(wire.next_traceparent(broken)) for _ in range(2))
    assert len(made) == 32
    assert made != another
    assert made not in {"0" * 32, wire.trace_id(TRACE)}


def test_an_event_about_many_sagas_belongs_to_none_of_them_and_its_repeat_is_recognisable() -> None:
    settled = SagasSettled(status="SUCCEED", reservation_ids=("R1", "R2"))
    said, again = wire.say(settled, "/airline/dashboard-projector"), wire.say(settled, "/airline/dashboard-projector")
    assert said["data"] == {"status": "SUCCEED", "reservationIds": ["R1", "R2"]}
    assert said["id"] == again["id"]
    assert said["partitionkey"] == said["id"]
    assert "correlationid" not in said
    others = [replace(settled, reservation_ids=("R1",)), replace(settled, status="CANCELED")]
    assert said["id"] not in {wire.say(other, "/airline/dashboard-projector")["id"] for other in others}


def test_an_event_about_many_sagas_is_read_as_it_was_written() -> None:
    settled = SagasSettled(status="CANCELED", reservation_ids=("R1", "R2"))
    said = wire.say(settled, "/airline/dashboard-projector")
    assert wire.event_of(wire.Envelope({}, said["data"]), SagasSettled) == settled


@pytest.mark.parametrize(
    ("data", "wrong"),
    [
        ({"status": "PENDING", "reservationIds": ["R1"]}, "status must be SUCCEED or CANCELED"),
        ({"status": "SUCCEED", "reservationIds": []}, "reservationIds must be a list of 1 to 500 values"),
        ({"status": "SUCCEED", "reservationIds": "R1"}, "reservationIds must be a list of 1 to 500 values"),
        ({"status": "SUCCEED", "reservationIds": ["R1", 7]}, "reservationIds has a value that must be text"),
        ({"status": "SUCCEED", "reservationIds": ["R" * 13]}, "reservationIds has a value that must have 1 to 12"),
        ({"status": "SUCCEED", "reservationIds": ["R"] * 501}, "reservationIds must be a list of 1 to 500 values"),
    ],
)
def test_a_list_of_reservations_is_refused_with_what_is_wrong(data: dict[str, object], wrong: str) -> None:
    with pytest.raises(Invalid, match=wrong):
        wire.event_of(wire.Envelope({}, data), SagasSettled)


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
ODD = [
    "order 1",
    "주문-1",
    "100%",
    "%25",
    "order%201",
    '"quoted"',
    'a"b\\',
    " ",
    "\t",
    "é",
    "Ã©",
    "%EC%A3%BC",
    "%zz",
    "🛫",
    "\0\r\n",
]
ORDER_1 = {"specversion": "1.0", "id": "order 1", "source": "/agency", "type": "T"}


def headers_of(event: dict[str, str]) -> dict[str, str]:
    return {f"ce-{name}": attributes.encoded(value) for name, value in event.items()}


def as_wsgi(headers: Mapping[str, str]) -> dict[str, str]:
    """Header values as a function gets them: their bytes as latin-1."""
    return {name: value.encode().decode("latin-1") for name, value in headers.items()}


@pytest.mark.parametrize(
    "header", ["order%201", "order 1", '"order 1"', '"order%201"', '"or\\der 1"', "%6frder%201", " order 1\t"]
)
def test_an_order_is_the_same_in_both_modes_however_its_header_is_written(header: str) -> None:
    binary = wire.read(headers_of(ORDER_1) | {"ce-id": header}, b"")
    whole = wire.read({"content-type": wire.CLOUD_EVENT_JSON}, json.dumps(ORDER_1).encode())
    assert binary.attributes == whole.attributes == ORDER_1


@pytest.mark.parametrize("text", ODD)
@pytest.mark.parametrize(
    "name", ["id", "source", "type", "subject", "partitionkey", "causationid", "correlationid", "note"]
)
def test_any_attribute_is_read_as_it_was_written(name: str, text: str) -> None:
    event = ORDER_1 | {name: text}
    assert wire.read(headers_of(event), b"").attributes == event


def test_letters_that_are_not_encoded_are_read_as_utf_8() -> None:
    assert wire.read(as_wsgi(headers_of(ORDER_1) | {"ce-id": "주문-1"}), b"").id == "주문-1"


@pytest.mark.parametrize(
    "header", ["100%", "%", "%zz", "%2", "%FF", "%C0%A0", "%ED%A0%80", "%EC%A3", '"order 1', '"a" b', '"a\\"', "\xff"]
)
@pytest.mark.parametrize("name", ["id", "source", "type", "subject", "time", "traceparent", "anything"])
def test_a_header_that_is_wrongly_encoded_is_malformed_and_named(name: str, header: str) -> None:
    with pytest.raises(Malformed, match=f"ce-{name}"):
        wire.read(headers_of(ORDER_1) | {f"CE-{name}": header}, b"")


def test_the_headers_of_a_structured_event_are_not_its_attributes() -> None:
    headers = {"content-type": wire.CLOUD_EVENT_JSON} | {"ce-specversion": "1.0", "ce-id": "%", "ce-type": "Other"}
    assert wire.read(headers, json.dumps(ORDER_1).encode()).attributes == ORDER_1


def test_an_event_is_written_structured_unless_a_header_must_encode_one_of_its_attributes() -> None:
    assert wire.message(ORDER_1 | {"id": "order-1"})[0] == {"Content-Type": wire.CLOUD_EVENT_JSON}
    headers, _ = wire.message(ORDER_1 | {"data": {}})
    assert headers == headers_of(ORDER_1) | {"Content-Type": "application/json"}
    assert wire.message(ORDER_1) == (headers_of(ORDER_1), b"")


@pytest.mark.parametrize(
    ("data", "content"),
    [
        ({"data": {"seats": 3}}, b'{"seats": 3}'),
        ({"data": "rain", "datacontenttype": "text/plain"}, b"rain"),
        ({"data": "rain"}, b'"rain"'),
        ({"data_base64": "/9g=", "datacontenttype": "image/jpeg"}, b"\xff\xd8"),
    ],
)
def test_an_event_that_is_written_binary_keeps_its_data(data: dict[str, Any], content: bytes) -> None:
    headers, body = wire.message(ORDER_1 | data)
    assert (headers["Content-Type"], body) == (data.get("datacontenttype", "application/json"), content)


@pytest.mark.parametrize("odd", [{"subject": "\ud800"}, {"datacontenttype": "a\r\nx: y"}, {"datacontenttype": "é/é"}])
def test_what_no_header_can_carry_is_written_structured(odd: dict[str, str]) -> None:
    event = ORDER_1 | odd
    assert wire.message(event) == ({"Content-Type": wire.CLOUD_EVENT_JSON}, wire.pack(event))


@given(
    st.dictionaries(st.sampled_from(["id", "subject", "partitionkey", "note"]), ANY_TEXT),
    st.lists(st.sampled_from(HOPS)),
)
def test_any_attributes_survive_any_mixture_of_hops(odd: dict[str, str], hops: list[Hop]) -> None:
    """An order goes through functions and brokers in any order, and is the same order at the end."""
    event: dict[str, Any] = ORDER_1 | odd
    for hop in hops:
        event = hop(event)
    assert event == ORDER_1 | odd


@pytest.mark.parametrize("text", ODD)
@pytest.mark.parametrize("hops", list(itertools.permutations(HOPS, 2)))
def test_an_odd_id_survives_every_two_hops(text: str, hops: tuple[Hop, ...]) -> None:
    event: dict[str, Any] = ORDER_1 | {"id": text}
    for hop in hops:
        event = hop(event)
    assert event["id"] == text
