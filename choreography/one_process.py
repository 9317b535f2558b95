"""A function is one process: gunicorn's worker itself, without the arbiter that would fork it and watch it.

functions-framework starts gunicorn, whose arbiter loads everything, forks its only worker, and waits. That is a second
process of the same size for each function that is awake. What the arbiter does for one worker is done elsewhere:

- to start it again when it has died: the kubelet does that, and `make run` on a laptop;
- to hold the listening socket: the supervisor of a laptop does that; on Knative callers are retried by the broker;
- to end a worker that is held for longer than CLOUD_RUN_TIMEOUT_SECONDS: the worker does that (worker.py);
- to pass on signals: gunicorn's worker has its own for SIGTERM (finish, then end), SIGINT and SIGQUIT (end).

With WORKERS above 1 there is an arbiter as ever.
"""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from gunicorn import sock, systemd
from gunicorn.app import base

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
        worker.init_process()
