"""The tables of the dashboard: events, what they say of each reservation, and what that comes to for each customer."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    false,
)

from choreography.actions import ACTIONS
from choreography.columns import Instant

LONGEST_CAUSE = 255
"""Characters of the id of what caused an event."""

metadata = MetaData()
EVENTS = Table(
    "events",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("reservation_id", String(12), nullable=False, index=True),
    Column("type", String(40), nullable=False),
    Column("source", String(255), nullable=False),
    Column("causation_id", String(LONGEST_CAUSE)),
    Column("said_at", Instant, nullable=False, index=True),
    Column("customer_id", Integer),  # what reservations copy of it, so that rows can be rebuilt in SQL
    Column("reserve_date", Date),
    Column("paid_amount", BigInteger),
    Column("refunded_amount", BigInteger),
    Column("data", Text, nullable=False),
)
RESERVATIONS = Table(
    "reservations",
    metadata,
    Column("reservation_id", String(12), primary_key=True),
    Column("customer_id", Integer, index=True),
    Column("reserve_date", Date),
    Column("paid_amount", BigInteger),  # null with `paid`: its history was pruned before amounts were kept
    Column("refunded_amount", BigInteger),
    Column("placed", Boolean, nullable=False, default=False),
    Column("seats_held", Boolean, nullable=False, default=False),
    Column("seats_returned", Boolean, nullable=False, default=False),
    Column("paid", Boolean, nullable=False, default=False),
    Column("refunded", Boolean, nullable=False, default=False),
    Column("seats_not_held", Boolean, nullable=False, server_default=false()),
    Column("payment_not_taken", Boolean, nullable=False, server_default=false()),
    Column("confirmed", Boolean, nullable=False, default=False),
    Column("canceled_at", Instant),
    Column("pruned", Boolean, nullable=False, default=False),  # events are missing from its history
    Column("reported", Boolean, nullable=False, server_default=false()),  # its present end, as settled
    Column("counted_as", String(8)),  # of one with something to report: dashboard_tally.py
    Index("ix_reservations_unreported", "reported", "reservation_id"),  # in the order of its pages
)
CUSTOMERS = Table(
    "customers",
    metadata,
    Column("customer_id", Integer, primary_key=True, autoincrement=False),
    Column("flight_count", Integer, nullable=False),
    Column("recent_reserve_date", Date, nullable=False),
    Column("confirmed_count", Integer, nullable=False),
    Column("canceled_count", Integer, nullable=False),
    Column("paid_amount", BigInteger, nullable=False),
    Column("paid_unknown", Integer, nullable=False),  # reservations that were paid, nobody knows how much
    Column("refunded_amount", BigInteger, nullable=False),
    Column("refunded_unknown", Integer, nullable=False),
    Index("ix_customers_flight_count", "flight_count", "customer_id"),  # in the orders of its list
    Index("ix_customers_recent_reserve_date", "recent_reserve_date", "customer_id"),
    Index("ix_customers_confirmed_count", "confirmed_count", "customer_id"),
    Index("ix_customers_canceled_count", "canceled_count", "customer_id"),
)
TALLY = Table(
    "settled_sums",
    metadata,
    Column("name", String(20), primary_key=True),
    Column("number", BigInteger, nullable=False),
)
ACTIONS.to_metadata(metadata)
