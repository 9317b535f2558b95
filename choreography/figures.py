"""Figures that functions export at their ticks: how many, how much, how old. Prometheus and its like draw them.

A function that sleeps cannot be asked for them, so it leaves them behind: in a file where METRICS_FOLDER is set (as a
laptop does, whose gateway shows them at /metrics), and by OTLP where OTEL_EXPORTER_OTLP_ENDPOINT is. Where neither is,
nothing is looked up. All of them are gauges: the state of a database, which no repeat of an event can count twice.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from choreography import clock, store
from choreography.backlog import COUNT_AND_OLDEST
from choreography.logs import log
from choreography.settings import measured, metrics_folder, settings


@dataclass(frozen=True, slots=True)
class Figure:
    """One number under a name of Prometheus (`library_books_lent`); its labels distinguish it."""

    name: str
    about: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


Look = Callable[[Connection], Iterable[Figure]]


def tell(look: Look) -> int:
    """Exports what `look` finds in this service's database. Returns how many figures; 0 where nobody wants them.

    What goes wrong is logged: it must not be the end of a tick, or of a delivery.
    """
    folder, by_otlp = metrics_folder(), measured()
    if folder is None and not by_otlp:
        return 0
    try:
        return _tell(look, folder, by_otlp)
    except Exception:
        log.exception("the figures could not be exported")
        return 0


def _tell(look: Look, folder: Path | None, by_otlp: bool) -> int:
    with store.reading() as connection:
        found = list(look(connection))
    if folder is not None:
        _write(folder / f"{settings().service}.prom", found)
    if by_otlp:
        from choreography import measures  # noqa: PLC0415 - the SDK, for those alone who asked for it

        measures.tell(found)
    return len(found)


def age(since: datetime | None) -> float:
    """Seconds from that moment until now; 0 for none."""
    return max(0.0, (clock.now() - since).total_seconds()) if since else 0.0


def of_outbox(owner: str, connection: Connection) -> Iterable[Figure]:
    """How many events wait in the outbox of this service, and how long the oldest has."""
    waiting, oldest = connection.execute(COUNT_AND_OLDEST).one()
    labels = {"service": owner}
    yield Figure("function_outbox_waiting", "Events that the broker has not taken yet.", waiting, labels)
    yield Figure("function_outbox_oldest_seconds", "How long the oldest of them waits.", age(oldest), labels)


def _write(file: Path, found: Iterable[Figure]) -> None:
    from prometheus_client import CollectorRegistry, Gauge, write_to_textfile  # noqa: PLC0415 - as above

    registry = CollectorRegistry(auto_describe=False)
    gauges: dict[str, Gauge] = {}
    for figure in found:
        if figure.name not in gauges:
            gauges[figure.name] = Gauge(figure.name, figure.about, tuple(figure.labels), registry=registry)
        of_labels = gauges[figure.name].labels(**figure.labels) if figure.labels else gauges[figure.name]
        of_labels.set(figure.value)
    file.parent.mkdir(exist_ok=True)
    write_to_textfile(os.fspath(file), registry)
