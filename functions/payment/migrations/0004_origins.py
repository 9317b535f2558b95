"""Where the trace of each saga began."""

import sqlalchemy as sa
from alembic import op

from choreography.columns import Instant

revision = "payment_0004"
down_revision = "payment_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "origins",
        sa.Column("saga", sa.String(64), primary_key=True),
        sa.Column("traceparent", sa.String(55), nullable=False),
        sa.Column("at", Instant(), nullable=False),
    )
    op.create_index("ix_origins_at", "origins", ["at"])


def downgrade() -> None:
    op.drop_table("origins")
