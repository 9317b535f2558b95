"""Where the servers of a test listen."""

import random
import socket
from contextlib import suppress

BELOW_EPHEMERAL = range(10_000, 32_000)
"""The kernel never hands these out as free ports, so nobody takes one before its server listens."""


def free_port() -> int:
    """A port of 127.0.0.1 that is free now."""
    for port in random.sample(BELOW_EPHEMERAL, 100):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise OSError("100 ports in a row are taken")
