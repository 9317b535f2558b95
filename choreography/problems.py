"""Refusals as application/problem+json (RFC 9457).

At most 700 bytes: a broker puts them, base64, into the dead letter (`knativeerrordata`), and the in-memory channel of
Knative 1.23 was seen to crash at 769 (`index out of range` in event_dispatcher.go, for want of room for the base64).
"""

import json
from http import HTTPStatus

from flask import Response
from werkzeug.exceptions import HTTPException

from choreography.errors import (
    BrokenOff,
    BrokerAway,
    Conflict,
    EventRefused,
    Forbidden,
    Invalid,
    Malformed,
    Misdirected,
    NotFound,
    PreconditionFailed,
    Problem,
    TooLarge,
    TooMany,
    TryAgain,
    Unauthenticated,
    Unsupported,
)
from choreography.logs import log

PROBLEM_JSON = "application/problem+json"
MOST_BYTES = 700
LONGEST_DETAIL = 400
STATUS: dict[type[Problem], HTTPStatus] = {
    TryAgain: HTTPStatus.SERVICE_UNAVAILABLE,
    BrokerAway: HTTPStatus.SERVICE_UNAVAILABLE,
    EventRefused: HTTPStatus.SERVICE_UNAVAILABLE,
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    PreconditionFailed: HTTPStatus.PRECONDITION_FAILED,
    Malformed: HTTPStatus.BAD_REQUEST,
    BrokenOff: HTTPStatus.REQUEST_TIMEOUT,
    Invalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    Unauthenticated: HTTPStatus.UNAUTHORIZED,
    Forbidden: HTTPStatus.FORBIDDEN,
    Misdirected: HTTPStatus.MISDIRECTED_REQUEST,
    TooMany: HTTPStatus.TOO_MANY_REQUESTS,
    Unsupported: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
}
"""The status of each error. Those that a broker retries are in choreography/errors.py."""


def problem(status: HTTPStatus, detail: str, fields: dict[str, str] | None = None) -> Response:
    """A problem document: title, status, detail, and as many `errors` naming fields as there is room for."""
    body: dict[str, object] = {"type": "about:blank", "title": status.phrase, "status": status.value}
    body["detail"] = detail.encode(errors="replace")[:LONGEST_DETAIL].decode(errors="ignore")
    errors = [{"field": name, "message": what} for name, what in (fields or {}).items()]
    while errors and len(_bytes(body | {"errors": errors})) > MOST_BYTES:
        errors.pop()
    return Response(_bytes(body | {"errors": errors} if errors else body), status.value, content_type=PROBLEM_JSON)


def refusal(error: Problem) -> Response:
    """The answer for an error that was raised on purpose."""
    status = STATUS[type(error)]
    log.log(
        30 if status >= HTTPStatus.INTERNAL_SERVER_ERROR else 20,
        "refused: %s",
        error,
        extra={"fields": {"status": status.value}},
    )
    response = problem(status, str(error), error.fields if isinstance(error, Invalid) else None)
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"  # required with it (RFC 9110, section 15.5.2)
    if isinstance(error, TooMany):
        response.headers["Retry-After"] = str(error.seconds)
    return response


def crash(error: Exception) -> Response:
    """The answer for a defect of ours: its class is named, its text stays in the log."""
    log.exception("crashed")
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, f"This function failed with {type(error).__name__}.")


def refused_by_flask(error: HTTPException) -> Response:
    """The answer for what Flask itself refuses: unknown paths and methods, bodies that are too large, bad hosts."""
    response = problem(HTTPStatus(error.code or 500), error.description or "")
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response


def _bytes(body: dict[str, object]) -> bytes:
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="replace")  # a client's own field name may have half a surrogate pair
