"""The header lines and the body of an answer as they are sent, without Werkzeug where it would change nothing.

Werkzeug completes them each time: it adds a missing length, takes away what a 304 may not have, and encodes addresses.
The answers of policies, and nearly all of the others, need none of that, and this takes a tenth of the function calls.
"""

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from werkzeug.wrappers import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

COMPLETE = {HTTPStatus.OK, HTTPStatus.CREATED}
"""Answers of these statuses are sent as they are if they say their length; a 204 is if it says none."""
ADDRESSES = {"location", "content-location"}
_PLAIN = re.compile(r"[A-Za-z0-9/:._~-]*", re.ASCII)
"""An address that is written as it is."""


def head(answer: Response, environ: "WSGIEnvironment") -> list[tuple[str, str]]:
    """Names and values. Raises ValueError for an address that cannot be sent."""
    lines = list(answer.headers)
    names = {name.lower() for name, _ in lines}
    status, has_length = answer.status_code, "content-length" in names
    complete = status in COMPLETE if has_length else status == HTTPStatus.NO_CONTENT
    if complete and (names.isdisjoint(ADDRESSES) or _are_plain(lines)):
        return lines
    return answer.get_wsgi_headers(environ).to_wsgi_list()


def body(answer: Response, environ: "WSGIEnvironment") -> Iterable[bytes]:
    """What is sent of it: at once where it is all there, which Werkzeug would wrap three times."""
    if answer.is_sequence and not answer._on_close and environ["REQUEST_METHOD"] != "HEAD":
        return [answer.get_data()]
    return answer.get_app_iter(environ)


def _are_plain(lines: list[tuple[str, str]]) -> bool:
    return all(_PLAIN.fullmatch(value) for name, value in lines if name.lower() in ADDRESSES)
