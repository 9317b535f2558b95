"""Logs as JSON lines on stdout; while a request is handled, every line names the saga that it is about."""

import functools
import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TextIO

from choreography import clock
from choreography.settings import settings

log = logging.getLogger("choreography")

_encode = json.JSONEncoder(ensure_ascii=False, default=str).encode  # `json.dumps` would make one for each line
_about: ContextVar[dict[str, str] | None] = ContextVar("about", default=None)


@contextmanager
def about(**what: str) -> Iterator[None]:
    """Adds fields such as eventId and traceId to every line logged inside; empty ones are left out."""
    token = _about.set((_about.get() or {}) | _known(what))
    try:
        yield
    finally:
        _about.reset(token)


def note(**what: str) -> None:
    """Adds fields that were not known when the surrounding `about` began, until it ends; what is there stays.

    Outside of any `about` it does nothing: nothing would end it, and later lines of the thread would name this saga.
    """
    if (there := _about.get()) is not None:
        _about.set(_known(what) | there)


def noted() -> dict[str, str]:
    """What the lines that are logged here name."""
    return _about.get() or {}


def _known(what: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in what.items() if value}


class JsonLine(logging.Formatter):
    """One line, one JSON object. Secrets never get here: requests and settings are not logged."""

    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "fields", {})
        if record.exc_info:
            fields = {**fields, "exception": self.formatException(record.exc_info)}
        return _text(record.levelname, record.getMessage(), fields)


def routine(message: str, **fields: object) -> None:
    """As `log.info` with these fields, for the one line that each call has.

    A record that nobody but our own formatter looks at takes as many function calls as half a transaction.
    """
    handler = configure()
    if log.handlers != [handler]:  # somebody looks at records, as a test does
        log.info(message, extra={"fields": fields})
    elif log.isEnabledFor(logging.INFO):
        text = _text("INFO", message, fields)
        # as with records, a line that finds no room is given up, and not the call that it is about
        with handler.lock, suppress(OSError):  # type: ignore[union-attr] # it has one
            handler.stream.write(f"{text}\n")
            handler.stream.flush()


def _text(level: str, message: str, fields: Mapping[str, object]) -> str:
    line = {
        "time": clock.text(clock.now()),
        "level": level,
        "service": settings().service,
        "message": message,
        **(_about.get() or {}),
        **fields,
    }
    text = _encode(line)
    # a stranger's text may have half a surrogate pair
    return text if text.isascii() else text.encode(errors="replace").decode()


@functools.cache
def configure() -> "logging.StreamHandler[TextIO]":
    """Once per process, at the first request: nothing is configured by an import. Returns what writes the lines."""
    # what no line of ours says need not be found out for each (Python's HOWTO on logging, "Optimization")
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLine())
    log.handlers = [handler]
    log.propagate = False
    log.setLevel(settings().log_level)
    return handler
