"""A connection from its beginning to its end: one request, its answer, and no more.

What is not a request is answered with a problem document.
"""

import socket
import sys
import time
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING

from choreography import problems
from choreography.incoming import Gone, Incoming, NotARequest
from choreography.logs import log
from choreography.outgoing import Outgoing
from choreography.waiting import PEEK

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

_CHUNK = 65_536
_LINGER, _MOST_DRAINED = 2.0, 65_536  # seconds, bytes


def environment(listener: socket.socket) -> "WSGIEnvironment":
    """What is the same for all requests to that address (PEP 3333)."""
    address = listener.getsockname()
    host, port = address[:2] if isinstance(address, tuple) else (address, "")
    return {
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "SERVER_NAME": str(host),
        "SERVER_PORT": str(port),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,  # of werkzeug: the body says where it ends
    }


def serve(connection: socket.socket, about: "WSGIEnvironment", application: "WSGIApplication") -> None:
    """Reads one request, answers it, and closes the connection. `about`: its environment, to be filled."""
    incoming, outgoing = Incoming(connection, about), Outgoing(connection)
    try:
        _answer(incoming, outgoing, application)
    except Gone:
        pass  # nobody is there to be answered
    finally:
        if incoming.is_whole and about.get("HTTP_CONNECTION") == "close":  # nothing can come behind it
            connection.close()
        else:
            _close(connection)


def _answer(incoming: Incoming, outgoing: Outgoing, application: "WSGIApplication") -> None:
    try:
        incoming.begin()
        outgoing.of(incoming.environ)
        outgoing.write_all(application(incoming.environ, outgoing.start))
    except Gone:
        raise
    except NotARequest as error:
        if "REQUEST_METHOD" in incoming.environ:
            outgoing.of(incoming.environ)
        outgoing.replace(problems.problem(error.status, str(error)))
    except (Exception, SystemExit):
        log.exception("this request could not be answered")
        outgoing.replace(problems.problem(HTTPStatus.INTERNAL_SERVER_ERROR, "This function failed; see its log."))


def _close(connection: socket.socket) -> None:
    """Ends a connection at once where nothing more has come.

    Closing resets the connection if something is still unread, maybe before its other end has read the answer. Only
    then is it waited for (RFC 9112, section 9.6).
    """
    with connection, suppress(OSError):
        if connection.recv(1, PEEK):
            _drain(connection, time.monotonic() + _LINGER)


def _drain(connection: socket.socket, end: float) -> None:
    connection.shutdown(socket.SHUT_WR)
    left = _MOST_DRAINED
    while left > 0 and (patience := end - time.monotonic()) > 0:
        connection.settimeout(patience)
        data = connection.recv(_CHUNK)
        if not data:
            return
        left -= len(data)
