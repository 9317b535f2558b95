"""Traces and durations, in a process whose settings say where to send them; any other imports and does nothing.

What is traced, and measured: each call of a function (`hearing`, `answering`), what it waits for inside (`inside`), and
each event on its way into the broker (`sending`). An event's `traceparent` is the call that said it (W3C Trace Context;
CloudEvents extension "distributed tracing"), so a saga is one trace through all its functions, also by those that trace
nothing.

`spans.py` does it. It is loaded when a process begins to answer calls, never before: most processes do without it, and
with WORKERS above 1 gunicorn forks after the import of main.py, which the thread that exports would not survive.
"""

import importlib
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from choreography.settings import measured, traced

if TYPE_CHECKING:
    from choreography import spans  # bound by `_Process.begin`: the SDK takes a tenth of a second, most need none

_NOTHING: AbstractContextManager[object] = nullcontext()
_NO_HEADERS: AbstractContextManager[Mapping[str, str]] = nullcontext({})


@dataclass
class _Process:
    """Whether this process traces or measures, as far as it has found out."""

    asked: bool = False
    traces: bool = False
    """Or measures only: then its spans go nowhere."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self) -> bool:
        """Finds it out, and loads what it takes."""
        if not self.asked:
            with self.lock:
                if traced() or measured():
                    globals()["spans"] = importlib.import_module("choreography.spans")  # while other threads wait
                    self.traces = True
                self.asked = True
        return self.traces


_process = _Process()


def begin() -> None:
    """To be called by a process that is about to answer calls."""
    _process.begin()


def hearing(
    type_: str, about: Callable[[], Mapping[str, str]], traceparent: str, of_call: str | None
) -> AbstractContextManager[object]:
    """The work of a function on one event: `traceparent` is the event's, `of_call` that of the HTTP request, if any.

    `about`: the attributes of its span, made only where there is one.
    """
    if not _process.begin():
        return _NOTHING
    return spans.hearing(type_, about(), traceparent, of_call or "")


def answering(method: str, path: str, traceparent: str | None) -> AbstractContextManager[object]:
    """The work of a function on one HTTP request."""
    if not _process.begin():
        return _NOTHING
    return spans.answering(method, path, traceparent or "")


def inside(name: str) -> AbstractContextManager[object]:
    """A part of such work that takes time: a transaction, or a question to the outside."""
    if not _process.traces:
        return _NOTHING
    return spans.inside(name)


def waited(body: bytes) -> None:
    """An event leaves the outbox; `body` is that of the structured mode."""
    if _process.traces:
        spans.waited(body)


def sending(event: Mapping[str, object]) -> AbstractContextManager[Mapping[str, str]]:
    """An event on its way into the broker. Enters with the headers to send with it."""
    if not _process.traces:
        return _NO_HEADERS
    return spans.sending(event)


def note(attributes: Mapping[str, str | int]) -> None:
    """Adds to the present span what was not known when it began; empty ones are left out."""
    if _process.traces:
        spans.note(attributes)


def saying(type_: str, traceparent: str) -> str:
    """The traceparent of an event that is said now; `traceparent` is its cause's. Empty where nothing is traced."""
    if not _process.traces:
        return ""
    return spans.saying(type_, traceparent)


def current() -> str:
    """The traceparent of the present span; empty where there is none."""
    if not _process.traces:
        return ""
    return spans.current()


def origin(cause: str) -> str:
    """The traceparent of a whole saga that begins in the present call, and was caused by `cause`.

    It is the caller's, whose span comes even if this process is killed. Empty where no traces are exported.
    """
    if not _process.traces or not traced():
        return ""
    return spans.origin(cause)
