"""Commands that were accepted from outside, and cancels that came before their reservation."""

import sqlalchemy as sa
from alembic import op

from choreography.columns import Instant

revision = "reserve_0003"
down_revision = "reserve_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "accepted_commands",
        sa.Column("key", sa.String(12), primary_key=True),
        sa.Column("reservation_id", sa.String(12), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("accepted_at", Instant(), nullable=False),
        sa.Column("owed_at", Instant()),
    )
    op.create_index("ix_accepted_commands_owed", "accepted_commands", ["owed_at", "accepted_at"])
    op.create_table(
        "early_cancels",
        sa.Column("reservation_id", sa.String(12), primary_key=True),
        sa.Column("reason", sa.String(200)),
        sa.Column("heard_at", Instant(), nullable=False),
    )
    op.create_index("ix_early_cancels_heard_at", "early_cancels", ["heard_at"])


def downgrade() -> None:
    for table in ("early_cancels", "accepted_commands"):
        op.drop_table(table)
