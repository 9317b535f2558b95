"""How an event reaches a function, and what happens to the event it answers with."""

import base64
import json
import uuid
from typing import Any

import pytest

from choreography import attributes
from tests.broker.contract import Contract, Delivery, binary_headers, reply, structured

STRUCTURED = {"content-type": "application/cloudevents+json"}


def received(contract: Contract, event_id: str, place: str = "everything") -> Delivery:
    return contract.deliveries(event_id, place, 1)[0]


def test_a_delivery_is_binary_and_asks_for_a_reply(contract: Contract) -> None:
    event_id = contract.publish(
        "contract.plain", {"a": 1}, subject="orders/7", partitionkey="7", time="2025-12-25T00:00:00Z"
    )

    delivery = received(contract, event_id)

    assert delivery.headers["prefer"] == "reply"
    assert delivery.headers["kn-namespace"] == "airline-contract"
    assert delivery.headers["content-type"] == "application/json"
    assert json.loads(delivery.body) == {"a": 1}
    sent = {"specversion": "1.0", "id": event_id, "source": "/contract", "type": "contract.plain"}
    sent |= {"subject": "orders/7", "partitionkey": "7", "time": "2025-12-25T00:00:00Z"}
    assert {name: delivery.attributes[name] for name in sent} == sent
    assert set(delivery.attributes) - set(sent) == contract.expected.added_extensions


def test_data_arrives_byte_by_byte(contract: Contract) -> None:
    event_id, data = uuid.uuid4().hex, bytes(range(256))

    contract.post({**binary_headers(event_id, "contract.plain"), "content-type": "application/octet-stream"}, data)

    assert received(contract, event_id).body == data


def test_an_event_without_data_arrives_without_data(contract: Contract) -> None:
    headers = binary_headers(uuid.uuid4().hex, "contract.plain")
    del headers["content-type"]

    contract.post(headers)

    assert received(contract, headers["ce-id"]).body == b""


@pytest.mark.parametrize(
    ("members", "content_type", "body"),
    [
        ({"data": {"a": [1, "ä"]}, "datacontenttype": "application/json"}, "application/json", {"a": [1, "ä"]}),
        ({"data": "text", "datacontenttype": "text/plain"}, "text/plain", b"text"),
        ({"datacontenttype": "a/b", "data_base64": base64.b64encode(b"\x00\xff").decode()}, "a/b", b"\x00\xff"),
    ],
)
def test_a_structured_event_is_delivered_in_binary_mode(
    contract: Contract, members: dict[str, Any], content_type: str, body: Any
) -> None:
    event_id = uuid.uuid4().hex

    contract.post(STRUCTURED, json.dumps(structured(event_id, "contract.plain", count=3, **members)).encode())

    delivery = received(contract, event_id)
    assert delivery.headers["content-type"].split(";")[0] == content_type
    assert (delivery.body if isinstance(body, bytes) else json.loads(delivery.body)) == body
    assert delivery.attributes["count"] == "3"


ODD = ["order 1", "주문-1", "100%", "%25", "order%201", 'say "yes"', "é"]
"""Texts that a header must encode."""


@pytest.mark.parametrize("text", ODD)
def test_an_encoded_attribute_arrives_as_it_was_sent(contract: Contract, text: str) -> None:
    event_id = f"{uuid.uuid4().hex} {text}"
    headers = binary_headers(event_id, "contract.plain", note=text, subject=text)

    contract.post(headers, b"{}")

    delivery = received(contract, event_id)
    assert (delivery.attributes["id"], delivery.attributes["note"], delivery.attributes["subject"]) == (
        event_id,
        text,
        text,
    )


@pytest.mark.parametrize("text", ODD)
def test_an_attribute_of_a_structured_event_arrives_where_the_class_encodes_it(contract: Contract, text: str) -> None:
    event_id = uuid.uuid4().hex

    contract.post(STRUCTURED, json.dumps(structured(event_id, "contract.plain", data={}, note=text)).encode())

    note = received(contract, event_id).headers["ce-note"]
    if contract.expected.encodes_structured_attributes:
        assert note == attributes.encoded(text)
    else:
        as_kafka, as_go = text.encode("latin-1", "replace"), text.encode()
        assert note in {as_kafka.decode("latin-1"), as_go.decode("latin-1")}


@pytest.mark.parametrize("text", ODD)
def test_an_odd_event_is_the_same_one_in_its_reply_and_in_its_dead_letter(contract: Contract, text: str) -> None:
    reply_id = f"{uuid.uuid4().hex} {text}"
    said = contract.publish("contract.attempts", {"attempts": [reply(reply_id, causationid=text)]}, note=text)
    refused = contract.publish("contract.attempts", {"attempts": [{"status": 400}]}, note=text)

    assert received(contract, reply_id).attributes["causationid"] == text
    assert contract.deliveries(said, "attempts", 1)[0].attributes["note"] == text
    assert contract.deliveries(refused, "sink", 1)[0].attributes["note"] == text


def test_structured_data_of_no_type_arrive_as_the_class_types_them(contract: Contract) -> None:
    event_id = uuid.uuid4().hex

    contract.post(STRUCTURED, json.dumps(structured(event_id, "contract.plain", data={"a": 1})).encode())

    delivery = received(contract, event_id)
    assert delivery.headers.get("content-type") == contract.expected.untyped_structured_data_arrive_as
    assert json.loads(delivery.body) == {"a": 1}


def test_base64_data_may_come_before_their_type_where_the_class_reads_so(contract: Contract) -> None:
    # Class MT stumbles over the space between the name and the data.
    event_id = uuid.uuid4().hex
    event = structured(event_id, "contract.plain", data_base64="AP8=", datacontenttype="a/b")

    answer = contract.post(STRUCTURED, json.dumps(event).encode())

    if contract.expected.reads_base64_before_its_type:
        delivery = received(contract, event_id)
        assert (delivery.headers["content-type"], delivery.body) == ("a/b", b"\x00\xff")
    else:
        assert answer.status_code == 400


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_a_reply_goes_to_all_triggers_that_want_it(contract: Contract, mode: str) -> None:
    reply_id = uuid.uuid4().hex
    answer = reply(reply_id)
    if mode == "structured":
        body = json.dumps(structured(reply_id, "contract.reply", data={}, datacontenttype="application/json"))
        answer = {"status": 200, "headers": STRUCTURED, "body": body}

    contract.publish("contract.attempts", {"attempts": [answer]}, partitionkey="7")

    trimmed = mode == "binary" or contract.expected.trims_structured_data
    assert received(contract, reply_id).body == (b"{}" if trimmed else b" {}")
    delivery = received(contract, reply_id, "replies")
    assert delivery.attributes["type"] == "contract.reply"
    assert "partitionkey" not in delivery.attributes


def test_a_reply_of_the_sink_goes_into_the_broker_where_the_class_does_so(contract: Contract) -> None:
    reply_id = uuid.uuid4().hex
    script = {"attempts": [{"status": 400}], "sink": [reply(reply_id)]}

    event_id = contract.publish("contract.attempts", script)

    contract.only_deliveries(event_id, "sink", 1)
    contract.only_deliveries(reply_id, "replies", int(contract.expected.republishes_replies_of_the_sink), quiet=0.3)


def test_a_reply_is_in_the_broker_once(contract: Contract) -> None:
    reply_id = uuid.uuid4().hex

    contract.publish("contract.attempts", {"attempts": [reply(reply_id)]})

    contract.only_deliveries(reply_id, "replies", 1, quiet=0.5)


def test_a_reply_that_is_too_large_is_a_failure(contract: Contract) -> None:
    if not contract.expected.refuses_large_events:
        pytest.skip("this class has no bound of its own")
    answer = {**reply(uuid.uuid4().hex), "times": 550_000}

    event_id = contract.publish("contract.attempts", {"attempts": [answer]})

    (letter,) = contract.only_deliveries(event_id, "sink", 1)
    assert set(letter.error_extensions) == {"knativeerrordest"}
    contract.only_deliveries(event_id, "attempts", 1)
