"""A function is one process: gunicorn's worker itself, without the arbiter that would fork it and watch it.

functions-framework starts gunicorn, whose arbiter loads everything, forks its only worker, and waits. That is a second
process of the same size for each function that is awake. What the arbiter does for one worker is done elsewhere:

- to start it again when it has died: the kubelet does that, and `make run` on a laptop;
- to hold the listening socket: the supervisor of a laptop does that; on Knative callers are retried by the broker;
- to end a worker that is held for longer than CLOUD_RUN_TIMEOUT_SECONDS: `_Watch` does that;
- to pass on signals: gunicorn's worker has its own for SIGTERM (finish, then end), SIGINT and SIGQUIT (end).

With WORKERS above 1 there is an arbiter as ever.
"""

import faulthandler
import os
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from gunicorn import sock, systemd
from gunicorn.app import base

from choreography import logs
from choreography.logs import log

if TYPE_CHECKING:
    from gunicorn.app.base import BaseApplication

_several = base.Arbiter


class _Serving(Protocol):
    def run(self) -> None: ...


def host() -> None:
    """To be called while functions-framework loads main.py, before it starts gunicorn."""
    base.Arbiter = _of  # gunicorn calls it by this name


def _of(application: "BaseApplication") -> _Serving:
    return _several(application) if application.cfg.workers > 1 else _OneProcess(application)


@dataclass
class _OneProcess:
    application: "BaseApplication"

    def run(self) -> None:
        """Serves until a signal asks to end."""
        settings = self.application.cfg
        log_of_server = settings.logger_class(settings)
        inherited = range(systemd.SD_LISTEN_FDS_START, systemd.SD_LISTEN_FDS_START + systemd.listen_fds())
        sockets = sock.create_sockets(settings, log_of_server, inherited)
        about = (1, os.getppid(), sockets, self.application, settings.timeout / 2, settings, log_of_server)
        worker = settings.worker_class(*about)
        worker.pid = os.getpid()
        worker.is_parent_alive = _lives_on
        if settings.timeout:
            worker.notify = _Watch(settings.timeout).begin()
        worker.init_process()


def _lives_on() -> bool:
    """Whoever started the process may end before it; gunicorn's workers end with their arbiter."""
    return True


@dataclass
class _Watch:
    """Ends the process where its main thread has not been back for longer than `patience` seconds.

    With one thread that is the thread of the calls, so a sender that never ends its request, or a policy that hangs,
    does not hold the function for ever. With several it only looks for new connections.
    """

    patience: float
    _back: float = field(default_factory=time.monotonic)

    def begin(self) -> "_Watch":
        threading.Thread(target=self._run, name="watch", daemon=True).start()
        return self

    def __call__(self) -> None:
        """The main thread is back."""
        self._back = time.monotonic()

    def _run(self) -> None:
        while (left := self._back + self.patience - time.monotonic()) > 0:
            time.sleep(left)
        faulthandler.dump_traceback()
        logs.configure()
        log.critical("a request took longer than %g s (CLOUD_RUN_TIMEOUT_SECONDS): this process ends", self.patience)
        os._exit(1)  # whatever holds it does not let it end in order; what was not committed has not happened
