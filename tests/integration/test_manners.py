"""How every HTTP function treats methods and paths, known and unknown."""

import gzip
import re

import pytest
from werkzeug.test import TestResponse

from testbed.hosting import FOLDER_OF, HostedAirline
from testbed.vocabulary import CLOUD_EVENT, assert_refused, body_of
from tests.integration.documents import DOCUMENTED, paths_of

RESOURCES = {
    "reserve": ("/reservations", "GET, HEAD, OPTIONS, POST"),
    "reserve-commands": ("/events", "OPTIONS, POST"),
    "flight-seats": ("/flights", "GET, HEAD, OPTIONS, POST"),
    "payment": ("/payments", "GET, HEAD, OPTIONS"),
    "dashboard": ("/customerInfos", "GET, HEAD, OPTIONS"),
    "dead-letters": ("/dead-letters", "GET, HEAD, OPTIONS"),
}
READABLE = {service: path for service, (path, methods) in RESOURCES.items() if "GET" in methods}

each_resource = pytest.mark.parametrize(
    ("service", "path", "methods"), [(service, *resource) for service, resource in RESOURCES.items()], ids=RESOURCES
)


NUMBERS = ("flightId", "paymentId", "customerId")
ROUTES = [
    (service, path, method.upper())
    for service in DOCUMENTED
    for path, verbs in paths_of(service).items()
    for method in verbs
    if method in ("get", "post", "patch", "delete") and path != "/"
]


def body_without_clock(answer: TestResponse) -> str:
    """What was answered, without the times in it."""
    return re.sub(r"\d{4}-\d\d-\d\dT[^\"]*|\"seconds\":[^,}]*|[0-9A-Z]{12}", "", answer.text)


def allowed(header: str) -> str:
    return ", ".join(sorted(method.strip() for method in header.split(",")))


@each_resource
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "BREW"])
def test_a_method_that_is_not_allowed_is_answered_with_those_that_are(
    airline: HostedAirline, service: str, path: str, methods: str, method: str
) -> None:
    answer = airline.function(service).open(method, path)

    assert_refused(answer, 405)
    assert allowed(answer.headers["Allow"]) == methods


@each_resource
def test_a_client_may_ask_which_methods_are_allowed(
    airline: HostedAirline, service: str, path: str, methods: str
) -> None:
    answer = airline.function(service).open("OPTIONS", path)

    assert answer.status_code == 200
    assert allowed(answer.headers["Allow"]) == methods


@pytest.mark.parametrize(("service", "path"), READABLE.items())
def test_head_is_answered_like_get_without_a_body(airline: HostedAirline, service: str, path: str) -> None:
    function = airline.function(service)
    get, head = function.get(path), function.open("HEAD", path)

    assert (head.status_code, head.data) == (200, b"")
    assert (head.content_type, head.content_length) == (get.content_type, get.content_length)


@pytest.mark.parametrize(("service", "path", "method"), ROUTES, ids=[f"{route[2]} {route[1]}" for route in ROUTES])
def test_a_slash_at_the_end_makes_no_difference(airline: HostedAirline, service: str, path: str, method: str) -> None:
    number = 999 if method == "DELETE" else 1001  # what is deleted is not there the second time
    to = path.format(**dict.fromkeys(("reservationId", "id"), "7Q2M9XW4TBCK"), **dict.fromkeys(NUMBERS, number))
    function = airline.function(service)

    without, with_slash = (function.open(method, to + end, json={"note": 7}) for end in ("", "/"))

    assert (with_slash.status_code, with_slash.content_type) == (without.status_code, without.content_type)
    assert body_without_clock(with_slash) == body_without_clock(without)


@pytest.mark.parametrize("written", ["001", "0", "%2B1", "1.0", "%D9%A1"])
@pytest.mark.parametrize(
    ("service", "path", "method"),
    [route for route in ROUTES if any(f"{{{number}}}" in route[1] for number in NUMBERS)],
    ids=lambda part: part,
)
def test_a_number_in_an_address_is_written_in_one_way(
    airline: HostedAirline, service: str, path: str, method: str, written: str
) -> None:
    if service == "flight-seats":
        flight = {"flightCode": "KE1", "takeoffDate": "2027-01-01", "cost": 1, "remainingSeatsCount": 1}
        airline.function(service).post("/flights", json=flight)
    to = path.format(**dict.fromkeys(NUMBERS, written))

    answer = airline.function(service).open(method, to, json={"cost": 5}, headers={"Idempotency-Key": "k"})

    assert_refused(answer, 404)
    assert "URL was not found" in body_of(answer)["detail"]


@pytest.mark.parametrize("path", ["/flights/1%0a", "/flights%0a/1", "/robots.txt", "/favicon.ico"])
def test_what_functions_framework_answers_by_itself_is_a_problem_document(airline: HostedAirline, path: str) -> None:
    for service in ("flight-seats", "decrease-seats"):
        assert_refused(airline.function(service).get(path), 404)


@pytest.mark.parametrize("service", FOLDER_OF)
def test_a_body_that_is_packed_is_refused_by_the_name_of_its_encoding(airline: HostedAirline, service: str) -> None:
    function = airline.function(service)
    path, _ = RESOURCES.get(service, ("/", ""))

    for encoding in ("gzip", "br", "deflate, gzip"):
        answer = function.post(path, data=gzip.compress(b"{}"), headers={"Content-Encoding": encoding} | CLOUD_EVENT)
        assert_refused(answer, 415)
        assert encoding in body_of(answer)["detail"]


@pytest.mark.parametrize(("service", "path"), READABLE.items())
@pytest.mark.parametrize(
    "pattern", ["/", "/nowhere", "{path}/1/2/3", "/.{path}", "/x/..{path}", "{path}//1", "/x/{path}"]
)
def test_there_is_nothing_at_an_unknown_path_and_no_redirect(
    airline: HostedAirline, service: str, path: str, pattern: str
) -> None:
    assert_refused(airline.function(service).get(pattern.format(path=path)), 404)


@each_resource
def test_no_spelling_of_a_path_is_answered_with_a_redirect(
    airline: HostedAirline, service: str, path: str, methods: str
) -> None:
    for spelling in (path, f"/{path}", f"{path}//", f"{path}/../", f"{path}/%2e%2e", f"{path}%2F", f"/.{path}"):
        raw = {"environ_overrides": {"PATH_INFO": spelling}}
        assert not 300 <= airline.function(service).get("/", **raw).status_code < 400, spelling
        assert not 300 <= airline.function(service).post("/", json={}, **raw).status_code < 400, spelling


@each_resource
def test_a_nul_in_the_address_is_refused(airline: HostedAirline, service: str, path: str, methods: str) -> None:
    function = airline.function(service)

    assert_refused(function.get(f"{path}/%00"), 400)
    assert_refused(function.post(f"{path}?reservationId=%00", json={}), 400)


@each_resource
def test_the_document_of_a_function_is_served(airline: HostedAirline, service: str, path: str, methods: str) -> None:
    answer = airline.function(service).get("/openapi.json")

    assert answer.content_type == "application/json"
    assert body_of(answer)["openapi"].startswith("3.1.")
    assert path in body_of(answer)["paths"]
