"""Where the trace of each saga began, so that every later event of it is in that trace as well.

Who undoes something a day later, a tick that gives up or repeats, a webhook: each of them is a call with a trace of
its own. Its events of a saga go into the saga's trace, and both are linked (spans.py). Only processes that export
traces keep an origin, and look for one.
"""

from datetime import timedelta

from sqlalchemy import Column, Connection, MetaData, String, Table, bindparam, select

from choreography import clock, prepared, store, tracing
from choreography.columns import Instant

KEPT = timedelta(days=30)
"""Longer than traces are usually stored; to point at what is gone would leave a tree without its root."""
BATCH = 500

ORIGINS = Table(
    "origins",
    MetaData(),
    Column("saga", String(64), primary_key=True),
    Column("traceparent", String(55), nullable=False),
    Column("at", Instant, nullable=False, index=True),
)
"""A service whose events go through the outbox declares it with `ORIGINS.to_metadata(...)` beside its own tables."""

_KEPT = select(ORIGINS.c.traceparent).where(ORIGINS.c.saga == bindparam("saga"))


def of(saga: str, transaction: Connection, cause: str = "") -> str:
    """The traceparent under which a saga began: now, if it is not known yet; `cause` is what the present call hears.

    Empty where no traces are exported, and for the empty saga of an event about many.
    """
    began = tracing.origin(cause) if saga else ""
    if not began:
        return ""
    known = prepared.row(transaction, _KEPT, {"saga": saga})
    if known is None:
        store.insert_if_absent(transaction, ORIGINS, saga=saga, traceparent=began, at=clock.now())
        known = prepared.one(transaction, _KEPT, {"saga": saga})
    return str(known.traceparent)


def prune(until: float) -> int:
    """Forgets those that are older than KEPT, until that moment of the monotonic clock. Returns how many."""
    old = ORIGINS.c.at < clock.now() - KEPT
    return store.in_batches(lambda transaction: store.remove_some(transaction, ORIGINS, BATCH, old), until, BATCH)
