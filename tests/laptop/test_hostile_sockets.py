"""Bytes that no HTTP client writes, at every port of the running airline: it answers, goes on, and half-does nothing.

HOSTILE_EXAMPLES=2000 pytest tests/laptop/test_hostile_sockets.py           more of them, others each time
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import hypothesis
import pytest
import requests
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from testbed import hostile
from testbed.airline_under_test import AirlineUnderTest
from testbed.running_system import RunningSystem, eventually, running_system
from testbed.vocabulary import event
from tests.laptop import raw_requests
from tests.laptop.raw_requests import BROKEN_OFF, SMUGGLED, WHOLE, Endpoint, Heard, Requests

EXAMPLES = int(os.environ.get("HOSTILE_EXAMPLES", "40"))
SEATS = 500
ENDPOINTS = ["function", "broker", "gateway"]
DOCUMENTED = {
    "function": set(),
    "broker": {503},  # too large, as class Kafka
    "gateway": {501, 505},  # and a version of HTTP that is not
}
"""The only answers of 500 and more; docs/reliability.md."""
SILENCE = 10
"""Seconds: choreography/worker.py, broker/embedded/ingress.py, gateway/Caddyfile."""
ORDERS = st.just(event("ReservationRequested", "/agency/7"))


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    with running_system(tmp_path_factory.mktemp("hostile")) as running:
        yield running


@pytest.fixture(scope="module")
def airline(system: RunningSystem) -> AirlineUnderTest:
    return AirlineUnderTest(system.gateway)


@pytest.fixture
def endpoint(request: pytest.FixtureRequest, system: RunningSystem, airline: AirlineUnderTest) -> Endpoint:
    """Three ways in for the same order: a function with one thread, the ingress of the broker, the gateway."""
    flight = airline.add_flight(SEATS)
    match request.param:
        case "function":
            return Endpoint("function", system.url("place-reservation"), flight, alive="/")
        case "broker":
            return Endpoint("broker", system.broker, flight)
    return Endpoint("gateway", f"{system.gateway}/events", flight)


each_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS, indirect=True)


@each_endpoint
def test_whatever_is_sent_is_answered_and_an_order_is_taken_just_where_the_answer_is_yes(
    endpoint: Endpoint, airline: AirlineUnderTest
) -> None:
    heard = sent(endpoint, WHOLE)
    assert [name for name, said in heard.items() if not said.statuses] == []
    assert heard["an order"].taken == 1
    assert_just_so_many_seats_were_sold(airline, endpoint, sum(said.taken for said in heard.values()))


@each_endpoint
def test_no_order_is_smuggled_in_behind_another(endpoint: Endpoint, airline: AirlineUnderTest) -> None:
    heard = sent(endpoint, SMUGGLED)
    assert_just_so_many_seats_were_sold(airline, endpoint, sum(said.taken for said in heard.values()))


@each_endpoint
def test_a_sender_who_leaves_in_the_middle_has_ordered_nothing(endpoint: Endpoint, airline: AirlineUnderTest) -> None:
    heard = sent(endpoint, BROKEN_OFF, leaves=True)
    assert [name for name, said in heard.items() if said.taken] == []
    assert_just_so_many_seats_were_sold(airline, endpoint, 0)


@each_endpoint
def test_spoilt_events_are_answered_as_they_are_inside_one_process(
    endpoint: Endpoint, airline: AirlineUnderTest
) -> None:
    @hypothesis.settings(
        max_examples=EXAMPLES,
        derandomize="HOSTILE_EXAMPLES" not in os.environ,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(hostile.requests(ORDERS))
    def is_sent(request: hostile.Request) -> None:
        said = raw_requests.hear(endpoint, raw_requests.raw(endpoint, request))
        assert said.ended
        assert said.statuses
        assert_no_fault(endpoint, said)

    is_sent()
    assert endpoint.is_alive()
    assert_an_order_succeeds(airline)


def sent(endpoint: Endpoint, all_of: Requests, *, leaves: bool = False) -> dict[str, Heard]:
    """What each was answered; after each of them the endpoint was still there."""
    heard = {}
    for name, request in all_of.items():
        heard[name] = raw_requests.hear(endpoint, request(endpoint), leaves=leaves)
        assert heard[name].ended, f"{name}: left hanging after {heard[name].statuses}"
        assert_no_fault(endpoint, heard[name], name)
        assert endpoint.is_alive(), f"{name}: did not survive it"
    return heard


def assert_no_fault(endpoint: Endpoint, said: Heard, name: str = "") -> None:
    faults = [status for status in said.statuses if status >= 500 and status not in DOCUMENTED[endpoint.name]]
    assert faults == [], name


def assert_just_so_many_seats_were_sold(airline: AirlineUnderTest, endpoint: Endpoint, taken: int) -> None:
    """As many reservations as there were a yes, all of them well ended, one seat each."""

    def statuses() -> list[str]:
        found = airline.get("/reservations", flightId=endpoint.flight, size=SEATS)
        return [item["status"] for item in found["_embedded"]["reservations"]]

    eventually(lambda: statuses() == ["SUCCEED"] * taken, f"{taken} orders have succeeded", 60, 0.1)
    assert_an_order_succeeds(airline)  # what was taken before it is there by now, too
    assert statuses() == ["SUCCEED"] * taken
    assert airline.get(f"/flights/{endpoint.flight}")["remainingSeatsCount"] == SEATS - taken


def assert_an_order_succeeds(airline: AirlineUnderTest) -> None:
    flight = airline.add_flight(1)
    assert airline.outcome(airline.place_reservation(flight, 1), within=60)["status"] == "SUCCEED"


def test_no_port_answers_to_a_name_that_leads_here_by_trickery(system: RunningSystem) -> None:
    urls = [system.gateway, system.broker, *(system.url(name) for name in system.state["services"])]
    for url in urls:
        for name, known in (("localhost", True), ("127.0.0.1:1", True), ("evil.example", False)):
            answer = requests.post(url, headers={"Host": name}, timeout=30)
            assert (answer.status_code != 421) == known, (url, name, answer.status_code)


def test_a_sender_who_falls_silent_holds_no_thread_for_ever(system: RunningSystem, airline: AirlineUnderTest) -> None:
    """As many of them as a function has threads; the next one waits until they are sent away."""
    one, four = (
        Endpoint("function", system.url("restore-seats"), 0, "/"),
        Endpoint("function", system.url("reserve"), 0),
    )
    held = [
        (Endpoint("function", system.url("place-reservation"), 0, "/"), raw_requests.good(one)[:-50], 1, (408,)),
        (Endpoint("function", system.url("cancel-reservation"), 0, "/"), raw_requests.good(one)[:40], 1, ()),
        (Endpoint("function", system.url("confirm-reservation"), 0, "/"), b"", 1, ()),
        (one, raw_requests.chunked(one, b"5\r\nabcde\r\n"), 1, (408,)),
        (four, raw_requests.good(four)[:40], 4, ()),
        (Endpoint("function", system.url("reserve-commands"), 0), raw_requests.good(four)[:-50], 4, (408,)),
        (
            Endpoint("broker", system.broker, 0),
            raw_requests.good(Endpoint("broker", system.broker, 0))[:-50],
            9,
            (408,),
        ),
        (Endpoint("gateway", system.gateway, 0), raw_requests.good(four)[:52], 9, ()),
    ]
    with ThreadPoolExecutor(len(held)) as pool:
        for done in [pool.submit(_is_held, *each) for each in held]:
            done.result()
    assert_an_order_succeeds(airline)


def _is_held(endpoint: Endpoint, request: bytes, times: int, answer: tuple[int, ...]) -> None:
    assert endpoint.is_alive()
    silent = [endpoint.connect() for _ in range(times)]
    for connection in silent:
        connection.sendall(request)
    alive = b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % endpoint.alive.encode()
    assert raw_requests.hear(endpoint, alive, within=3 * SILENCE).statuses == (204,), endpoint
    for connection in silent:
        with connection:
            assert raw_requests.listen(connection, b"", within=3 * SILENCE) == Heard(answer, ended=True), endpoint
