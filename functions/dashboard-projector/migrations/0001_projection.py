"""The events of every saga, and what they say of each reservation."""

import sqlalchemy as sa
from alembic import op

from choreography.columns import Instant

revision = "dashboard_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("reservation_id", sa.String(12), nullable=False),
        sa.Column("type", sa.String(40), nullable=False),
        sa.Column("source", sa.String(255), nullable=False),
        sa.Column("causation_id", sa.String(255)),
        sa.Column("said_at", Instant(), nullable=False),
        sa.Column("customer_id", sa.Integer()),
        sa.Column("reserve_date", sa.Date()),
        sa.Column("data", sa.Text(), nullable=False),
    )
    op.create_index("ix_events_reservation_id", "events", ["reservation_id"])
    op.create_index("ix_events_said_at", "events", ["said_at"])
    op.create_table(
        "reservations",
        sa.Column("reservation_id", sa.String(12), primary_key=True),
        sa.Column("customer_id", sa.Integer()),
        sa.Column("reserve_date", sa.Date()),
        sa.Column("placed", sa.Boolean(), nullable=False),
        sa.Column("seats_held", sa.Boolean(), nullable=False),
        sa.Column("seats_returned", sa.Boolean(), nullable=False),
        sa.Column("paid", sa.Boolean(), nullable=False),
        sa.Column("refunded", sa.Boolean(), nullable=False),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("canceled_at", Instant()),
        sa.Column("pruned", sa.Boolean(), nullable=False),
    )
    op.create_index("ix_reservations_customer_id", "reservations", ["customer_id"])


def downgrade() -> None:
    for table in ("reservations", "events"):
        op.drop_table(table)
