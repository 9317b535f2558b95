"""Bodies that do not arrive: the sender's fault, and no later reader waits for them again."""

import pytest

from testbed.hosting import HostedAirline
from testbed.vocabulary import assert_refused

each_way = pytest.mark.parametrize(
    "way", [("decrease-seats", "/"), ("dead-letters", "/"), ("reserve-commands", "/events")], ids=lambda way: way[0]
)
"""A policy, a function that keeps everything, and a resource."""


class Fails:
    """The body of a sender who has left, or fell silent (an OSError), or of one whose chunks are malformed."""

    def __init__(self, error: Exception) -> None:
        self.error, self.times_asked = error, 0

    def read(self, *_: int) -> bytes:
        self.times_asked += 1
        raise self.error


@each_way
@pytest.mark.parametrize(
    ("error", "status"),
    [(BlockingIOError(11, "silence"), 408), (OSError("no more data"), 408), (ArithmeticError("zz"), 400)],
    ids=["silence", "the sender is gone", "a malformed chunk"],
)
def test_a_body_that_fails_is_refused_and_not_asked_for_again(
    airline: HostedAirline, way: tuple[str, str], error: Exception, status: int
) -> None:
    (service, path), body = way, Fails(error)
    given = {"wsgi.input": body, "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}

    assert_refused(airline.function(service).open("POST", path, environ_overrides=given), status)
    assert body.times_asked == 1


@each_way
def test_a_body_shorter_than_its_content_length_is_refused(airline: HostedAirline, way: tuple[str, str]) -> None:
    (service, path), given = way, {"wsgi.input_terminated": True, "CONTENT_LENGTH": "50"}

    answer = airline.function(service).open("POST", path, data=b"{}", environ_overrides=given)

    assert_refused(answer, 408)


@pytest.mark.parametrize("host", ["[", "x:99999", "x:y"])
def test_nothing_is_done_for_a_malformed_host(airline: HostedAirline, host: str) -> None:
    reserve = airline.function("reserve")

    answer = reserve.open("POST", "/reservations", json={}, headers={"X-Forwarded-Host": host})

    assert_refused(answer, 400)
    assert "host" in answer.text
