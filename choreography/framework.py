"""Answers that a function does not give itself are ours in form as well, and a function is called without a detour.

functions-framework loads main.py inside its own Flask application, which answers some paths itself.
"""

import inspect
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from flask import Flask, Request, current_app, has_app_context
from httptools import HttpParserError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from choreography import answers, bodies, problems

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

CHUNK = 65_536
OF_THE_FRAMEWORK = ("/robots.txt", "/favicon.ico")
"""Paths that functions-framework itself answers (functions_framework/__init__.py, `_configure_app`)."""


def host() -> None:
    """To be called while functions-framework loads main.py."""
    if has_app_context():
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        app.register_error_handler(HTTPException, problems.refused_by_flask)
        app.register_error_handler(Exception, problems.crash)
        app.wsgi_app = _past_the_routing(app)  # type: ignore[method-assign, assignment]


def _past_the_routing(app: Flask) -> "WSGIApplication":
    """Calls the target itself: functions-framework sends it every path and method anyway.

    Its Flask application takes a third of a call that a policy answers with one short transaction. The rest of its work
    is done here: errors become problem documents, and the body is read to its end. There is no `flask.request` in a
    target; it is given its request.
    """
    routed = app.wsgi_app

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path in OF_THE_FRAMEWORK or not path.startswith("/") or "//" in path or "\n" in path:
            return routed(environ, start_response)
        answer = _answer(app, Request(environ))
        if not bodies.is_there(environ):
            _read_the_rest(environ)
        start_response(answer.status, answers.head(answer, environ))
        return answers.body(answer, environ)

    return answer


def _answer(app: Flask, request: Request) -> Response:
    try:
        answer = target(app)(request)
    except HTTPException as error:
        return problems.refused_by_flask(error)
    except Exception as error:
        return problems.crash(error)
    if isinstance(answer, Response):
        return answer
    with app.request_context(request.environ):  # a text, or a tuple
        return app.make_response(answer)


def _read_the_rest(environ: "WSGIEnvironment") -> None:
    # what is left unread resets the connection, maybe before its other end has read the answer
    with suppress(OSError, HttpParserError):  # the answer stays as it is, and the connection ends with it
        while environ["wsgi.input"].read(CHUNK):
            pass


def target(app: Flask) -> Callable[[Request], Any]:
    """The function that functions-framework serves."""
    if "target" not in app.extensions:
        app.extensions["target"] = inspect.unwrap(app.view_functions["run"])
    found: Callable[[Request], Any] = app.extensions["target"]
    return found
