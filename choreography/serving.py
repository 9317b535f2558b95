"""How a function is served, however it is started: main.py calls this, as functions-framework has no such setting.

functions-framework imports main.py before it makes gunicorn's configuration, whose defaults are set here. It reads
neither GUNICORN_CMD_ARGS nor a gunicorn.conf.py (functions_framework/_http/gunicorn.py is a BaseApplication).
"""

import gc
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gunicorn import config, systemd, util
from gunicorn.config import Config
from gunicorn.http.errors import InvalidHeader
from gunicorn.http.message import Request
from gunicorn.workers.base import Worker

from choreography import one_process, tracing

IN_MEMORY = Path("/dev/shm")  # noqa: S108 - gunicorn makes a file of its own in it
"""Where gunicorn keeps the file that a worker touches at each call; on a disk, each fsync would write its times."""
ONCE = ("IDEMPOTENCY-KEY", "AUTHORIZATION")
"""Headers that say one thing, as all attributes of CloudEvents do; gunicorn itself knows Host and Content-Type."""
_close_patiently = util.close_graceful


@dataclass
class Process:
    """When this process began and when it could take its first call, in seconds since 1970."""

    woken_at: float = field(default_factory=time.time)
    ready: float | None = None
    """None where nothing says so, as in a test."""


process = Process()


def begin() -> None:
    """To be called by main.py before its other imports: nobody looks for garbage until `prepare`.

    What is imported stays, and to look through it again and again is a fifteenth of a start.
    """
    gc.disable()


def prepare(*settings: Callable[[], object]) -> None:
    """To be called by main.py. Raises ValueError where a setting is wrong, which ends the start.

    `settings` read those that a system has of its own.
    """
    from choreography import framework  # noqa: PLC0415 - SQLAlchemy, which the functions of the tests do not need
    from choreography.settings import settings as own  # noqa: PLC0415 - as above
    from choreography.settings import woken_at  # noqa: PLC0415 - as above

    gc.enable()
    own()
    process.woken_at = woken_at() or process.woken_at
    for read in settings:
        read()
    framework.host()
    one_process.host()
    config.PreRequest.default = staticmethod(_refuse_doubled)
    close_after_each_answer()


def close_after_each_answer() -> None:
    """Every answer says `Connection: close` and ends its connection, as it always does with one thread.

    With several threads gunicorn would keep a connection for two seconds. Knative's queue-proxy and activator keep
    theirs for 90 (the default of Go's transport): what they send at the moment of the closing is a 502. To keep them
    for longer would not do either: a function that falls asleep closes them at any time.
    """
    config.Keepalive.default = 0
    config.ControlSocketDisable.default = True  # nobody asks it, and where it can write none it logs an error
    util.close_graceful = _close  # gunicorn calls it by this name
    config.PostWorkerInit.default = staticmethod(_worker_begins)
    config.ForwardedAllowIPS.default = "*"  # the peer is queue-proxy or this machine itself: no need to look each time
    if os.access(IN_MEMORY, os.W_OK):
        config.WorkerTmpDir.default = str(IN_MEMORY)


class _Doubled(InvalidHeader):  # type: ignore[misc]
    """gunicorn answers what its own errors say with 400."""

    def __str__(self) -> str:
        return f"The header {self.hdr.lower()} is there more than once; give it once."


def _refuse_doubled(_worker: Worker, request: Request) -> None:
    """WSGI would join them by a comma, and two ids of events would be a third one."""
    names = [name for name, _ in request.headers]
    if len(set(names)) == len(names):
        return
    for name in names:
        if (name.startswith("CE-") or name in ONCE) and names.count(name) > 1:
            raise _Doubled(name, request)


def _worker_begins(worker: Worker) -> None:
    gc.freeze()  # what was imported is not garbage: to look through it again and again is a fiftieth of all calls
    _keep_configuration(worker)
    tracing.begin()
    process.ready = time.time()
    systemd.sd_notify("READY=1", worker.log)  # a laptop waits for it


def _keep_configuration(worker: Worker) -> None:
    """gunicorn looks up some thirty of its settings for each request, each by three calls; none of them changes."""
    found = worker.cfg.settings.items()
    vars(worker.cfg).update({name: setting.get() for name, setting in found if not hasattr(Config, name)})


def _close(connection: socket.socket) -> None:
    """Ends a connection at once where the request was read to its end.

    gunicorn's own waits until the other end has closed as well, so that what it still sends does not reset the
    connection before it has read the answer. Who has said all of it sends nothing more, and the only thread of a policy
    is free for the next call; that wait was a seventh of its time.
    """
    try:
        more = connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except OSError:  # nothing has come (BlockingIOError), or the other end is gone
        more = b""
    if more:
        _close_patiently(connection)
    else:
        connection.close()
