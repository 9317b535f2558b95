"""Several threads at one piece of work, for as long as it takes."""

import threading
from collections.abc import Callable

from choreography.logs import log


def work(share: Callable[[], None], threads: int) -> None:
    """Calls `share` in that many threads, including the caller's, and returns when all have ended.

    A thread that cannot be started leaves its share to the others. All are daemons: they delay no SIGTERM. What
    `share` raises is raised from here only where the caller's own thread met it.
    """
    started: list[threading.Thread] = []
    for _ in range(threads - 1):
        thread = threading.Thread(target=share, name="sender", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            log.warning("goes on with %d threads: %s", len(started) + 1, error)
            break
        started.append(thread)
    share()
    for thread in started:
        thread.join()
