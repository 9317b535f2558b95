"""Answers that a function does not give itself are ours in form as well.

functions-framework loads main.py inside its own Flask application, which answers some paths by itself; gunicorn answers
what it cannot read as a request.
"""

from http import HTTPStatus
from socket import socket

from flask import current_app, has_app_context
from gunicorn import util
from werkzeug.exceptions import HTTPException

from choreography import problems


def answer_with_problems() -> None:
    """To be called while functions-framework loads main.py."""
    util.write_error = refuse  # gunicorn calls it by this name; its own writes an HTML page
    if has_app_context():
        current_app.register_error_handler(HTTPException, problems.refused_by_flask)
        current_app.register_error_handler(Exception, problems.crash)


def refuse(connection: socket, status: int, reason: str, detail: str) -> None:
    """Answers a request that gunicorn cannot read, which then closes the connection (gunicorn/workers/base.py)."""
    body = problems.problem(HTTPStatus(status), detail or reason).get_data()
    head = f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: {problems.PROBLEM_JSON}\r\n"
    util.write_nonblock(connection, f"{head}Content-Length: {len(body)}\r\n\r\n".encode("latin-1") + body)
