"""gunicorn's worker of our functions: THREADS threads, each of which takes a connection, answers it, and closes it.

Some functions have one thread for all calls, which takes the next ones while it waits (meanwhile.py). The others read
what has come in part only, so that no sender holds it up.

gunicorn's own workers read a request in Python, by some 400 function calls, and with several threads hand it from one
thread to another and back. That was a third of a saga's CPU.
"""

import faulthandler
import os
import select
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from queue import SimpleQueue

from flask import Flask
from gunicorn.workers import base

from choreography import framework, logs, meanwhile, one_request, short_way
from choreography.logs import log
from choreography.waiting import has_come, is_whole

PATIENCE = 10
"""Seconds of silence in the middle of a request, and of an answer that nobody takes."""
UNHEARD = 10
"""Seconds for which Linux keeps a connection that has said nothing to itself, as browsers open some ahead of time."""
MOST_SET_ASIDE = 100
"""Calls that have come in part, and wait for a thread that reads them; of others the connection is closed."""
AGAIN_AFTER = 0.1
"""Seconds until a call that could not be taken is tried again."""
SOON = 0.001
"""Seconds in which a request comes behind its connection, by the short way."""
LOOK_EVERY = 1.0
"""Seconds after which the main thread is back, if no signal calls it."""
_PATIENCE = struct.pack("@ll", PATIENCE, 0)
_Listeners = dict[int, tuple[socket.socket, dict[str, object]]]
_Arrived = tuple[socket.socket, dict[str, object]]
"""A connection, and what is known of its request: the address by which it came, and who sent it."""


class Worker(base.Worker):  # type: ignore[misc]
    """Serves until SIGTERM, and then finishes the calls that it has begun.

    Where each thread that takes calls has been held by one for longer than `timeout` (CLOUD_RUN_TIMEOUT_SECONDS), the
    process ends.
    """

    def run(self) -> None:
        self._held_since: list[float | None] = [None] * self.cfg.threads
        self._end_of_all, end = os.pipe()
        self._set_aside: SimpleQueue[_Arrived | None] = SimpleQueue()
        about = {listener.fileno(): (listener, _prepared(listener)) for listener in self.sockets}
        self._short_way = short_way.listener() if self.cfg.workers == 1 else None
        if self._short_way:
            about[self._short_way.fileno()] = self._short_way, one_request.environment(self.sockets[0])
        works: list[Callable[[int, _Listeners], None]] = [self._serve] * self.cfg.threads
        self._takers = self.cfg.threads
        if self.cfg.threads > 1 and is_for_one_thread(self.wsgi):
            works = [self._serve_together, *[self._read_slowly] * (self.cfg.threads - 1)]
            self._takers = 1
        threads = [
            threading.Thread(target=work, args=(number, about), name=f"call-{number}", daemon=True)
            for number, work in enumerate(works)
        ]
        for thread in threads:
            thread.start()
        while self.alive and self._has_its_parent():
            self.notify()
            self._wait_for_a_signal()
            self._end_if_held()
        if self._short_way:  # who waits there is refused at once, and comes again by the other way
            self._short_way.close()
        os.close(end)
        for _ in threads:
            self._set_aside.put(None)
        deadline = time.monotonic() + self.cfg.graceful_timeout
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _has_its_parent(self) -> bool:
        """Whoever started a function that is one process may end before it; workers end with their arbiter."""
        return bool(self.cfg.workers == 1 or self.ppid == os.getppid())

    def _wait_for_a_signal(self) -> None:
        if has_come(self.PIPE[0], LOOK_EVERY):
            os.read(self.PIPE[0], 64)

    def _end_if_held(self) -> None:
        patience = self.cfg.timeout
        since = [moment for moment in self._held_since[: self._takers] if moment is not None]
        if not patience or len(since) < self._takers or time.monotonic() - max(since) < patience:
            return
        faulthandler.dump_traceback()
        logs.configure()
        log.critical("a request took longer than %g s (CLOUD_RUN_TIMEOUT_SECONDS): this process ends", patience)
        os._exit(1)  # whatever holds it does not let it end in order; what was not committed has not happened

    def _serve(self, number: int, about: _Listeners) -> None:
        for listener, environment in self._where_one_arrived(about):
            if arrived := self._accepted(listener, environment):
                self._answer(number, *arrived)

    def _serve_together(self, number: int, about: _Listeners) -> None:
        meanwhile.may_take(
            lambda: self.alive and any(self._take(number, *each) for each in about.values()), self.cfg.threads
        )
        for each in self._where_one_arrived(about):
            self._take(number, *each)

    def _take(self, number: int, listener: socket.socket, about: dict[str, object]) -> bool:
        """Whether a call had arrived; then it is answered, or others do that."""
        arrived = self._accepted(listener, about)
        if arrived is None:
            return False
        if is_whole(arrived[0]) or self._is_soon_whole(listener, arrived[0]):
            self._answer(number, *arrived, linger=0.0)
        elif self._set_aside.qsize() < MOST_SET_ASIDE:
            self._set_aside.put(arrived)
        else:
            arrived[0].close()
        return True

    def _is_soon_whole(self, listener: socket.socket, connection: socket.socket) -> bool:
        """By the short way a connection arrives before its request does, if only by some microseconds."""
        return listener is self._short_way and has_come(connection, SOON) and is_whole(connection)

    def _read_slowly(self, number: int, _: _Listeners) -> None:
        while arrived := self._set_aside.get():
            self._answer(number, *arrived)

    def _where_one_arrived(self, about: _Listeners) -> Iterator[tuple[socket.socket, dict[str, object]]]:
        """Each listener to which a connection has come, until the end."""
        arrivals = _arrivals([*about], self._end_of_all)
        while self.alive:
            for ready, _ in arrivals.poll():
                if ready in about and self.alive:
                    yield about[ready]

    def _accepted(self, listener: socket.socket, about: dict[str, object]) -> _Arrived | None:
        try:
            connection, peer = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):  # another process took it, or its other end has left
            return None
        except OSError:  # no descriptor is left, or no memory; or the short way has been closed
            if not self.alive:
                return None
            log.exception("a call that has arrived could not be taken")
            time.sleep(AGAIN_AFTER)
            return None
        if sys.platform != "linux":  # elsewhere it is as its listener
            connection.setblocking(True)
        if listener is self._short_way:
            _limit(connection)
        return connection, {**about, **_peer(peer)}

    def _answer(
        self, number: int, connection: socket.socket, about: dict[str, object], linger: float = one_request.LINGER
    ) -> None:
        before, self._held_since[number] = self._held_since[number], time.monotonic()
        one_request.serve(connection, about, self.wsgi, linger)
        self._held_since[number] = before


def is_for_one_thread(application: object) -> bool:
    """Whether the calls of what gunicorn serves are answered by one thread (meanwhile.py)."""
    if not (isinstance(application, Flask) and "run" in application.view_functions):
        return False
    if not getattr(framework.target(application), meanwhile.MARK, False):
        return False
    from choreography.settings import settings  # noqa: PLC0415 - SQLAlchemy, which not every function needs
    from choreography.sqlite_file import is_file  # noqa: PLC0415 - as above

    return is_file(settings().database_url)


def _prepared(listener: socket.socket) -> dict[str, object]:
    """Connections inherit their patience from the socket that they come by."""
    listener.setblocking(False)
    if sys.platform == "linux" and listener.family in (socket.AF_INET, socket.AF_INET6):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, UNHEARD)
    _limit(listener)
    return one_request.environment(listener)


def _limit(source: socket.socket) -> None:
    """Its patience, in both directions. Unix sockets inherit none."""
    for direction in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        source.setsockopt(socket.SOL_SOCKET, direction, _PATIENCE)


def _peer(address: object) -> dict[str, object]:
    return {"REMOTE_ADDR": address[0], "REMOTE_PORT": str(address[1])} if isinstance(address, tuple) else {}


def _arrivals(listeners: list[int], end: int) -> "select.epoll | select.poll":
    """What says where a connection has arrived, to one of the threads, and that all is over, to all of them.

    Linux wakes the first thread that is free, whose caches and connections are warm. Elsewhere all of them wake, and
    one takes it.
    """
    if sys.platform == "linux":
        arrivals, flags = select.epoll(), select.EPOLLIN | select.EPOLLEXCLUSIVE
    else:
        arrivals, flags = select.poll(), select.POLLIN
    for listener in listeners:
        arrivals.register(listener, flags)
    arrivals.register(end, select.POLLIN)
    return arrivals
