"""Learns from a function itself that it is up: it writes to NOTIFY_SOCKET, as systemd's services do (sd_notify(3)).

No probe, no extra connection. The message is sent when the listening socket was taken and the source was imported,
right before the first call (choreography/serving.py).
"""

import asyncio
import socket
from pathlib import Path
from types import TracebackType


class Readiness:
    """`async with Readiness(path) as ready` : `ready` is a future that is done when the process says READY=1."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._said: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def __enter__(self) -> asyncio.Future[None]:
        try:
            self._path.unlink(missing_ok=True)
            self._socket.bind(str(self._path))
        except OSError:
            self._socket.close()
            raise
        self._socket.setblocking(False)
        asyncio.get_running_loop().add_reader(self._socket, self._hear)
        return self._said

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        self._path.unlink(missing_ok=True)

    def _hear(self) -> None:
        if b"READY=1" in self._socket.recv(4096) and not self._said.done():
            self._said.set_result(None)
