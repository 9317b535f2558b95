"""What is owed: since when, and when it is said again."""

import sqlalchemy as sa
from alembic import op

from choreography.columns import Instant

revision = "reserve_0002"
down_revision = "reserve_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("reservations", sa.Column("owed_since", Instant()))
    op.add_column("reservations", sa.Column("owed_at", Instant()))
    op.create_index("ix_reservations_owed_at", "reservations", ["owed_at"])
    # nobody has reported any of them yet; what an earlier release left half done is finished in this way
    op.execute("UPDATE reservations SET owed_since = created_at, owed_at = expires_at")


def downgrade() -> None:
    op.drop_index("ix_reservations_owed_at", "reservations")
    op.drop_column("reservations", "owed_at")
    op.drop_column("reservations", "owed_since")
