"""The verdict of `airline reconcile` as Prometheus reads it, in a file (textfile collector of node_exporter)."""

import os
from pathlib import Path

from client.errors import ClientError
from client.laws import LAWS
from client.reconciliation import Verdict


def write(file: Path, found: Verdict) -> None:
    """Replaces the file: for each law how many break it, and when that was found. Raises ClientError."""
    from prometheus_client import CollectorRegistry, Gauge, write_to_textfile  # noqa: PLC0415 - for this command alone

    registry = CollectorRegistry(auto_describe=False)
    broken = Gauge("airline_law_broken", "What breaks a law; 0 where it holds.", ("law",), registry=registry)
    for law in LAWS:
        broken.labels(law=law).set(sum(one.law == law for one in found.broken))
    checked = Gauge("airline_reconciled_timestamp_seconds", "When all laws were last checked.", registry=registry)
    checked.set_to_current_time()
    try:
        write_to_textfile(os.fspath(file), registry)
    except OSError as error:
        raise ClientError(f"The metrics cannot be written to {file}: {error.strerror}.") from error
