"""What clients write, and the sentence they get when it cannot be read."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pytest

from airline.values import SEATS
from choreography import fields
from choreography.errors import Invalid
from choreography.fields import Field


@pytest.mark.parametrize("written", [3, 3.0, "3", " 3 ", "03"])
def test_a_number_may_be_written_as_text(written: Any) -> None:
    assert SEATS(written) == 3


@pytest.mark.parametrize(
    "written", [True, None, 3.5, "3.5", "three", "", "٣", [3], {}, "9" * 21, float("nan"), float("inf")]
)
def test_what_is_not_a_whole_number_is_refused(written: Any) -> None:
    with pytest.raises(ValueError, match="whole number"):
        SEATS(written)


@pytest.mark.parametrize("written", [0, -10, 1001, "-1", 10**19])
def test_nobody_reserves_no_seats_negative_seats_or_more_than_a_party_can_have(written: Any) -> None:
    with pytest.raises(ValueError, match="between 1 and 1000"):
        SEATS(written)


@pytest.mark.parametrize("written", ["2025-12-25", "2025-12-25T00:00:00.000+00:00", "2025-12-25T23:59:59+09:00"])
def test_a_day_is_the_day_that_is_written(written: str) -> None:
    assert fields.day(written) == date(2025, 12, 25)


@pytest.mark.parametrize(
    "written", ["", "2025-13-01", "2025-02-30", "25.12.2025", "20251225", 20251225, None, "tomorrow"]
)
def test_what_is_not_a_day_is_refused(written: Any) -> None:
    with pytest.raises(ValueError, match="must be a date"):
        fields.day(written)


@pytest.mark.parametrize(
    "written", ["2026-05-01T21:00:00+09:00", "2026-05-01T12:00:00Z", "2026-05-01t12:00:00.000000000z"]
)
def test_an_instant_is_kept_in_utc(written: str) -> None:
    assert fields.instant(written) == datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("written", ["2026-05-01", "2026-05-01T12:00:00", "0001-01-01T00:00:00+23:59", 1, None])
def test_what_is_not_an_instant_is_refused(written: Any) -> None:
    with pytest.raises(ValueError, match="must be an instant"):
        fields.instant(written)


@pytest.mark.parametrize("written", ["", "x" * 201, "a\x00b", "\ud800", 5, None])
def test_what_is_not_text_is_refused(written: Any) -> None:
    with pytest.raises(ValueError, match="must"):
        fields.text()(written)


@pytest.mark.parametrize(
    "written",
    [
        *(
            "",
            " ",
            "\u3000",
            "\u200b",
            "\u3164",
            "KE\u200b081",
            "KE\u202e180",
            "\ufeffKE081",
            "KE\u00a0081",
            "KE\u2028",
        ),
        *("KE\x07", " KE081", "KE081 ", "KE  081", "\ud800", "K" * 21, 81, None),
    ],
    ids=ascii,
)
def test_a_name_that_nobody_could_see_or_tell_from_another_is_refused(written: Any) -> None:
    with pytest.raises(ValueError, match="must "):
        fields.name(20)(written)


@pytest.mark.parametrize("written", ["KE081", "K", "KE 081", "대한 81", "e\u0301", "🛫"])
def test_a_name_is_any_text_that_can_be_seen(written: str) -> None:
    assert fields.name(20)(written) == written
    assert re.search(fields.name(20).schema["pattern"], written)


def test_all_wrong_fields_are_named_at_once_and_unknown_ones_are_ignored() -> None:
    spec = {"seatQty": Field(SEATS), "flightId": Field(fields.IDENTITY), "note": Field(fields.text(), "none")}
    with pytest.raises(Invalid) as refused:
        fields.read({"seatQty": 0, "status": "SUCCEED"}, spec)
    assert refused.value.fields == {"seatQty": "must be between 1 and 1000", "flightId": "is missing"}
    assert fields.read({"seatQty": 1, "flightId": 2, "x": 3}, spec) == {"seatQty": 1, "flightId": 2, "note": "none"}


def test_only_an_object_has_fields() -> None:
    with pytest.raises(Invalid, match="JSON object"):
        fields.read([], {})


@dataclass(frozen=True)
class Unreadable:
    """A value with a field that no reader knows."""

    seats: list[int] | tuple[int, ...] | None


def test_a_type_without_a_reader_is_named() -> None:
    with pytest.raises(TypeError, match=r"Unreadable\.seats has a type without a reader"):
        fields.into(Unreadable, {"seats": [1]})
