"""Payments and the outbox."""

import sqlalchemy as sa
from alembic import op

from choreography.columns import Instant

revision = "payment_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "payments",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("reservation_id", sa.String(12), nullable=False, unique=True),
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("payment_method", sa.String(20)),
        sa.Column("status", sa.String(9), nullable=False),
        sa.Column("reason", sa.String(200)),
        sa.Column("moved_at", Instant(), nullable=False),
    )
    op.create_index("ix_payments_unfinished", "payments", ["status", "moved_at"])
    op.create_table(
        "outbox",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
    )


def downgrade() -> None:
    for table in ("outbox", "payments"):
        op.drop_table(table)
