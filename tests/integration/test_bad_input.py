"""Bad input: a clear refusal that names the field, nothing half done, never a 5xx."""

import io
from typing import Any

import pytest

from testbed.hosting import FOLDER_OF, HostedAirline
from testbed.recording_broker import RecordingBroker
from testbed.vocabulary import assert_refused, body_of, href, place

WISH: dict[str, Any] = {"customerId": 1, "flightId": 1, "seatQty": 3, "reserveDate": "2026-03-01"}
FLIGHT: dict[str, Any] = {"flightCode": "ACE890", "takeoffDate": "2025-12-25", "cost": 1, "remainingSeatsCount": 5}
COMMANDS = {"/reservations": ("reserve", WISH), "/flights": ("flight-seats", FLIGHT)}

JSON = "application/json"
BROKEN: dict[str, tuple[bytes, str, int]] = {
    "an empty body": (b"", JSON, 400),
    "no JSON": (b"{", JSON, 400),
    "a form": (b"seatQty=3", "application/x-www-form-urlencoded", 415),
    "text": (b"{}", "text/plain", 415),
    "no content type": (b"{}", "", 415),
    "no text at all": (b"\xff\xfe\xfa", JSON, 400),
    "NaN": (b'{"seatQty": NaN}', JSON, 400),
    "Infinity": (b'{"seatQty": -Infinity}', JSON, 400),
    "a number of 5000 digits": (b'{"seatQty": ' + b"9" * 5000 + b"}", JSON, 400),
    "lists in lists in lists": (b"[" * 60_000, JSON, 400),
    "objects in objects": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, JSON, 400),
    "too large": (b'{"flightCode": "' + b"x" * 65_536 + b'"}', JSON, 413),
    "far too large": (b" " * 12_000_000, JSON, 413),
    "a list": (b"[]", JSON, 422),
    "null": (b"null", JSON, 422),
    "a string": (b'"seatQty"', JSON, 422),
}

NO_NUMBERS: tuple[object, ...] = (None, True, False, "", "three", "3.5", 3.5, "1e3", "0x3", [3], {"n": 3}, "٣")
NO_DATES: tuple[object, ...] = (
    *(
        None,
        True,
        20260301,
        "",
        "tomorrow",
        "2026-02-30",
        "2026-13-01",
        "01.03.2026",
        "2026-3-1",
        "20260301",
        "0000-01-01",
    ),
    *("2026-03-01T", "2026-03-01Tnoon", "2026-03-01T25:00:00Z", "2026-03-01 12:00", "2026-W09-7", ["2026-03-01"]),
    *("2026-03-01\n", "\x002026-03-01", "\uff12026-03-01", "12026-03-01", "-2026-03-01"),
)
NO_TEXTS: tuple[object, ...] = (
    None,
    1,
    True,
    [],
    {},
    "",
    "x" * 201,
    "a\nb",
    "a\x00b",
    "\x1b[31m",
    "\x7f",
    "\x85",
    "\ud800",
)

WRONG: dict[tuple[str, str], tuple[object, ...]] = {
    ("/reservations", "seatQty"): (*NO_NUMBERS, 0, -10, "-1", "0", 1001, 2**31, 10**18, 1e300, "9" * 20, "9" * 5000),
    ("/reservations", "customerId"): (*NO_NUMBERS, 0, -1, 2**31, "2147483648", 10**30),
    ("/reservations", "flightId"): (*NO_NUMBERS, 0, -1, 2**31, 2**63),
    ("/reservations", "reserveDate"): NO_DATES,
    ("/reservations", "paymentMethod"): (None, "", "cash", "ACCEPT", 1, ["accept"], {}),
    ("/flights", "remainingSeatsCount"): (*NO_NUMBERS, -1, 1_000_001),
    ("/flights", "cost"): (*NO_NUMBERS, -1, "-1", 10**12 + 1, 2**63),
    ("/flights", "takeoffDate"): NO_DATES,
    ("/flights", "flightCode"): (*NO_TEXTS, "x" * 21),
}
COLLECTIONS = {
    "/reservations": "reserve",
    "/flights": "flight-seats",
    "/holds": "flight-seats",
    "/payments": "payment",
    "/ledger": "payment",
    "/customerInfos": "dashboard",
    "/dead-letters": "dead-letters",
}
WRONG_QUERIES = {
    "page": ("-1", "x", "1.5", "", "1000001", "9" * 30),
    "size": ("0", "-1", "1001", "x", ""),
    "sort": ("name", "id,down", ",", "", "id;DROP TABLE reservations", "id,asc,desc"),
}


@pytest.mark.parametrize("path", COMMANDS)
@pytest.mark.parametrize(("body", "content_type", "status"), BROKEN.values(), ids=BROKEN)
def test_a_broken_body_is_refused(
    airline: HostedAirline, path: str, body: bytes, content_type: str, status: int
) -> None:
    service, _ = COMMANDS[path]
    before = airline.contents(FOLDER_OF[service])

    answer = airline.function(service).post(path, data=body, content_type=content_type)

    assert_refused(answer, status)
    assert airline.contents(FOLDER_OF[service]) == before


UNREADABLE = {
    b'{"seatQty": 1, "seatQty": 5}': "'seatQty' more than once",
    b'{"seatQty": NaN}': "NaN",
    b'{"seatQty": ' + b"9" * 5000 + b"}": "too many digits",
    b"[" * 60_000: "inside each other",
    b"": "nothing in it",
    b"{\n,": "line 2, column 1",
    b"\x80": "not UTF-8",
    '{"seatQty": 1}'.encode("utf-16"): "its bytes are not UTF-8",
}


@pytest.mark.parametrize(("body", "named"), UNREADABLE.items(), ids=UNREADABLE.values())
def test_a_body_that_says_a_thing_twice_or_cannot_be_read_is_refused_in_plain_words(
    airline: HostedAirline, body: bytes, named: str
) -> None:
    answer = airline.function("reserve").post("/reservations", data=body, content_type=JSON)

    assert_refused(answer, 400)
    assert named in body_of(answer)["detail"]
    assert not any(word in body_of(answer)["detail"] for word in ("sys.", "recursion", "codec"))


def test_a_body_that_is_too_large_is_refused_with_the_limit(airline: HostedAirline) -> None:
    answer = airline.function("reserve").post("/reservations", data=b" " * 65_537, content_type=JSON)

    assert_refused(answer, 413)
    assert "65536 bytes" in body_of(answer)["detail"]


def test_a_body_that_does_not_say_its_length_is_refused_whole_and_not_read_in_part(airline: HostedAirline) -> None:
    order = b'{"customerId": 1, "flightId": 1, "seatQty": 1}'
    given = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    for body, status in ((order.ljust(65_536), 201), (order.ljust(65_536) + b"}", 413)):
        stream = given | {"wsgi.input": io.BytesIO(body)}
        answer = airline.function("reserve").post("/reservations", content_type=JSON, environ_overrides=stream)
        assert answer.status_code == status, answer.text


@pytest.mark.parametrize(("path", "field"), WRONG, ids=[" ".join(wrong) for wrong in WRONG])
def test_a_wrong_value_is_refused_by_the_name_of_its_field(
    airline: HostedAirline, broker: RecordingBroker, path: str, field: str
) -> None:
    service, wish = COMMANDS[path]
    before = airline.contents(FOLDER_OF[service])

    for value in WRONG[path, field]:
        assert_refused(airline.function(service).post(path, json=wish | {field: value}), 422, field)

    assert airline.contents(FOLDER_OF[service]) == before
    assert broker.accepted == []


def test_a_number_beyond_all_numbers_is_refused(airline: HostedAirline) -> None:
    body = b'{"customerId": 1, "flightId": 1, "seatQty": 1e400}'

    answer = airline.function("reserve").post("/reservations", data=body, content_type=JSON)

    assert_refused(answer, 422, "seatQty")


@pytest.mark.parametrize("field", FLIGHT)
def test_a_flight_is_not_changed_to_a_wrong_value(airline: HostedAirline, field: str) -> None:
    before = airline.contents("flight-seats")

    for value in WRONG["/flights", field]:
        change = FLIGHT | {field: value}
        assert_refused(airline.function("flight-seats").patch("/flights/1001", json=change), 422, field)

    assert airline.contents("flight-seats") == before


@pytest.mark.parametrize("reason", NO_TEXTS)
def test_a_reservation_is_not_canceled_for_an_unreadable_reason(airline: HostedAirline, reason: object) -> None:
    here = href(place(airline), "self")
    before = airline.contents("reserve")

    change = {"status": "CANCELED", "reason": reason}

    assert_refused(airline.function("reserve").patch(here, json=change), 422, "reason")
    assert airline.contents("reserve") == before


@pytest.mark.parametrize("path", COMMANDS)
def test_everything_that_is_missing_is_named_at_once(airline: HostedAirline, path: str) -> None:
    service, wish = COMMANDS[path]
    required = set(wish) - {"reserveDate"}

    assert_refused(airline.function(service).post(path, json={}), 422, *required)


@pytest.mark.parametrize(("path", "service"), COLLECTIONS.items())
@pytest.mark.parametrize("parameter", WRONG_QUERIES)
def test_a_wrong_query_is_refused_by_the_name_of_its_parameter(
    airline: HostedAirline, path: str, service: str, parameter: str
) -> None:
    for value in WRONG_QUERIES[parameter]:
        function = airline.function(service)
        assert_refused(function.get(path, query_string={parameter: value}), 422, parameter)


@pytest.mark.parametrize(
    ("service", "path", "parameter"),
    [
        *(("reserve", "/reservations", name) for name in ("customerId", "flightId", "status")),
        ("flight-seats", "/flights", "minSeats"),
        ("flight-seats", "/flights", "takeoffDate"),
        ("flight-seats", "/holds", "flightId"),
        ("flight-seats", "/holds", "status"),
        ("dead-letters", "/dead-letters", "status"),
    ],
)
def test_a_wrong_filter_is_refused_by_its_name(airline: HostedAirline, service: str, path: str, parameter: str) -> None:
    for value in ("", "x", "-1", "9" * 30):
        assert_refused(airline.function(service).get(path, query_string={parameter: value}), 422, parameter)


@pytest.mark.parametrize("value", ["", "yes", "TRUE", "1"])
def test_a_rebuild_that_is_not_clearly_wanted_is_refused(airline: HostedAirline, value: str) -> None:
    dashboard = airline.function("dashboard")

    assert_refused(dashboard.post("/customerInfos/rebuild", query_string={"dryRun": value}), 422, "dryRun")


def test_a_refusal_stays_small_enough_for_a_dead_letter(airline: HostedAirline) -> None:
    reserve = airline.function("reserve")
    invalid = reserve.post("/reservations", json={"paymentMethod": "x" * 60_000})
    unknown = reserve.get(f"/reservations/{'x' * 3000}")

    assert_refused(invalid, 422, "customerId", "flightId", "seatQty", "paymentMethod")
    assert_refused(unknown, 404)
    assert len(invalid.data) < 700
    assert len(unknown.data) < 700


TOO_MUCH = {
    "thousands of parameters": "&".join(f"p{number}=1" for number in range(3000)),
    "thousands of empty parameters": "&" * 3000,
    "a long name": "n" * 256 + "=1",
    "a long value": "reservationId=" + "x" * 256,
    "two pages": "page=1&page=2",
    "two of an unknown parameter": "x=1&x=2",
}
NO_HOSTS = [
    *(
        "a..b c",
        "a..b",
        ".a",
        "a b",
        "a/b",
        "a@b",
        "a\\b",
        "a:99999",
        "a:b",
        "[::1",
        "[zz]",
        "[::1]x",
        "a,b",
        "é",
        "a\x00",
    ),
    *("x" * 64, "http://a", "<b>", '"a"', "a?b", "a#b"),
]
PLACING = {"customerId": 1, "flightId": 1, "seatQty": 1}


@pytest.mark.parametrize(
    ("path", "service"), [*COLLECTIONS.items(), ("/promotions", "flight-seats"), ("/outbox", "reserve")]
)
@pytest.mark.parametrize("query", TOO_MUCH.values(), ids=TOO_MUCH)
def test_more_parameters_than_anybody_means_are_refused(
    airline: HostedAirline, path: str, service: str, query: str
) -> None:
    assert_refused(airline.function(service).get(path, query_string=query), 400)


@pytest.mark.parametrize(("path", "service"), COLLECTIONS.items())
def test_a_collection_is_sorted_by_a_few_fields_and_not_by_thousands(
    airline: HostedAirline, path: str, service: str
) -> None:
    function = airline.function(service)

    assert function.get(path, query_string="&".join(["sort=id,desc"] * 16)).status_code == 200
    assert_refused(function.get(path, query_string="&".join(["sort=id"] * 17)), 422, "sort")
    assert_refused(function.get(path, query_string="&".join(["sort=id"] * 5000)), 400)


@pytest.mark.parametrize(("path", "service"), COLLECTIONS.items())
def test_letters_that_no_address_may_have_are_not_in_a_link(airline: HostedAirline, path: str, service: str) -> None:
    raw = {"environ_overrides": {"QUERY_STRING": 'x=가격" <'.encode().decode("latin-1")}}

    answer = airline.function(service).get(path, **raw)

    assert href(body_of(answer), "self").endswith("?x=%EA%B0%80%EA%B2%A9%22%20%3C")
    raw["environ_overrides"]["QUERY_STRING"] = "sort=가격".encode().decode("latin-1")
    assert_refused(airline.function(service).get(path, **raw), 422, "sort")


@pytest.mark.parametrize("header", ["X-Forwarded-Host", "Host"])
@pytest.mark.parametrize("host", NO_HOSTS)
def test_nothing_is_ordered_at_a_host_that_cannot_be(
    airline: HostedAirline, broker: RecordingBroker, host: str, header: str
) -> None:
    before = airline.contents("reserve")

    answer = airline.function("reserve").post("/reservations", json=PLACING, headers={header: host})

    assert_refused(answer, 400)
    assert (airline.contents("reserve"), broker.accepted) == (before, [])


@pytest.mark.parametrize("scheme", ["javascript", "", "http ", "ftp", "é"])
def test_nothing_is_ordered_over_a_scheme_that_is_not_http(airline: HostedAirline, scheme: str) -> None:
    headers = {"X-Forwarded-Proto": scheme}

    assert_refused(airline.function("reserve").post("/reservations", json=PLACING, headers=headers), 400)


@pytest.mark.parametrize(
    "host", ["a", "airline.example:8443", "127.0.0.1:1", "[::1]:8088", "[2001:db8::1]", "a_b.c-d.e."]
)
def test_links_begin_where_the_client_called(airline: HostedAirline, host: str) -> None:
    answer = airline.function("reserve").post("/reservations", json=PLACING, headers={"X-Forwarded-Host": host})

    assert answer.headers["Location"] == f"http://{host}/reservations/{body_of(answer)['reservationId']}"


@pytest.mark.parametrize("without", [{"HTTP_HOST": ""}, {"HTTP_X_FORWARDED_HOST": ""}])
def test_links_are_relative_for_a_client_that_names_no_host(airline: HostedAirline, without: dict[str, str]) -> None:
    answer = airline.function("reserve").post("/reservations", json=PLACING, environ_overrides=without)

    assert answer.headers["Location"] == f"/reservations/{body_of(answer)['reservationId']}"
    assert href(body_of(answer), "self") == answer.headers["Location"]


def test_links_begin_at_the_public_address_where_it_is_set(airline: HostedAirline) -> None:
    airline.settings["PUBLIC_URL"] = "https://airline.example/api/"

    answer = airline.function("reserve").post(
        "/reservations", json=PLACING, headers={"X-Forwarded-Host": "reserve.airline.svc.cluster.local"}
    )

    here = f"https://airline.example/api/reservations/{body_of(answer)['reservationId']}"
    assert answer.headers["Location"] == here
    assert href(body_of(answer), "events") == f"{here}/events"


@pytest.mark.parametrize(("path", "service"), COLLECTIONS.items())
def test_there_is_nothing_at_a_very_long_address(airline: HostedAirline, path: str, service: str) -> None:
    assert_refused(airline.function(service).get(f"{path}/{'x' * 256}"), 404)
