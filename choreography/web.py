"""The HTTP functions: a Flask application behind the one target that functions-framework calls.

functions-framework sends every method and path to the target; the application has the routes. Nothing here answers
with a redirect (a broker counts 3xx as a failure) or with HTML.
"""

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from flask import Flask, Request, Response, current_app, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import IntegerConverter

from choreography import access, audit, bodies, callers, contract, documents, hal, logs, problems, store, tracing, wire
from choreography.callers import PROBE
from choreography.contract import Access, Document, Operation, Shape
from choreography.errors import Invalid, Malformed, NotFound, Problem, Unsupported
from choreography.events import Glossary
from choreography.fields import LARGEST_ID
from choreography.logs import log
from choreography.paging import LONGEST_CURSOR
from choreography.settings import settings

LARGEST_BODY = 64 * 1024
"""Bytes of a request body; those of most commands have a few hundred."""
MOST_PARAMETERS = 32
LONGEST_PARAMETER = 255
"""Characters of the name or the value of a parameter, and of a segment of the path."""
REPEATABLE = ("sort",)


class _Number(IntegerConverter):
    """The number of a row, in the one way to write it: /books/003 would be a second address of /books/3."""

    regex = "[1-9][0-9]*"


def api(name: str, openapi: Path, document: Document | None = None, sagas: Glossary | None = None) -> Flask:
    """An application with the answers that every HTTP function gives: health, its OpenAPI document, refusals.

    The file `openapi` is made of `document` and of what the routes declare (choreography/contract.py).
    Where `sagas` is given, `<identity>` in an address is a saga of that glossary, and log lines name it.
    """
    app = Flask(name, static_folder=None)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False  # it would redirect
    app.url_map.converters["int"] = _Number
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    app.add_url_rule(PROBE, "ready", _ready, methods=["GET"])
    app.add_url_rule("/openapi.json", "openapi", _serving(openapi))
    app.extensions[contract.EXTENSION] = document
    app.before_request(functools.partial(_look_first, sagas))
    app.after_request(audit.finish)
    app.register_error_handler(Problem, problems.refusal)
    app.register_error_handler(HTTPException, problems.refused_by_flask)
    app.register_error_handler(Exception, problems.crash)
    return app


def serve(app: Flask, request: Request, afterwards: Callable[[], None] | None = None) -> Response:
    """Answers the request that functions-framework got with the application, and logs one line.

    `afterwards` is called once the answer is made.
    """
    logs.configure()
    bodies.guard(request)
    _drop_slash_at_the_end(request)
    with _traced(request), logs.about(traceId=wire.trace_id(_traceparent(request))):
        with app.request_context(request.environ) as context:  # as Flask does it, without a second pass through WSGI
            response = app.full_dispatch_request()
            tracing.note({"http.route": str(context.request.url_rule or ""), **logs.noted()})
        tracing.note({"http.response.status_code": response.status_code})
        if request.path == PROBE:  # which asks every few seconds
            log.debug("%s %s", request.method, request.path, extra={"fields": {"status": response.status_code}})
        else:
            logs.routine(f"{request.method} {request.path}", status=response.status_code)
        if afterwards is not None:
            afterwards()
    return response


def _traced(request: Request) -> AbstractContextManager[object]:
    if request.path == PROBE:  # it asks every few seconds, and is nobody's doing
        return nullcontext()
    return tracing.answering(request.method, request.path, request.environ.get("HTTP_TRACEPARENT"))


def _traceparent(request: Request) -> str:
    return tracing.current() or str(request.environ.get("HTTP_TRACEPARENT", ""))


def json_object(request: Request) -> dict[str, Any]:
    """The body as a JSON object. Raises Unsupported, Malformed or Invalid."""
    if request.mimetype not in ("application/json", "application/merge-patch+json", "application/hal+json"):
        raise Unsupported("The body must be sent as application/json.")
    body = documents.read(request.get_data())
    if not isinstance(body, dict):
        raise Invalid("The body must be a JSON object.")
    return body


def _look_first(sagas: Glossary | None) -> None:
    """What comes before every route: by one hook, as Flask takes ten calls for each, and without its proxy."""
    asked: Request = request._get_current_object()  # type: ignore[attr-defined]
    callers.refuse_strangers(asked)
    callers.refuse_forms(asked)
    _admit(asked)
    if sagas is not None:
        logs.note(**sagas.about((asked.view_args or {}).get("identity", "")))
    _refuse_too_much(asked)
    _refuse_what_no_database_takes(asked)
    # before anything is done: links to an invalid host, or the rest of the body, would fail afterwards
    hal.base_url(asked)
    bodies.whole(asked)


def _admit(request: Request) -> None:
    route = current_app.view_functions.get(request.endpoint or "")
    if route is None or request.path == PROBE or request.method == "OPTIONS":
        return  # nothing is there, or nothing is revealed
    if settings().identity or settings().rate_limit:
        access.admit(request, contract.promised(route).access)


@contract.promises(Operation(about="It can: its database answers.", name="isReady", access=Access.EVERYBODY))
def _ready() -> Response:
    """Whether the function can work"""
    store.ready()
    return Response(status=204)


def _serving(openapi: Path) -> Callable[[], Response]:
    @contract.promises(
        Operation(
            Shape("OpenApi", {}),
            "An OpenAPI 3.1 document.",
            reads_database=False,
            media="application/json",
            name="readThisDocument",
            access=Access.EVERYBODY,
        )
    )
    def serve_document() -> Response:
        """This document"""
        return Response(openapi.read_bytes(), content_type="application/json")

    return serve_document


def _drop_slash_at_the_end(request: Request) -> None:
    # by hand: Werkzeug knows it for some routes only, and would redirect for others
    path = request.environ["PATH_INFO"]
    request.environ["PATH_INFO"] = path.removesuffix("/") or "/"


def _refuse_too_much(request: Request) -> None:
    if any(len(segment) > LONGEST_PARAMETER for segment in request.path.split("/")):
        raise NotFound("This address does not exist: a part of it is too long.")
    if request.query_string.count(b"&") >= MOST_PARAMETERS:
        raise Malformed(f"More than {MOST_PARAMETERS} parameters are not read.")
    for name, values in request.args.lists():
        longest = LONGEST_CURSOR if name == "after" else LONGEST_PARAMETER
        if max(len(name), *map(len, values)) > longest:
            raise Malformed(f"The name and the value of a parameter have at most {longest} characters each.")
        if len(values) > 1 and name not in REPEATABLE:
            raise Malformed(f"The parameter {name} is there {len(values)} times; give it once.")


def _refuse_what_no_database_takes(request: Request) -> None:
    # not even to compare with: databases answer with errors that would look like defects of ours
    number = (request.view_args or {}).get("number", 0)
    if number > LARGEST_ID:
        raise NotFound(f"Nothing here has the number {number}.")
    if "\0" in request.path or any("\0" in value for value in request.args.values()):
        raise Malformed("The address must not contain the character NUL.")
