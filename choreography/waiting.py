"""Whether something can be read from a connection or a pipe. select(2) would take no descriptor above 1023."""

import re
import select
import socket

_MOST = 65_536
PEEK = int(socket.MSG_PEEK | socket.MSG_DONTWAIT)  # to join flags of an enum takes as long as to ask
_SIZE_OF_BODY = re.compile(rb"\r\nContent-Length:[ \t]*(\d{1,9})[ \t]*\r\n", re.IGNORECASE)


def has_come(source: socket.socket | int, seconds: float = 0.0) -> bool:
    """Whether something has come by then: bytes, its end, or an error."""
    arrivals = select.poll()
    arrivals.register(source, select.POLLIN)
    return bool(arrivals.poll(seconds * 1000))


def is_whole(connection: socket.socket) -> bool:
    """Whether all of a request has come, so that nobody waits who reads it. What cannot be seen at once is not."""
    try:
        come = connection.recv(_MOST, PEEK)
    except OSError:  # nothing has come, or it has been reset
        return False
    end = come.find(b"\r\n\r\n") + 4
    if end < len(b"\r\n\r\n"):
        return False
    size = _SIZE_OF_BODY.search(come, 0, end)
    if size is not None:
        return len(come) - end >= int(size[1])
    return come.startswith((b"GET ", b"HEAD ")) and b"chunked" not in come[:end].lower()
