"""Tells when there is something to read from sockets that live for one answer.

`loop.add_reader` of uvloop makes an object of libuv for each socket, and six system calls to watch it and to stop. Here
the loop watches one epoll for all of them: one call for each socket, as its close ends the watch.
"""

import asyncio
import select
import sys
from collections.abc import Callable
from functools import lru_cache

if sys.platform == "linux":

    class Readiness:
        """All on the thread of the loop."""

        def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
            self._epoll = select.epoll()
            self._watched: dict[int, Callable[[], None]] = {}
            loop.add_reader(self._epoll.fileno(), self._tell)

        def watch(self, fd: int, readable: Callable[[], None]) -> None:
            """`readable` is called as long as something can be read, the end of all or an error too."""
            self._epoll.register(fd, select.EPOLLIN)
            self._watched[fd] = readable

        def forget(self, fd: int) -> None:
            """To be called, also twice, before the socket is closed, which is what takes it out of the epoll."""
            self._watched.pop(fd, None)

        def _tell(self) -> None:
            for fd, _ in self._epoll.poll(0):
                if readable := self._watched.get(fd):
                    readable()

else:

    class Readiness:
        """Where there is no epoll, the loop watches each socket."""

        def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
            self._loop = loop

        def watch(self, fd: int, readable: Callable[[], None]) -> None:
            """See above."""
            self._loop.add_reader(fd, readable)

        def forget(self, fd: int) -> None:
            """See above."""
            self._loop.remove_reader(fd)


@lru_cache(maxsize=1)  # a process has one loop at a time
def readiness(loop: asyncio.AbstractEventLoop) -> Readiness:
    """That of this loop."""
    return Readiness(loop)
