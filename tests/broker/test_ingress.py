"""What the ingress takes and what it refuses."""

import json
import re
import select
import socket
import uuid
from urllib.parse import urlsplit

import pytest
import requests

from tests.broker.contract import Contract, binary_headers, structured

STRUCTURED = {"content-type": "application/cloudevents+json"}
CURL_WAITS = 1.0
"""Seconds that curl waits for 100 Continue before it sends the body all the same."""


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in binary_headers("1", "contract.bad").items() if key != name}


def changed(**headers: str) -> dict[str, str]:
    return {**binary_headers("1", "contract.bad"), **{f"ce-{name}": value for name, value in headers.items()}}


NO_EVENTS = {
    "no ce- headers": ({"content-type": "application/json"}, b"{}"),
    "nothing at all": ({}, b""),
    "no id": (without("ce-id"), b"{}"),
    "no source": (without("ce-source"), b"{}"),
    "no type": (without("ce-type"), b"{}"),
    "no specversion": (without("ce-specversion"), b"{}"),
    "wrong specversion": (changed(specversion="9.9"), b"{}"),
    "a malformed time": (changed(time="yesterday"), b"{}"),
    "underscore in an extension name": (changed(bad_name="x"), b"{}"),
    "dash in an extension name": ({**without(""), "ce-bad-name": "x"}, b"{}"),
    "broken JSON": (STRUCTURED, b'{"specversion": "1.0", '),
    "structured without id": (STRUCTURED, b'{"specversion": "1.0", "type": "t", "source": "/s"}'),
    "structured with another specversion": (
        STRUCTURED,
        json.dumps({**structured("1", "contract.bad"), "specversion": "9.9"}).encode(),
    ),
    "structured, but an array": (STRUCTURED, b"[]"),
    "a batch": (
        {"content-type": "application/cloudevents-batch+json"},
        json.dumps([structured("1", "contract.bad")]).encode(),
    ),
}


@pytest.mark.parametrize(("headers", "body"), NO_EVENTS.values(), ids=NO_EVENTS)
def test_what_is_not_a_cloud_event_is_refused(contract: Contract, headers: dict[str, str], body: bytes) -> None:
    assert contract.post(headers, body).status_code == 400


@pytest.mark.parametrize("header", ["100%", "%zz", "%FF", "%C0%A0", '"order 1', b"\xff"])
def test_a_header_that_is_wrongly_encoded_is_refused_where_the_class_looks(contract: Contract, header: str) -> None:
    headers = {**binary_headers(uuid.uuid4().hex, "contract.unwanted"), "ce-note": header}

    answer = contract.post(headers, b"{}")

    assert answer.status_code == (400 if contract.expected.checks_how_headers_are_encoded else 202)


def test_capitals_in_a_structured_extension_name_are_refused_or_lowered(contract: Contract) -> None:
    event_id = uuid.uuid4().hex

    answer = contract.post(STRUCTURED, json.dumps(structured(event_id, "contract.plain", badName="x")).encode())

    if contract.expected.refuses_capitals_in_structured_names:
        assert answer.status_code == 400
    else:
        assert contract.deliveries(event_id, "everything", 1)[0].attributes["badname"] == "x"


def test_a_binary_event_is_taken_and_acknowledged_without_a_body(contract: Contract) -> None:
    answer = contract.post(binary_headers(uuid.uuid4().hex, "contract.plain"), b"{}")

    assert (answer.status_code, answer.content) == (202, b"")


def test_a_structured_event_is_taken(contract: Contract) -> None:
    event = structured(uuid.uuid4().hex, "contract.plain", data={"a": 1})

    answer = contract.post({"content-type": "application/cloudevents+json; charset=utf-8"}, json.dumps(event).encode())

    assert answer.status_code == 202


def test_an_unknown_broker_is_not_found(contract: Contract) -> None:
    unknown = re.sub(r"[^/]+$", "nowhere", contract.broker_url)

    answer = requests.post(unknown, headers=binary_headers("1", "contract.plain"), data=b"{}", timeout=10)

    assert (answer.status_code, answer.content) == (404, b"")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_only_post_is_allowed(contract: Contract, method: str) -> None:
    assert requests.request(method, contract.broker_url, timeout=10).status_code == 405


@pytest.mark.parametrize(("size", "status"), [(500_000, 202), (1_000_000, 202), (1_100_000, 503)])
def test_events_above_about_one_megabyte_are_refused(contract: Contract, size: int, status: int) -> None:
    if not contract.expected.refuses_large_events:
        pytest.skip("this class has no bound of its own")
    headers = binary_headers(uuid.uuid4().hex, "contract.plain")

    assert contract.post(headers, b"x" * size).status_code == status


def test_a_client_that_waits_for_100_continue_gets_it_or_continues_without(contract: Contract) -> None:
    host, port = urlsplit(contract.broker_url).hostname, urlsplit(contract.broker_url).port or 80
    headers = {**binary_headers(uuid.uuid4().hex, "contract.plain"), "Expect": "100-continue", "Content-Length": "2"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.create_connection((host, port), timeout=10) as connection, connection.makefile("rb") as answers:
        connection.sendall(
            f"POST {urlsplit(contract.broker_url).path} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n".encode()
        )
        readable, _, _ = select.select([connection], [], [], CURL_WAITS)
        if contract.expected.answers_100_continue:
            assert answers.readline() == b"HTTP/1.1 100 Continue\r\n"
            assert answers.readline() == b"\r\n"
        else:
            assert not readable
        connection.sendall(b"{}")
        assert answers.readline().startswith(b"HTTP/1.1 202 ")
