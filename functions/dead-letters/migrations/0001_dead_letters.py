"""The dead letters."""

import sqlalchemy as sa
from alembic import op

from choreography.columns import LONG_TEXT, Instant

revision = "dead_letters_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("event_id", sa.String(255), nullable=False),
        sa.Column("type", sa.String(255), nullable=False),
        sa.Column("source", sa.String(255), nullable=False),
        sa.Column("reservation_id", sa.String(255), nullable=False),
        sa.Column("function", sa.String(255), nullable=False),
        sa.Column("destination", sa.String(255), nullable=False),
        sa.Column("status", sa.String(9), nullable=False),
        sa.Column("note", sa.String(500)),
        sa.Column("decided_at", Instant()),
        sa.Column("code", sa.Integer()),
        sa.Column("reason", LONG_TEXT, nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("first_at", Instant(), nullable=False),
        sa.Column("last_at", Instant(), nullable=False),
        sa.Column("attributes", LONG_TEXT, nullable=False),
        sa.Column("data", LONG_TEXT, nullable=False),
        sa.Column("in_base64", sa.Boolean(), nullable=False),
    )
    op.create_index("ix_dead_letters_open", "dead_letters", ["status", "last_at"])
    op.create_index("ix_dead_letters_reservation_id", "dead_letters", ["reservation_id"])


def downgrade() -> None:
    for table in ("dead_letters",):
        op.drop_table(table)
