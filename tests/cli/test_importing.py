"""Flights from a CSV file."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Said
from tests.cli.paper import Paper

Typed = Callable[..., Said]
HEADER = "flightCode,takeoffDate,cost,remainingSeatsCount\n"


@pytest.fixture
def csv(tmp_path: Path) -> Callable[[str], str]:
    def write(lines: str, header: str = HEADER) -> str:
        file = tmp_path / "flights.csv"
        file.write_text(header + lines, "utf-8")
        return str(file)

    return write


def test_every_line_becomes_a_flight_once_however_often_it_is_imported(
    typed: Typed, paper: Paper, csv: Callable[[str], str]
) -> None:
    first = typed("flights", "import", csv("KE1,2027-01-01,5,9\n\nKE2,2027-01-02,6,8\n"), "--json")
    assert (first.code, [flight["flightId"] for flight in first.json["flights"]]) == (0, [2, 3])
    longer = csv(" KE0,2027-01-01,1,1\nKE1, 2027-01-01,5,9\nKE2,2027-01-02,6,8\n")
    again = typed("flights", "import", longer, "--json")
    assert [flight["flightId"] for flight in again.json["flights"]] == [4, 2, 3]
    assert len(paper.lists["flights"]) == 4


def test_bad_lines_are_told_with_number_and_reason_and_the_others_are_taken(
    typed: Typed, paper: Paper, csv: Callable[[str], str]
) -> None:
    said = typed(
        "flights", "import", csv("KE1,2027-01-01,cheap,9\nKE2,2027\nKE3,2027-01-01,5,9\nKE3,2027-01-01,5,9\n"), "--json"
    )
    assert said.code == 3
    assert said.json["bad"] == [
        {"line": 2, "reason": "cost must be a whole number"},
        {"line": 3, "reason": "has 2 fields, the header has 4"},
        {"line": 5, "reason": "the same as line 4"},
    ]
    assert len(paper.lists["flights"]) == 2


def test_columns_may_stand_in_any_order_after_a_spreadsheets_mark(typed: Typed, csv: Callable[..., str]) -> None:
    file = csv('"5",9,2027-01-01,"KE1",x\n', "\ufeffcost,remainingSeatsCount,takeoffDate,flightCode,remark\n")
    assert typed("flights", "import", file, "--json").json["flights"][0]["flightCode"] == "KE1"


@pytest.mark.parametrize(
    ("header", "why"),
    [("", "must name"), ("x" * 200_000 + "\n", "is no CSV"), ("flightCode,cost\n", "takeoffDate is missing")],
)
def test_a_file_without_the_columns_is_refused(typed: Typed, csv: Callable[..., str], header: str, why: str) -> None:
    said = typed("flights", "import", csv("", header))
    assert said.code == 3
    assert why in said.err


def test_a_file_that_is_no_text_is_refused(typed: Typed, tmp_path: Path) -> None:
    file = tmp_path / "flights.csv"
    file.write_bytes(b"\xff\xfe\x00")
    assert typed("flights", "import", str(file)).code == 3


def test_what_was_taken_before_the_airline_went_away_is_not_lost_on_the_next_try(
    typed: Typed, paper: Paper, csv: Callable[[str], str]
) -> None:
    file = csv("KE1,2027-01-01,5,9\nKE2,2027-01-02,6,8\n")
    paper.answers["flights"] = (504, {"detail": "late"})
    assert typed("flights", "import", file).code == 2
    del paper.answers["flights"]
    assert typed("flights", "import", file).code == typed("flights", "import", file).code == 0
    assert len(paper.lists["flights"]) == 3
