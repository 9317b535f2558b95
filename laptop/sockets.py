"""The listening sockets, held by the supervisor so that no connection is refused while a process is away."""

import socket
import struct

HOST = "127.0.0.1"
BACKLOG = 4096  # a burst waits here while a function starts; the kernel caps it
PATIENCE = 10  # seconds of silence in the middle of a request


def listen(port: int) -> socket.socket:
    """A listening socket on 127.0.0.1; port 0 is a free one. Raises OSError."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    # Inherited by every accepted connection. gunicorn's threads would wait for ever for the rest of a request; on a
    # cluster, queue-proxy ends it. Gateway and broker do not block, and have times of their own.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", PATIENCE, 0))
    listener.setblocking(False)
    return listener


def url_of(listener: socket.socket) -> str:
    """http://127.0.0.1:PORT"""
    host, port = listener.getsockname()
    return f"http://{host}:{port}"
