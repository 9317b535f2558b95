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
    [
        ("sold~out!", "sold~out!"),
        ("sold out", "sold%20out"),
        ('say "yes"', "say%20%22yes%22"),
        ("100%", "100%25"),
        ("a%20b", "a%2520b"),
        ("Zoë", "Zo%C3%AB"),
        ("주문-1", "%EC%A3%BC%EB%AC%B8-1"),
    ],
)
def test_an_attribute_is_encoded_so_that_decoding_it_once_gives_it_back(value: str, header: str) -> None:
    assert ("ce-note", header) in head_lines(Event({**PLAIN, "note": value}, None))
    assert parse([*HEADERS, ("ce-note", header)], b"").attributes["note"] == value


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("sold out", "sold out"),
        ("Zoë", "Zoë"),
        ("zo%c3%ab", "zoë"),
        ("%6Frder", "order"),
        ('"sold out"', "sold out"),
        ('"say \\"yes\\" \\\\"', 'say "yes" \\'),
        ('"a%20b"', "a b"),
        ('say "yes"', 'say "yes"'),
        ('""', ""),
    ],
)
def test_a_header_of_a_careless_or_an_older_sender_is_read_as_it_is_meant(header: str, value: str) -> None:
    assert parse([*HEADERS, ("ce-note", header)], b"").attributes["note"] == value


@pytest.mark.parametrize(
    "header",
    ["100%", "%", "%zz", "%2", "%FF", "%C0%A0", "%ED%A0%80", "%EC%A3", '"sold out', '"a" b', '"a\\"', "\udcff"],
)
def test_a_header_that_is_wrongly_encoded_is_refused(header: str) -> None:
    with pytest.raises(NotAnEvent, match="ce-note"):
        parse([*HEADERS, ("ce-note", header)], b"")


@pytest.mark.parametrize("content_type", ["a\\r\\nx: y", "\\u0000", "Zoë", "", "\\u0085"])
def test_a_content_type_that_no_header_carries_is_refused(content_type: str) -> None:
    with pytest.raises(NotAnEvent, match="datacontenttype"):
        parse([("content-type", "application/cloudevents+json")], _structured(f'"datacontenttype": "{content_type}"'))


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
        '"time": "2026-13-01T00:00:00Z"',
        '"time": "2026-02-30T00:00:00Z"',
        '"time": "2026-03-01T24:00:00Z"',
        '"time": "2026-03-01T10:60:00Z"',
        '"time": "2026-03-01T10:00:60Z"',
        '"time": "2026-03-01T10:00:00+24:00"',
        '"time": "2026-03-01T10:00:00.Z"',
        '"time": "\u0662026-03-01T10:00:00Z"',
    ],
)
def test_a_broken_structured_event_is_refused(members: str) -> None:
    with pytest.raises(NotAnEvent):
        parse([("content-type", "application/cloudevents+json")], _structured(members))


@pytest.mark.parametrize("doubled", ["ce-id", "CE-Subject", "Content-Type"])
def test_an_attribute_that_is_there_twice_is_refused(doubled: str) -> None:
    sent = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "T", "ce-subject": "1"}
    headers = [*sent.items(), ("content-type", "application/json"), (doubled, "2")]
    with pytest.raises(NotAnEvent, match=f"{doubled.lower()} is there more than once"):
        parse(headers, b"{}")


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


def test_an_empty_answer_is_not_a_reply_and_a_text_is_an_error() -> None:
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
