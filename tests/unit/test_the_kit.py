"""The kit (choreography/) is for any system: there is no word of an airline in it."""

import re
from pathlib import Path

import pytest

from tests.unit.manifests import ROOT

KIT = sorted(path for path in (ROOT / "choreography").rglob("*") if path.suffix in {".py", ".mako"})
STEMS = (
    *("airline", "flight", "seat", "reserv", "passenger", "ticket", "takeoff", "departed"),
    *("pay", "paid", "refund", "money", "charge", "price", "cost", "provider", "customer", "agency"),
    *("dashboard", "promotion", "sold", "party", "placed", "placing", "confirm"),
)
NEUTRAL = {
    "payload": "of a message",
    "costs": "time or memory",
    "replaced": "by something else",
}


def words(text: str) -> set[str]:
    """Every word in small letters; names in snake_case and camelCase are taken apart."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", text)}


def airline_words(text: str) -> set[str]:
    return {word for word in words(text) - NEUTRAL.keys() if word.startswith(STEMS)}


@pytest.mark.parametrize("path", KIT, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_kit_has_no_word_of_an_airline_in_code_texts_and_comments(path: Path) -> None:
    assert airline_words(path.read_text("utf-8")) == set()


@pytest.mark.parametrize(
    "told", ["reservationId", "SeatsSoldOut", "/flights", "LARGEST_PARTY", "# a customer's", "isPaid", "HTTPFlight"]
)
def test_a_word_of_an_airline_is_found_however_it_is_written(told: str) -> None:
    assert airline_words(told)


@pytest.mark.parametrize("told", ["preserve_rowcount", "forbidden", "repay", "replaced"])
def test_other_words_that_have_those_letters_in_them_are_not_meant(told: str) -> None:
    assert not airline_words(told)
