"""Calls that a thread takes while its own waits to be committed, so that one transaction is for all of them.

Several threads that write to one SQLite file wait for each other all the time: for Python's lock at each statement, and
for the file. One thread alone has the file to itself, but then each call is a transaction, and waits for the disk by
itself. So the thread, before it commits, takes the next call that has arrived, which comes to the same place and takes
the next one; the last of them commits for all (together.py), and each is answered as it returns. An observer of every
event takes two thirds of the CPU of four threads in this way.

It is for functions whose calls wait for nothing else, as a call is answered only after those that it has taken. On a
database server they have threads as ever: there the way to the server is what they wait for.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from typing import TypeVar

MARK = "waits_for_its_commit_only"
Target = TypeVar("Target", bound=Callable[..., object])


class _OfThread(threading.local):
    take: Callable[[], bool]
    room = 0


_thread = _OfThread()


def waits_for_its_commit_only(target: Target) -> Target:
    """Declares that of a function: its calls ask nobody outside, and say what they say in their answers."""
    setattr(target, MARK, True)
    return target


def may_take(take: Callable[[], bool], most: int) -> None:
    """To be called by a thread. `take` takes the next call and answers it, and returns whether one had arrived.

    `most`: calls that are under way at once.
    """
    _thread.take, _thread.room = take, most - 1


def take_others(is_done: Callable[[], bool]) -> None:
    """Takes what has arrived, as long as there is room, and until that is so."""
    for _ in range(_thread.room):
        if is_done():
            return
        _thread.room -= 1
        try:
            if not Context().run(_thread.take):  # what is known of one call is not of another
                return
        finally:
            _thread.room += 1


@contextmanager
def taking_none() -> Iterator[None]:
    """Inside, this thread holds what a call that it took would wait for."""
    room, _thread.room = _thread.room, 0
    try:
        yield
    finally:
        _thread.room = room
