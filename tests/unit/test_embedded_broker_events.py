"""CloudEvents over HTTP as the embedded broker reads and writes them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.embedded.event import Event, NotAnEvent, binary_head, parse, parse_reply, to_structured

PLAIN = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}
HEADERS = [(f"Ce-{name}", value) for name, value in PLAIN.items()]


def head_lines(event: Event) -> list[tuple[str, str]]:
    lines = binary_head(event).decode("ascii").split("\r\n")
    assert lines.pop() == ""
    return [(name, value) for name, _, value in (line.partition(": ") for line in lines)]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_text_travels_in_a_header_and_comes_back(text: str) -> None:
    event = Event({**PLAIN, "note": text}, b"{}")

    assert parse(head_lines(event), b"{}") == event


@pytest.mark.parametrize(
    ("value", "header"),
    [("sold out", "sold out"), ('say "yes"', 'say "yes"'), ("50%", "50%"), ("a%20b", "a%2520b"), ("Zoë", "Zo%C3%AB")],
)
def test_only_what_a_header_cannot_carry_is_encoded(value: str, header: str) -> None:
    assert ("ce-note", header) in head_lines(Event({**PLAIN, "note": value}, None))


@pytest.mark.parametrize(("header", "value"), [("a%20b", "a b"), ("Zo%C3%AB", "Zoë"), ("Zoë", "Zoë"), ("50%", "50%")])
def test_header_values_are_percent_decoded(header: str, value: str) -> None:
    assert parse([*HEADERS, ("ce-note", header)], b"").attributes["note"] == value


def test_a_line_break_in_an_attribute_makes_no_header() -> None:
    event = parse([("content-type", "application/cloudevents+json")], _structured('"datacontenttype": "a\\r\\nx: y"'))

    assert b"\nx: y" not in binary_head(event)


def test_bytes_that_are_no_utf8_do_not_stop_an_event() -> None:
    surrogate = b"\xff".decode("utf-8", "surrogateescape")

    event = parse([*HEADERS, ("ce-note", surrogate), ("content-type", surrogate)], b"")

    assert event.attributes["note"] == event.attributes["datacontenttype"] == "\ufffd"


@pytest.mark.parametrize(
    "members",
    [
        '"data": 1, "data_base64": "AA=="',
        '"data_base64": "no base64!"',
        '"data_base64": 7',
        '"extension": {}',
        '"data": NaN',
        '"note": "\\ud800"',
        '"data": "\\ud800"',
        '"source": "not a uri"',
        '"id": ""',
        '"id": null',
        '"time": "today"',
    ],
)
def test_a_broken_structured_event_is_refused(members: str) -> None:
    with pytest.raises(NotAnEvent):
        parse([("content-type", "application/cloudevents+json")], _structured(members))


def test_a_deeply_nested_body_is_refused() -> None:
    with pytest.raises(NotAnEvent):
        parse([("content-type", "application/cloudevents+json")], b"[" * 100_000)


@pytest.mark.parametrize("levels", range(850, 1000, 3))
def test_data_nested_about_as_deeply_as_python_reads_are_taken_or_refused(levels: int) -> None:
    nested = "[" * levels + "]" * levels
    try:
        event = parse([("content-type", "application/cloudevents+json")], _structured(f'"data": {nested}'))
    except NotAnEvent:
        return
    assert event.data == nested.encode()
    assert json.dumps(to_structured(event))


def test_numbers_and_booleans_become_text() -> None:
    event = parse(
        [("content-type", "application/cloudevents+json")], _structured('"count": 3, "first": true, "none": null')
    )

    assert event.attributes == {**PLAIN, "count": "3", "first": "true"}


def test_an_empty_answer_is_no_reply_and_a_text_is_an_error() -> None:
    assert parse_reply([("content-type", "text/html")], b"") is None
    assert parse_reply(HEADERS[:2], b"") is None
    with pytest.raises(NotAnEvent):
        parse_reply([("content-type", "text/html")], b"OK")


def test_data_that_only_says_it_is_json_is_shown_as_base64() -> None:
    assert to_structured(Event(PLAIN, b'{"a": 1}'))["data"] == {"a": 1}
    assert to_structured(Event({**PLAIN, "datacontenttype": "application/json"}, b"{"))["data_base64"] == "ew=="
    assert to_structured(Event({**PLAIN, "datacontenttype": "text/plain"}, b"{}"))["data_base64"] == "e30="
    assert "data" not in to_structured(Event(PLAIN, None))


def _structured(members: str) -> bytes:
    return f'{{"specversion": "1.0", "id": "1", "source": "/s", "type": "t", {members}}}'.encode()
