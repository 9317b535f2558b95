"""How a function is served, however it is started: main.py calls this, as functions-framework has no such setting.

functions-framework imports main.py before it makes gunicorn's configuration, whose defaults are set here. It reads
neither GUNICORN_CMD_ARGS nor a gunicorn.conf.py (functions_framework/_http/gunicorn.py is a BaseApplication).
"""

import gc
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gunicorn import config, systemd
from gunicorn.workers.base import Worker

from choreography import one_process, tracing

IN_MEMORY = Path("/dev/shm")  # noqa: S108 - gunicorn makes a file of its own in it
"""Where gunicorn keeps the file that a worker touches every second; on a disk, each fsync would write its times."""


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
    read_by_our_worker()


def read_by_our_worker() -> None:
    """Requests are read and answered by worker.py and one_request.py, one for each connection.

    Knative's queue-proxy and activator would keep a connection for 90 seconds (the default of Go's transport). A
    function that falls asleep closes it at any time, and what they send at that moment is a 502.
    """
    config.WorkerClass.default = "choreography.worker.Worker"
    config.ControlSocketDisable.default = True  # nobody asks it, and where it can write none it logs an error
    config.PostWorkerInit.default = staticmethod(_worker_begins)
    if os.access(IN_MEMORY, os.W_OK):
        config.WorkerTmpDir.default = str(IN_MEMORY)


def _worker_begins(worker: Worker) -> None:
    gc.freeze()  # what was imported is not garbage: to look through it again and again is a fiftieth of all calls
    tracing.begin()
    process.ready = time.time()
    systemd.sd_notify("READY=1", worker.log)  # a laptop waits for it
