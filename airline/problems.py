"""Refusals as application/problem+json (RFC 9457).

Kept under 700 bytes: a broker puts the first kilobyte of it, base64, into the dead letter (`knativeerrordata`).
"""

import json
from http import HTTPStatus

from flask import Response

from airline.errors import STATUS, AirlineError, Invalid
from airline.logs import log

PROBLEM_JSON = "application/problem+json"
LONGEST_DETAIL = 200
MOST_FIELDS = 5


def problem(status: HTTPStatus, detail: str, fields: dict[str, str] | None = None) -> Response:
    """A problem document: title, status, detail, and `errors` naming the fields."""
    body: dict[str, object] = {"type": "about:blank", "title": status.phrase, "status": status.value}
    body["detail"] = detail[:LONGEST_DETAIL]
    if fields:
        body["errors"] = [{"field": name, "message": what} for name, what in list(fields.items())[:MOST_FIELDS]]
    return Response(json.dumps(body, ensure_ascii=False), status.value, content_type=PROBLEM_JSON)


def refusal(error: AirlineError) -> Response:
    """The answer for an error that was raised on purpose."""
    status = STATUS[type(error)]
    log.log(
        30 if status >= HTTPStatus.INTERNAL_SERVER_ERROR else 20,
        "refused: %s",
        error,
        extra={"fields": {"status": status.value}},
    )
    return problem(status, str(error), error.fields if isinstance(error, Invalid) else None)


def crash(error: Exception) -> Response:
    """The answer for a defect of ours: its class is named, its text stays in the log."""
    log.exception("crashed")
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, f"This function failed with {type(error).__name__}.")
