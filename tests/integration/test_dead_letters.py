"""Dead letters are kept whatever is in them, and can be read."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest

from testbed.hosting import HostedAirline
from testbed.vocabulary import RESERVATION, body_of, event, href
from tests.integration.conftest import Clock

FUNCTION = "http://charge-payment.airline.svc.cluster.local"
PROBLEM = json.dumps({"title": "Unprocessable Content", "status": 422, "detail": "seatQty must be a whole number"})


def dead(
    letter: dict[str, Any], answer: bytes | str = PROBLEM, code: str = "422", by: str = FUNCTION
) -> dict[str, Any]:
    """An event as the broker sends it to the sink; `answer` in bytes is sent as base64."""
    data = base64.b64encode(answer).decode() if isinstance(answer, bytes) else answer
    return letter | {"knativeerrordest": by, "knativeerrorcode": code, "knativeerrordata": data}


def keep(airline: HostedAirline, letter: dict[str, Any]) -> None:
    answer = airline.function("dead-letters").hear(letter)
    assert (answer.status_code, answer.data) == (204, b""), answer.text


def kept(airline: HostedAirline, query: str = "") -> list[dict[str, Any]]:
    page = body_of(airline.function("dead-letters").get(f"/dead-letters?{query}"))
    letters: list[dict[str, Any]] = page["_embedded"]["deadLetters"]
    return letters


@pytest.mark.parametrize("answer", [PROBLEM.encode(), PROBLEM], ids=["base64", "plain"])
def test_a_letter_says_who_failed_on_what_and_why(airline: HostedAirline, answer: bytes | str) -> None:
    letter = dead(event("RemainingSeatsDecreased"), answer)

    keep(airline, letter)

    (shown,) = kept(airline)
    assert {
        name: shown[name]
        for name in ("eventId", "type", "reservationId", "function", "destination", "code", "reason", "times")
    } == {
        "eventId": letter["id"],
        "type": "RemainingSeatsDecreased",
        "reservationId": RESERVATION,
        "function": "charge-payment",
        "destination": FUNCTION,
        "code": 422,
        "reason": "seatQty must be a whole number",
        "times": 1,
    }
    whole = body_of(airline.function("dead-letters").get(href(shown, "deadLetter")))
    assert whole["data"] == letter["data"]
    assert whole["attributes"] == {name: value for name, value in letter.items() if name != "data"}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"no function answers here", "no function answers here"),
        ("no function answers here", "no function answers here"),
        ("boom", "boom"),
        ("좌석이 없습니다", "좌석이 없습니다"),
        ("좌석이 없습니다".encode()[:-1], "좌석이 없습니"),
        (b"\xff\xff", "//8="),
        (b"[1]", "[1]"),
        (b"", "answered 422"),
        (b"nul \x00", "nul \ufffd"),
    ],
)
def test_any_answer_is_a_readable_reason(airline: HostedAirline, answer: bytes | str, reason: str) -> None:
    keep(airline, dead(event("Paid"), answer))

    assert [shown["reason"] for shown in kept(airline)] == [reason]


@pytest.mark.parametrize("code", ["", "0", "x", "9" * 30, "٣٣٣"])
def test_a_letter_is_kept_though_no_status_came(airline: HostedAirline, code: str) -> None:
    keep(airline, dead(event("Paid"), "", code))

    assert [shown["code"] for shown in kept(airline)] == [None]


def test_a_letter_without_any_reason_is_kept(airline: HostedAirline) -> None:
    keep(airline, event("Paid"))

    (shown,) = kept(airline)
    assert (shown["function"], shown["code"], bool(shown["reason"])) == ("", None, True)


def test_a_letter_that_comes_again_is_counted_and_shows_its_latest_reason(
    airline: HostedAirline, held_clock: Clock
) -> None:
    keep(airline, dead(event("Paid"), "first", "500"))
    held_clock.passes(timedelta(minutes=5))
    keep(airline, dead(event("Paid"), "second", "503"))

    (shown,) = kept(airline)
    assert (shown["times"], shown["reason"], shown["code"]) == (2, "second", 503)
    assert (shown["firstAt"], shown["lastAt"]) == ("2026-03-01T12:00:00.000Z", "2026-03-01T12:05:00.000Z")


def test_an_event_that_two_functions_failed_on_is_two_letters(airline: HostedAirline) -> None:
    keep(airline, dead(event("ReservationCanceled"), by="http://restore-seats"))
    keep(airline, dead(event("ReservationCanceled"), by="http://refund-payment"))

    assert {shown["function"] for shown in kept(airline)} == {"http://restore-seats", "http://refund-payment"}


def test_letters_are_found_by_saga_type_and_function(airline: HostedAirline) -> None:
    keep(airline, dead(event("Paid")))
    keep(airline, dead(event("ReservationCanceled", reservationId="000000000001"), by="http://restore-seats"))

    for query in (f"reservationId={RESERVATION}", "type=Paid", "function=charge-payment", "status=OPEN&type=Paid"):
        assert [shown["type"] for shown in kept(airline, query)] == ["Paid"], query
    assert [shown["type"] for shown in kept(airline, "sort=type,desc")] == ["ReservationCanceled", "Paid"]


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b"\xff\xd8 an image", {"base64": base64.b64encode(b"\xff\xd8 an image").decode()}),
        (b"plain text", {"base64": base64.b64encode(b"plain text").decode()}),
        (b"[1, 2]", {"base64": base64.b64encode(b"[1, 2]").decode()}),
        (b"", None),
    ],
)
def test_a_strangers_letter_is_kept_with_its_data(airline: HostedAirline, body: bytes, data: object) -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/stranger", "ce-type": "com.example.image"}
    headers |= {"ce-knativeerrorcode": "500", "ce-knativeerrordest": FUNCTION, "Content-Type": "image/jpeg"}

    answer = airline.function("dead-letters").post("/", data=body, headers=headers)

    assert (answer.status_code, answer.data) == (204, b"")
    (shown,) = kept(airline)
    assert (shown["type"], shown["code"], shown["reservationId"]) == ("com.example.image", 500, "")
    assert body_of(airline.function("dead-letters").get(href(shown, "self")))["data"] == data


@pytest.mark.parametrize(
    ("destination", "function"),
    [
        ("http://restore-seats.airline.svc.cluster.local", "restore-seats"),
        ("https://restore-seats.airline.svc.cluster.local:443/path?x", "restore-seats"),
        ("http://restore-seats.airline.svc", "restore-seats"),
        ("http://127.0.0.1:43211", "http://127.0.0.1:43211"),
        ("http://[bad", "http://[bad"),
        ("", ""),
    ],
)
def test_a_function_has_its_short_name_where_it_is_known(
    airline: HostedAirline, destination: str, function: str
) -> None:
    keep(airline, dead(event("Paid"), by=destination))

    assert [(shown["function"], shown["destination"]) for shown in kept(airline)] == [(function, destination)]


def test_a_letter_with_characters_that_no_database_takes_is_kept(airline: HostedAirline) -> None:
    keep(
        airline,
        {"specversion": "1.0", "id": "\ud800", "source": "\x00", "type": "x" * 300, "data": {"a": "\ud800\x00"}},
    )

    (shown,) = kept(airline)
    assert (shown["eventId"], shown["source"], len(shown["type"])) == ("\ufffd", "\ufffd", 255)
    assert airline.function("dead-letters").get(href(shown, "self")).status_code == 200


def test_a_large_letter_is_kept(airline: HostedAirline) -> None:
    keep(airline, dead(event("Paid", note="x" * 900_000)))

    assert len(kept(airline)) == 1
