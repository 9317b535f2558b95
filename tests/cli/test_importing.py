"""Flights from a CSV file."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from choreography.web import LARGEST_BODY
from cli.commands import flights_csv
from client.gateway import Airline
from tests.cli.conftest import Output
from tests.cli.fake_airline import FakeAirline

Typed = Callable[..., Output]
HEADER = "flightCode,takeoffDate,cost,remainingSeatsCount\n"


@pytest.fixture
def csv(tmp_path: Path) -> Callable[[str], str]:
    def write(lines: str, header: str = HEADER) -> str:
        file = tmp_path / "flights.csv"
        file.write_text(header + lines, "utf-8")
        return str(file)

    return write


def test_every_line_becomes_a_flight_once_however_often_it_is_imported(
    typed: Typed, fake: FakeAirline, csv: Callable[[str], str]
) -> None:
    first = typed("flights", "import", csv("KE1,2027-01-01,5,9\n\nKE2,2027-01-02,6,8\n"), "--json")
    assert (first.code, [flight["flightId"] for flight in first.json["flights"]]) == (0, [2, 3])
    longer = csv(" KE0,2027-01-01,1,1\nKE1, 2027-01-01,5,9\nKE2,2027-01-02,6,8\n")
    again = typed("flights", "import", longer, "--json")
    assert [flight["flightId"] for flight in again.json["flights"]] == [4, 2, 3]
    assert (first.json["alreadyThere"], again.json["alreadyThere"]) == (0, 2)
    assert "3 of these 3 flights had been added by an earlier import" in typed("flights", "import", longer).err
    assert len(fake.lists["flights"]) == 4


def test_bad_lines_are_reported_with_number_and_reason_and_the_others_are_imported(
    typed: Typed, fake: FakeAirline, csv: Callable[[str], str]
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
    assert len(fake.lists["flights"]) == 2


def test_columns_may_be_in_any_order_after_a_spreadsheets_byte_order_mark(
    typed: Typed, csv: Callable[..., str]
) -> None:
    file = csv('"5",9,2027-01-01,"KE1",x\n', "\ufeffcost,remainingSeatsCount,takeoffDate,flightCode,remark\n")
    assert typed("flights", "import", file, "--json").json["flights"][0]["flightCode"] == "KE1"


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("", "flightCode is missing"),
        ("x" * 200_000 + "\n", "field larger than field limit"),
        ("flightCode,cost\n", "takeoffDate is missing"),
        (
            "flightCode|takeoffDate|cost|remainingSeatsCount\n",
            "flightCode is missing. Separated by commas it names: fl",
        ),
        ("flightCode,takeoffDate,cost,cost,remainingSeatsCount\n", "the column cost is there twice"),
        ('flightCode,takeoffDate,cost,"remainingSeatsCount\n', "a quote is opened and not closed"),
    ],
)
def test_a_file_without_the_columns_is_refused(
    typed: Typed, fake: FakeAirline, csv: Callable[..., str], header: str, why: str
) -> None:
    said = typed("flights", "import", csv("KE1,2027-01-01,5,9\n", header))
    assert said.code == 3
    assert "line 1: " in said.err
    assert why in said.err
    assert len(fake.lists["flights"]) == 1


@pytest.mark.parametrize("separator", [";", "\t", " ; "])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_spreadsheet_may_separate_columns_by_semicolons_or_tabs_and_end_lines_as_it_does(
    typed: Typed, tmp_path: Path, separator: str, end: str
) -> None:
    rows = [HEADER.strip().split(","), ["KE1", "2027-01-01", "5", "9"], ["KE2", "2027-01-02", "6", "8"]]
    file = tmp_path / "flights.csv"
    file.write_bytes("".join(separator.join(row) + end for row in rows).encode())

    flights = typed("flights", "import", str(file), "--json").json["flights"]

    assert [(flight["flightCode"], flight["remainingSeatsCount"]) for flight in flights] == [("KE1", "9"), ("KE2", "8")]


def test_an_open_quote_takes_its_own_line_and_not_the_rest_of_the_file(
    typed: Typed, fake: FakeAirline, csv: Callable[[str], str]
) -> None:
    said = typed(
        "flights",
        "import",
        csv('KE1,2027-01-01,5,9\n"KE2,2027-01-01,5,9\nKE3,2027-01-01,5,9\nKE4,2027-01-01,5,"9"0\n"KE5,1,1,1"\n'),
        "--json",
    )
    assert said.code == 3
    assert said.json["bad"] == [
        {"line": 3, "reason": "a quote is opened and not closed on this line"},
        {"line": 5, "reason": "a quoted field goes on after its closing quote"},
        {"line": 6, "reason": "has 1 fields, the header has 4"},
    ]
    assert [flight["flightCode"] for flight in said.json["flights"]] == ["KE1", "KE3"]
    assert len(fake.lists["flights"]) == 3


@pytest.mark.parametrize("first", ["sep=;", '"SEP=;"'])
def test_the_line_that_excel_writes_before_the_header_is_not_the_header(
    typed: Typed, csv: Callable[..., str], first: str
) -> None:
    header = HEADER.replace(",", ";")

    said = typed("flights", "import", csv("KE1;2027-01-01;5;9\nKE2;2027\n", f"{first}\n{header}"), "--json")

    assert [flight["flightCode"] for flight in said.json["flights"]] == ["KE1"]
    assert said.json["bad"] == [{"line": 4, "reason": "has 2 fields, the header has 4"}]
    assert "line 1: it must name" in typed("flights", "import", csv("", first)).err


def test_files_that_were_put_together_have_their_header_again(typed: Typed, csv: Callable[[str], str]) -> None:
    said = typed("flights", "import", csv(f"KE1,2027-01-01,5,9\n{HEADER}KE2,2027-01-01,5,9\n"), "--json")

    assert said.json["bad"] == [{"line": 3, "reason": "is the header again"}]
    assert [flight["flightCode"] for flight in said.json["flights"]] == ["KE1", "KE2"]


REMARKS = "flightCode,takeoffDate,cost,remainingSeatsCount,remark\nKE1,2027-01-01,5,9,\nKE2,2027-01-01,5,9,부산\n"


@pytest.mark.parametrize(
    ("encoded", "options"),
    [
        (REMARKS.encode("utf-16"), ()),
        (REMARKS.encode("utf-32"), ()),
        (REMARKS.replace(",", "\t").encode("utf-16"), ()),
        (b"\xfe\xff" + REMARKS.encode("utf-16-be"), ()),
        (REMARKS.encode("utf-16-le"), ("--encoding", "utf-16-le")),
        (REMARKS.encode("euc-kr"), ("--encoding", "euc-kr")),
        (REMARKS.encode("utf-8-sig"), ("--encoding", "utf-8")),
    ],
)
def test_a_file_in_another_encoding_is_read_by_its_mark_or_by_name(
    typed: Typed, tmp_path: Path, encoded: bytes, options: tuple[str, ...]
) -> None:
    file = tmp_path / "flights.csv"
    file.write_bytes(encoded)

    said = typed("flights", "import", str(file), *options, "--json")

    assert (said.code, [flight["flightCode"] for flight in said.json["flights"]]) == (0, ["KE1", "KE2"])


@pytest.mark.parametrize(
    ("content", "options", "why"),
    [
        (REMARKS.encode("euc-kr"), (), "line 3: not utf-8. Save the file as UTF-8, or name its encoding"),
        (b"\xff\xfe\x00", (), "line 1: not utf-16"),
        (REMARKS.encode("utf-16-le"), (), "line 1: holds a NUL. Is it UTF-16"),
        (REMARKS.encode(), ("--encoding", "klingon"), "klingon is not an encoding"),
    ],
)
def test_a_file_in_an_unknown_encoding_is_refused_with_the_line_and_the_remedy(
    typed: Typed, tmp_path: Path, content: bytes, options: tuple[str, ...], why: str
) -> None:
    file = tmp_path / "flights.csv"
    file.write_bytes(content)

    said = typed("flights", "import", str(file), *options)

    assert said.code == 3
    assert why in said.err


@pytest.mark.parametrize(
    ("content", "options", "why"),
    [
        (b"", (), "is empty"),
        (HEADER.encode(), ("--encoding", "undefined"), "not undefined. Save the file as UTF-8"),
        (HEADER.encode(), ("--encoding", "rot13"), "rot13 is not an encoding that Python knows"),
    ],
    ids=["nothing", "the encoding that refuses all", "no encoding of bytes"],
)
def test_whatever_a_file_holds_and_is_called_it_is_refused_in_a_sentence(
    typed: Typed, tmp_path: Path, content: bytes, options: tuple[str, ...], why: str
) -> None:
    (tmp_path / "flights.csv").write_bytes(content)
    said = typed("flights", "import", str(tmp_path / "flights.csv"), *options)
    assert (said.code, why in said.err, "Traceback" in said.err) == (3, True, False)


def test_a_file_without_an_end_is_not_read_to_its_end(typed: Typed) -> None:
    said = typed("flights", "import", "/dev/zero")
    assert (said.code, "is larger than 32 MB" in said.err) == (3, True)


def test_a_file_that_says_two_things_of_one_flight_on_one_day_is_asked_about_it(
    typed: Typed, fake: FakeAirline, csv: Callable[[str], str]
) -> None:
    said = typed("flights", "import", csv("KE1,2027-01-01,5,9\nKE1,2027-01-01,6,9\nKE1,2027-01-02,6,9\n"), "--json")
    assert said.json["bad"] == [{"line": 3, "reason": "line 2 has this flight on this day with other values"}]
    assert len(fake.lists["flights"]) == 3  # one was there before


def test_what_was_taken_before_the_airline_went_away_is_not_lost_on_the_next_try(
    typed: Typed, fake: FakeAirline, csv: Callable[[str], str]
) -> None:
    file = csv("KE1,2027-01-01,5,9\nKE2,2027-01-02,6,8\n")
    fake.answers["flights/import"] = (504, {"detail": "late"})
    assert typed("flights", "import", file).code == 2
    del fake.answers["flights/import"]
    assert typed("flights", "import", file).code == typed("flights", "import", file).code == 0
    assert len(fake.lists["flights"]) == 3


def test_an_import_that_is_interrupted_says_how_far_it_came_and_goes_on_there(
    typed: Typed, fake: FakeAirline, csv: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = csv("".join(f"KE{number},2027-01-01,5,9\n" for number in range(5)))
    monkeypatch.setattr(flights_csv, "MOST_ROWS", 2)
    add, sent = flights_csv.add, list[list[int]]()

    def interrupted(airline: Airline, name: str, lines: Sequence[flights_csv.Line]) -> list[flights_csv.Line]:
        if len(sent) == 2:
            sent.append([])
            raise KeyboardInterrupt
        sent.append([line.number for line in lines])
        return add(airline, name, lines)

    monkeypatch.setattr(flights_csv, "add", interrupted)
    said = typed("flights", "import", file)
    again = typed("flights", "import", file, "--json")

    assert sent == [[2, 3], [4, 5], [], [2, 3], [4, 5], [6]]
    assert (said.code, "4 of 5 lines are done" in said.err) == (130, True)
    assert (again.code, again.json["alreadyThere"], len(again.json["flights"])) == (0, 4, 5)
    assert len(fake.lists["flights"]) == 6


def test_a_request_of_an_import_is_never_larger_than_the_service_reads() -> None:
    lines = [flights_csv.Line(number, {"flightCode": "편" * 100, "cost": str(number)}) for number in range(200)]

    portions = [*flights_csv.portions("flights.csv", lines)]

    assert [line for portion in portions for line in portion] == lines
    assert len(portions) == 3
    for portion in portions:
        rows = [{"key": flights_csv.key_of("flights.csv", line.fields), **line.fields} for line in portion]
        assert len(json.dumps({"flights": rows})) < LARGEST_BODY


def test_a_line_that_no_flight_has_room_for_is_bad_and_the_others_are_imported(
    typed: Typed, csv: Callable[[str], str]
) -> None:
    said = typed("flights", "import", csv(f"{'K' * 100_000},2027-01-01,5,9\nKE1,2027-01-01,5,9\n"), "--json")

    assert said.json["bad"] == [{"line": 2, "reason": "is too long for a flight"}]
    assert [flight["flightCode"] for flight in said.json["flights"]] == ["KE1"]


@pytest.mark.parametrize("answer", [{}, {"rows": []}, [], {"rows": [{"key": "other"}]}])
def test_an_import_into_something_else_is_noticed(
    typed: Typed, fake: FakeAirline, csv: Callable[[str], str], answer: object
) -> None:
    fake.answers["flights/import"] = (200, answer)
    said = typed("flights", "import", csv("KE1,2027-01-01,5,9\n"))
    assert (said.code, "not as an airline that adds flights" in said.err) == (2, True)
