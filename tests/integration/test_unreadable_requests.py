"""What a server refuses before any function sees it is answered with a problem document as well."""

import json
from pathlib import Path

import pytest

from testbed.running_system import ROOT
from tests.integration.test_connections import served, whole_answer

GET = "GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"
REQUESTS = {
    "letters that no address has": (GET.format(path="/flights?sort=가격", headers=""), (400, 422)),
    "a blank in the address": (GET.format(path="/flights?a b", headers=""), (400,)),
    "a line break in a number": (GET.format(path="/flights/1%0a", headers=""), (404,)),
    "a malformed host": (GET.format(path="/flights", headers="X-Forwarded-Host: a..b c\r\n"), (400,)),
    "a very long cookie": (GET.format(path="/flights", headers=f"Cookie: {'c' * 66_000}\r\n"), (431, 400)),
    "a very long address": (GET.format(path=f"/{'x' * 5000}", headers=""), (404, 414)),
    "very many headers": (GET.format(path="/flights", headers="".join(f"x{n}: 1\r\n" for n in range(120))), (431,)),
    "a header without a name": (GET.format(path="/flights", headers=": 1\r\n"), (400,)),
    "two content types": (
        "POST /flights HTTP/1.1\r\nHost: localhost\r\nContent-Type: a/b\r\nContent-Type: c/d\r\n"
        "Content-Length: 2\r\n\r\n{}",
        (400, 415),
    ),
    "an unknown transfer coding": (
        GET.format(path="/flights", headers="Transfer-Encoding: x\r\n"),
        (501, 400),
    ),
    "another version of HTTP": ("GET /flights HTTP/7.0\r\nHost: localhost\r\n\r\n", (400, 505)),
    "no HTTP at all": ("hello\r\n\r\n", (400,)),
    "no such page": (GET.format(path="/favicon.ico", headers=""), (404,)),
}


def test_whatever_cannot_be_read_is_answered_with_a_problem_document(tmp_path: Path) -> None:
    with served(ROOT / "functions/flight-seats/main.py", "flight_seats", 1, tmp_path) as (_, port):
        for what, (request, statuses) in REQUESTS.items():
            head, _, body = whole_answer(port, request.encode()).partition(b"\r\n\r\n")
            problem = json.loads(body)
            assert problem["status"] in statuses, (what, head, body)
            assert head.startswith(f"HTTP/1.1 {problem['status']} ".encode()), what
            assert b"content-type: application/problem+json" in head.lower(), what


@pytest.mark.parametrize("threads", [1, 4])
def test_two_headers_of_one_thing_are_refused_before_anybody_joins_them(threads: int, tmp_path: Path) -> None:
    event = "ce-specversion: 1.0\r\nce-type: T\r\nce-source: /s\r\nce-id: 1\r\nCE-ID: 2\r\n"
    with served(ROOT / "functions/flight-seats/main.py", "flight_seats", threads, tmp_path) as (_, port):
        for named, headers in (
            ("ce-id", event),
            ("idempotency-key", "Idempotency-Key: a\r\nidempotency-key: a\r\n"),
            ("authorization", "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n"),
        ):
            answer = whole_answer(port, GET.format(path="/promotions", headers=headers).encode())
            problem = json.loads(answer.partition(b"\r\n\r\n")[2])
            assert (problem["status"], f"{named} is there more than once" in problem["detail"]) == (400, True), problem
        lists = 'If-None-Match: "a"\r\nIf-None-Match: "b"\r\nAccept: text/html\r\nAccept: */*\r\n'
        assert b" 200 OK" in whole_answer(port, GET.format(path="/promotions", headers=lists).encode())


@pytest.mark.parametrize("headers", ["", "Host:\r\n"])
def test_a_flight_that_is_added_without_a_host_has_an_address_without_one(
    migrated: Path, headers: str, tmp_path: Path
) -> None:
    (tmp_path / "a.db").write_bytes((migrated / "flight-seats.db").read_bytes())
    body = '{"flightCode": "KE081", "takeoffDate": "2027-06-01", "cost": 1, "remainingSeatsCount": 1}'
    head = f"{headers}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with served(ROOT / "functions/flight-seats/main.py", "flight_seats", 1, tmp_path) as (_, port):
        answer = whole_answer(port, f"POST /flights HTTP/1.0\r\n{head}{body}".encode())

    assert answer.split(b"\r\n")[0].endswith(b" 201 CREATED")
    assert b"\r\nLocation: /flights/" in answer
