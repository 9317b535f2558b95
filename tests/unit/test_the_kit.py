"""The kit, the laptop and its broker are for any system: they contain no word of an airline."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.project import ROOT

KIT = sorted(path for path in (ROOT / "choreography").rglob("*") if path.suffix in {".py", ".mako"})
RUNTIME = sorted(path for room in ("broker/embedded", "laptop", "terminal") for path in (ROOT / room).rglob("*.py"))
STEMS = (
    *("airline", "flight", "seat", "reserv", "passenger", "ticket", "takeoff", "departed"),
    *("pay", "paid", "refund", "money", "charge", "price", "cost", "provider", "customer", "agency"),
    *("dashboard", "promotion", "sold", "party", "placed", "placing", "confirm"),
)
OF_AN_AIRLINE = ("airline", "flight", "seat", "reserv", "passenger", "customer", "payment", "refund", "dashboard")
"""Fewer, as a runtime is in charge of processes, and holds sockets."""
NEUTRAL = {
    "payload": "of a message",
    "costs": "time or memory",
    "replaced": "by something else",
}


OF_OPENTELEMETRY = re.compile(r"(Tracer|Meter)Provider")
"""Names of its classes."""
IN_FLIGHT = re.compile(r"in[ _]?flight", re.IGNORECASE)
"""What is sent and not yet answered."""


def words(text: str) -> set[str]:
    """Every word in small letters; names in snake_case and camelCase are taken apart."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", text)}


def airline_words(text: str) -> set[str]:
    return {word for word in words(text) - NEUTRAL.keys() if word.startswith(STEMS)}


@pytest.mark.parametrize("path", KIT, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_kit_has_no_word_of_an_airline_in_code_texts_and_comments(path: Path) -> None:
    assert airline_words(OF_OPENTELEMETRY.sub("", path.read_text("utf-8"))) == set()


@pytest.mark.parametrize("path", RUNTIME, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_runs_systems_has_no_word_of_an_airline(path: Path) -> None:
    found = {word for word in words(IN_FLIGHT.sub("", path.read_text("utf-8"))) if word.startswith(OF_AN_AIRLINE)}

    assert found == set()


@pytest.mark.parametrize(
    "text", ["reservationId", "SeatsSoldOut", "/flights", "LARGEST_PARTY", "# a customer's", "isPaid", "HTTPFlight"]
)
def test_a_word_of_an_airline_is_found_however_it_is_written(text: str) -> None:
    assert airline_words(text)


@pytest.mark.parametrize("text", ["preserve_rowcount", "forbidden", "repay", "replaced"])
def test_other_words_that_have_those_letters_in_them_are_not_meant(text: str) -> None:
    assert not airline_words(text)


def test_a_glossary_is_read_without_databases_and_web_frameworks() -> None:
    # bin/airline and the demos read the saga, and people wait for them to start
    code = "import sys, airline.saga; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()

    assert "airline.events" in loaded
    assert not {"sqlalchemy", "flask", "werkzeug", "requests", "cloudevents"} & set(loaded)
