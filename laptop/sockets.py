"""The listening sockets, held by the supervisor so that no connection is refused while a process is away."""

import socket

HOST = "127.0.0.1"
BACKLOG = 4096  # a burst waits here while a function starts; the kernel caps it


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
    listener.setblocking(False)
    return listener


def url_of(listener: socket.socket) -> str:
    """http://127.0.0.1:PORT"""
    host, port = listener.getsockname()
    return f"http://{host}:{port}"
