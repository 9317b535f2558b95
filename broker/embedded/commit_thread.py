"""The thread that waits for the disk, so that the loop does not.

Own code instead of an executor of concurrent.futures, which makes a future of its own with a lock for each call, and
chains it to that of the loop: a commit is handed over about three times in a saga.
"""

import asyncio
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread


class CommitThread:
    """`commit` is called in the thread, one call after the other."""

    def __init__(self, commit: Callable[[], None]) -> None:
        self._commit = commit
        self._asked: SimpleQueue[asyncio.Future[None] | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name="commit", daemon=True)
        self._thread.start()

    def commit(self) -> asyncio.Future[None]:
        """Done when the commit is; fails with what it raises."""
        done = asyncio.get_running_loop().create_future()
        self._asked.put(done)
        return done

    def close(self) -> None:
        """Waits for what was asked for."""
        self._asked.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (done := self._asked.get()) is not None:
            try:
                self._commit()
            except Exception as error:
                done.get_loop().call_soon_threadsafe(_end, done, error)
            else:
                done.get_loop().call_soon_threadsafe(_end, done, None)


def _end(done: asyncio.Future[None], error: Exception | None) -> None:
    if done.done():
        return  # given up meanwhile
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
