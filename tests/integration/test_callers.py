"""Whom a function refuses: pages that a browser shows, and names that lead to it by trickery."""

import pytest
from werkzeug.test import TestResponse

from testbed.hosting import HostedAirline
from testbed.vocabulary import assert_refused, event

HTTP = {
    "reserve": "/reservations",
    "reserve-commands": "/events",
    "flight-seats": "/flights",
    "dashboard": "/customerInfos/rebuild",
    "dead-letters": "/dead-letters/1/replay",
}
HEARS = {"place-reservation": "ReservationRequested", "dead-letters": "Paid"}
OWN = "localhost 127.0.0.1"

each_function = pytest.mark.parametrize(("service", "path"), HTTP.items())


def posted(
    airline: HostedAirline, service: str, path: str, host: str = "localhost:8082", **headers: str
) -> TestResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return airline.function(service).post(path, headers={"Host": host, **named})


@each_function
@pytest.mark.parametrize("host", ["evil.example", "evil.example:8082", "localhost.evil.example:8082", "[::1]:8082"])
def test_a_function_answers_only_to_the_hosts_it_was_given(
    airline: HostedAirline, service: str, path: str, host: str
) -> None:
    airline.settings["ALLOWED_HOSTS"] = OWN
    assert_refused(posted(airline, service, path, host), 421)
    assert_refused(airline.function(service).get("/openapi.json", headers={"Host": host}), 421)


@each_function
@pytest.mark.parametrize("host", ["localhost", "localhost:8082", "127.0.0.1:1", "LOCALHOST:8082"])
def test_the_port_is_not_part_of_a_name(airline: HostedAirline, service: str, path: str, host: str) -> None:
    airline.settings["ALLOWED_HOSTS"] = OWN
    assert airline.function(service).get("/openapi.json", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("hosts", ["*", ""])
def test_a_function_without_a_list_answers_to_any_host(airline: HostedAirline, hosts: str) -> None:
    airline.settings["ALLOWED_HOSTS"] = hosts
    headers = {"Host": "flight-seats.airline.svc.cluster.local"}
    assert airline.function("flight-seats").get("/flights", headers=headers).status_code == 200


def test_a_probe_is_answered_whatever_host_it_names(airline: HostedAirline) -> None:
    airline.settings["ALLOWED_HOSTS"] = OWN
    assert airline.function("flight-seats").get("/healthz", headers={"Host": "10.1.2.3:8012"}).status_code == 204


@each_function
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:8088", "http://localhost"])
def test_a_page_of_another_origin_changes_nothing(airline: HostedAirline, service: str, path: str, origin: str) -> None:
    assert_refused(posted(airline, service, path, Origin=origin), 403)


@each_function
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_nor_does_one_that_the_browser_does_not_name(
    airline: HostedAirline, service: str, path: str, site: str
) -> None:
    assert_refused(posted(airline, service, path, Sec_Fetch_Site=site), 403)


def test_a_page_of_another_origin_may_be_answered_where_nothing_changes(airline: HostedAirline) -> None:
    headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    answer = airline.function("flight-seats").get("/flights", headers=headers)
    assert answer.status_code == 200
    assert "Access-Control-Allow-Origin" not in answer.headers  # so the page cannot read it


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data", "application/x-www-form-urlencoded"])
@each_function
def test_nothing_is_done_by_what_a_form_can_send(
    airline: HostedAirline, service: str, path: str, content_type: str
) -> None:
    assert_refused(posted(airline, service, path, Content_Type=content_type), 415)


@pytest.mark.parametrize("headers", [{}, {"Origin": "http://localhost:8082", "Sec-Fetch-Site": "same-origin"}])
def test_programs_and_pages_of_the_function_itself_may_write(airline: HostedAirline, headers: dict[str, str]) -> None:
    airline.settings["ALLOWED_HOSTS"] = OWN
    flight = {"flightCode": "ACE890", "takeoffDate": "2027-12-25", "cost": 1, "remainingSeatsCount": 5}
    answer = airline.function("flight-seats").post(
        "/flights", json=flight, headers={"Host": "localhost:8082", **headers}
    )
    assert answer.status_code == 201


@pytest.mark.parametrize(("service", "type_"), HEARS.items())
def test_an_event_is_heard_from_no_page_and_under_no_other_name(
    airline: HostedAirline, service: str, type_: str
) -> None:
    airline.settings["ALLOWED_HOSTS"] = OWN
    heard = {"json": event(type_), "content_type": "application/cloudevents+json"}
    function = airline.function(service)

    assert_refused(function.post("/", headers={"Host": "evil.example"}, **heard), 421)
    assert_refused(function.post("/", headers={"Host": "localhost", "Origin": "null"}, **heard), 403)
    assert function.post("/", headers={"Host": "127.0.0.1:40001"}, **heard).status_code == 204


def test_what_a_probe_may_ask_no_event_may_say(airline: HostedAirline) -> None:
    airline.settings["ALLOWED_HOSTS"] = OWN
    page = {"Host": "evil.example:8083", "Origin": "http://evil.example:8083"}
    paid = {"json": event("Paid"), "content_type": "application/cloudevents+json"}
    assert_refused(airline.function("confirm-reservation").post("/healthz", headers=page, **paid), 421)


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize(("service", "type_"), HEARS.items())
def test_a_form_can_say_no_event(airline: HostedAirline, service: str, type_: str, content_type: str) -> None:
    assert_refused(airline.function(service).post("/", json=event(type_), content_type=content_type), 415)


def test_data_that_are_plain_text_are_no_form(airline: HostedAirline) -> None:
    letter = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/elsewhere", "ce-type": "Odd"}
    answer = airline.function("dead-letters").post("/", data="text", content_type="text/plain", headers=letter)
    assert answer.status_code == 204
