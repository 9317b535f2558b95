"""Answers are sent as Werkzeug would send them, by the short way or the long one."""

import pytest
from flask import Response
from werkzeug.test import create_environ

from choreography import answers, problems
from choreography.errors import TryAgain

ENVIRON = create_environ("/reservations", "http://localhost:8088", method="POST")


@pytest.mark.parametrize(
    "answer",
    [
        Response(status=204),
        Response(b"{}", 200, {"Content-Type": "application/cloudevents+json"}),
        Response(b"{}", 201, {"Location": "http://localhost:8088/reservations/7K3M9QX2V4TB", "ETag": '"1"'}),
        Response(b"{}", 201, {"location": "/예약/1"}),
        Response(b"", 200, {"Content-Location": "/two words"}),
        Response(status=304, headers={"ETag": '"1"', "Content-Type": "text/plain"}),
        Response(iter([b"a", b"b"]), 200),
        Response(b"late", 204),
        Response(["several", "parts"], 200),
        problems.refusal(TryAgain("The database is out of reach.")),
    ],
    ids=lambda answer: f"{answer.status_code} {dict(answer.headers)}",
)
def test_what_a_passenger_is_answered_has_the_head_that_werkzeug_would_send(answer: Response) -> None:
    assert answers.head(answer, ENVIRON) == answer.get_wsgi_headers(ENVIRON).to_wsgi_list()


def test_a_reservation_at_an_address_that_is_no_address_is_refused_before_it_is_kept() -> None:
    with pytest.raises(ValueError, match="Invalid IPv6"):
        answers.head(Response(b"{}", 201, {"Location": "http://[::1/reservations/1 2"}), ENVIRON)
