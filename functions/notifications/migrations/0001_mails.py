"""Whom mails go to, and which were sent."""

import sqlalchemy as sa
from alembic import op

from choreography.columns import Instant

revision = "notifications_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "contacts",
        sa.Column("customer_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("address", sa.String(254), nullable=False),
        sa.Column("language", sa.String(2), nullable=False),
    )
    op.create_table(
        "mails",
        sa.Column("event_id", sa.String(36), primary_key=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("reservation_id", sa.String(12), nullable=False),
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("flight_id", sa.Integer()),
        sa.Column("seat_qty", sa.Integer()),
        sa.Column("amount", sa.BigInteger()),
        sa.Column("reason", sa.String(200)),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("problem", sa.String(200)),
        sa.Column("made_at", Instant(), nullable=False),
        sa.Column("moved_at", Instant(), nullable=False),
    )
    op.create_index("ix_mails_owed", "mails", ["status", "moved_at"])
    op.create_index("ix_mails_customer", "mails", ["customer_id"])


def downgrade() -> None:
    op.drop_table("mails")
    op.drop_table("contacts")
