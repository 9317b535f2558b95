"""What operators did."""

import sqlalchemy as sa
from alembic import op

from choreography.columns import Instant

revision = "dashboard_0005"
down_revision = "dashboard_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "actions",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("actor", sa.String(255), nullable=False),
        sa.Column("method", sa.String(16), nullable=False),
        sa.Column("path", sa.String(255), nullable=False),
        sa.Column("body", sa.Text()),
        sa.Column("status", sa.Integer()),
        sa.Column("trace_id", sa.String(32), nullable=False),
    )
    op.create_index("ix_actions_at", "actions", ["at", "id"])


def downgrade() -> None:
    op.drop_table("actions")
