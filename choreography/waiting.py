"""Whether something can be read from a connection, whatever its descriptor: select(2) takes none above 1023."""

import select
import socket


def has_come(connection: socket.socket, seconds: float = 0.0) -> bool:
    """Whether something has come by then: bytes, its end, or an error."""
    arrivals = select.poll()
    arrivals.register(connection, select.POLLIN)
    return bool(arrivals.poll(seconds * 1000))
