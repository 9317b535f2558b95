"""The table of what operators did. Policies do not import audit.py, which serves HTTP."""

from sqlalchemy import Column, Index, Integer, MetaData, String, Table, Text

from choreography.columns import Instant, indexes

LONGEST = 255

ACTIONS = Table(
    "actions",
    MetaData(),
    Column("id", String(32), primary_key=True),
    Column("at", Instant, nullable=False),
    Column("actor", String(LONGEST), nullable=False),
    Column("method", String(16), nullable=False),
    Column("path", String(LONGEST), nullable=False),
    Column("body", Text),
    Column("status", Integer),  # null: begun, and either still at work or broken off
    Column("trace_id", String(32), nullable=False),
    Column("subject", String(LONGEST)),  # null: kept by an earlier release
    Index("ix_actions_at", "at", "id"),
    *indexes("actions", ("actor", "id"), ("actor", "at", "id"), ("subject", "id")),
)
"""A service that operators change declares it with `ACTIONS.to_metadata(...)` beside its own tables.

No row is ever removed.
"""
