"""How every HTTP function treats methods and paths, known and unknown."""

import pytest

from tests.integration.hosting import Airline
from tests.integration.vocabulary import assert_refused, body_of

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


def allowed(header: str) -> str:
    return ", ".join(sorted(method.strip() for method in header.split(",")))


@each_resource
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "BREW"])
def test_a_method_that_is_not_spoken_is_answered_with_those_that_are(
    airline: Airline, service: str, path: str, methods: str, method: str
) -> None:
    answer = airline.function(service).open(method, path)

    assert_refused(answer, 405)
    assert allowed(answer.headers["Allow"]) == methods


@each_resource
def test_a_client_may_ask_which_methods_are_spoken(airline: Airline, service: str, path: str, methods: str) -> None:
    answer = airline.function(service).open("OPTIONS", path)

    assert answer.status_code == 200
    assert allowed(answer.headers["Allow"]) == methods


@pytest.mark.parametrize(("service", "path"), READABLE.items())
def test_head_is_answered_like_get_without_a_body(airline: Airline, service: str, path: str) -> None:
    function = airline.function(service)
    get, head = function.get(path), function.open("HEAD", path)

    assert (head.status_code, head.data) == (200, b"")
    assert (head.content_type, head.content_length) == (get.content_type, get.content_length)


@pytest.mark.parametrize(("service", "path"), READABLE.items())
def test_a_slash_at_the_end_makes_no_difference(airline: Airline, service: str, path: str) -> None:
    assert airline.function(service).get(f"{path}/").status_code == 200


@pytest.mark.parametrize(("service", "path"), READABLE.items())
@pytest.mark.parametrize(
    "pattern", ["/", "/nowhere", "{path}/1/2/3", "/.{path}", "/x/..{path}", "{path}//1", "/x/{path}"]
)
def test_there_is_nothing_at_an_unknown_path_and_no_redirect(
    airline: Airline, service: str, path: str, pattern: str
) -> None:
    assert_refused(airline.function(service).get(pattern.format(path=path)), 404)


@each_resource
def test_no_spelling_of_a_path_is_answered_with_a_redirect(
    airline: Airline, service: str, path: str, methods: str
) -> None:
    for spelling in (path, f"/{path}", f"{path}//", f"{path}/../", f"{path}/%2e%2e", f"{path}%2F", f"/.{path}"):
        raw = {"environ_overrides": {"PATH_INFO": spelling}}
        assert not 300 <= airline.function(service).get("/", **raw).status_code < 400, spelling
        assert not 300 <= airline.function(service).post("/", json={}, **raw).status_code < 400, spelling


@each_resource
def test_a_nul_in_the_address_is_refused(airline: Airline, service: str, path: str, methods: str) -> None:
    function = airline.function(service)

    assert_refused(function.get(f"{path}/%00"), 400)
    assert_refused(function.post(f"{path}?reservationId=%00", json={}), 400)


@each_resource
def test_the_document_of_a_function_is_served(airline: Airline, service: str, path: str, methods: str) -> None:
    answer = airline.function(service).get("/openapi.json")

    assert answer.content_type == "application/json"
    assert body_of(answer)["openapi"].startswith("3.1.")
    assert path in body_of(answer)["paths"]
