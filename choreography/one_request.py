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
LINGER, _MOST_DRAINED = 2.0, 1 << 21  # seconds; bytes, twice what the gateway passes on


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


def serve(
    connection: socket.socket, about: "WSGIEnvironment", application: "WSGIApplication", linger: float = LINGER
) -> None:
    """Reads one request, answers it, and closes the connection.

    `about`: its environment, to be filled. `linger`: seconds for which a sender may go on who has been answered.
    """
    incoming, outgoing = Incoming(connection, about), Outgoing(connection)
    with connection:
        try:
            _answer(incoming, outgoing, application)
        except Gone:
            return  # nobody is there to be answered
        if incoming.is_whole and about.get("HTTP_CONNECTION") == "close":  # nothing can come behind it
            return
        _hear_out(connection, linger, is_whole=incoming.is_whole)


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


def _hear_out(connection: socket.socket, linger: float, *, is_whole: bool) -> None:
    """Reads on where the sender has not ended, or has sent more than a request.

    Closing resets the connection if something is still unread or on its way, maybe before its other end has read the
    answer. A gateway makes a 502 of that (RFC 9112, section 9.6).
    """
    with suppress(OSError):
        if is_whole and not connection.recv(1, PEEK):
            return
        connection.shutdown(socket.SHUT_WR)
        end, left = time.monotonic() + linger, _MOST_DRAINED
        while left > 0:
            connection.settimeout(max(0.0, end - time.monotonic()))  # 0: what has come, and no more
            data = connection.recv(_CHUNK)
            if not data:
                return
            left -= len(data)
