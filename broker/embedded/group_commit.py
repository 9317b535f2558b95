"""Group commit: changes that arrive while the disk is busy share the next transaction and its one fsync.

The statements run on the event loop's thread, only COMMIT runs in another one: the sqlite3 module gives up the
interpreter lock for every statement, so that a writer thread would spend most of its time getting it back.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import NamedTuple

from broker.embedded.commit_thread import CommitThread
from broker.embedded.event_log import Log
from broker.embedded.log_records import Appended

RETRY_AFTER = 1.0  # seconds between two tries of a change that must not be given up
WAIT_FOR_COMPANY = 0.01  # seconds; after a kill, what ended in them is delivered once more
MAKE_ROOM_AMONG = 2000  # events; bounds how long a full disk stops the loop

Change = Callable[[Log], list[Appended]]

logger = logging.getLogger(__name__)


class NotStoredError(Exception):
    """The change could not be written; nothing of it is in the log."""


class _Waiting(NamedTuple):
    change: Change
    may_fail: bool
    stored: asyncio.Future[None]


class GroupCommit:
    """announce is called with every new event, in the order of the log, once it is on disk."""

    def __init__(self, log: Log, announce: Callable[[Appended], None]) -> None:
        self._log = log
        self._announce = announce
        self._queue: list[_Waiting] = []
        self._due = False  # something in the queue must not wait for company any longer
        self._committer = CommitThread(log.commit)
        self._running: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def write(self, change: Change) -> asyncio.Future[None]:
        """Done once the change is on disk. Fails with NotStoredError, at once, when it cannot be written."""
        return self._enqueue(change, may_fail=True, urgent=True)

    def write_surely(self, change: Change, *, urgent: bool) -> asyncio.Future[None]:
        """Done once the change is on disk, however long the disk stays full.

        What is not urgent waits a moment for a transaction to share, which halves their number under a light load.
        """
        return self._enqueue(change, may_fail=False, urgent=urgent)

    def begin_writing(self, change: Change) -> None:
        """For a change that nobody waits for and that may be lost."""
        stored = self._enqueue(change, may_fail=True, urgent=False)
        stored.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def close(self) -> None:
        """Finishes what is under way."""
        self._write_now()
        if self._running is not None:
            await self._running
        self._committer.close()

    def _enqueue(self, change: Change, *, may_fail: bool, urgent: bool) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        waiting = _Waiting(change, may_fail, loop.create_future())
        self._queue.append(waiting)
        if urgent:
            self._write_now()
        elif self._timer is None:
            self._timer = loop.call_later(WAIT_FOR_COMPANY, self._write_now)
        return waiting.stored

    def _write_now(self) -> None:
        self._due = bool(self._queue)
        if self._due and self._running is None:
            self._running = asyncio.create_task(self._write_all())

    async def _write_all(self) -> None:
        try:
            while self._due:
                await self._write(self._take_queue())
        finally:
            self._running = None

    def _take_queue(self) -> list[_Waiting]:
        batch, self._queue, self._due = self._queue, [], False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return batch

    async def _write(self, batch: list[_Waiting]) -> None:
        try:
            new_events = await self._commit([waiting.change for waiting in batch])
        except Exception as error:
            logger.warning("a transaction of %d changes failed: %s", len(batch), error)
            await self._write_one_by_one(batch)
        else:
            self._tell(batch, new_events)

    async def _write_one_by_one(self, batch: list[_Waiting]) -> None:
        """So that a full disk stops only what needs room. The finished events give way first."""
        await self._make_room()
        for waiting in batch:
            try:
                new_events = await self._commit([waiting.change])
            except Exception as error:
                self._put_off(waiting, error)
            else:
                self._tell([waiting], new_events)

    async def _commit(self, changes: list[Change]) -> list[Appended]:
        try:
            self._log.begin()
            new_events = [event for change in changes for event in change(self._log)]
            await self._committer.commit()
        except BaseException:
            self._log.rollback()
            raise
        return new_events

    def _tell(self, batch: list[_Waiting], new_events: list[Appended]) -> None:
        for waiting in batch:  # first, as who sent it goes on while it is delivered
            if not waiting.stored.done():
                waiting.stored.set_result(None)
        for event in new_events:
            self._announce(event)

    def _put_off(self, waiting: _Waiting, error: Exception) -> None:
        if not waiting.may_fail:
            logger.warning("what must be stored is tried again: %s", error)
            asyncio.get_running_loop().call_later(RETRY_AFTER, self._try_again, waiting)
        elif not waiting.stored.done():
            failure = NotStoredError(str(error))
            failure.__cause__ = error
            waiting.stored.set_exception(failure)

    async def _make_room(self) -> None:
        try:
            await self._commit([_make_room])
        except Exception:
            logger.warning("no room can be made in the database", exc_info=True)

    def _try_again(self, waiting: _Waiting) -> None:
        self._queue.append(waiting)
        self._write_now()


def _make_room(log: Log) -> list[Appended]:
    log.make_room(among=MAKE_ROOM_AMONG)
    return []
