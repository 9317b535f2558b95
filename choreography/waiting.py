"""Whether something can be read from a connection or a pipe. select(2) would take no descriptor above 1023."""

import select
import socket


def has_come(source: socket.socket | int, seconds: float = 0.0) -> bool:
    """Whether something has come by then: bytes, its end, or an error."""
    arrivals = select.poll()
    arrivals.register(source, select.POLLIN)
    return bool(arrivals.poll(seconds * 1000))
