"""The table of Idempotency-Keys, for services that take them. Policies do not import idempotency.py: it serves HTTP."""

from sqlalchemy import Column, Integer, MetaData, String, Table, Text

from choreography.columns import Instant

KEYS = Table(
    "commands",
    MetaData(),
    Column("key", String(255), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("claim", String(36), nullable=False),  # of earlier releases, which claimed a key before the effect
    Column("claimed_at", Instant, nullable=False, index=True),
    Column("status", Integer),
    Column("headers", Text),
    Column("body", Text),
    Column("resource", String(255), index=True),
)
"""A service that takes an Idempotency-Key declares it with `KEYS.to_metadata(...)` beside its own tables.

The table is older than its name here. `resource` is the path of what the answer is about, null for one that is about
nothing (204).
"""
