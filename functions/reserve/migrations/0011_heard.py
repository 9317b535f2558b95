"""How far the dashboard has come that reports what is settled, and when it said so last."""

import sqlalchemy as sa
from alembic import op

from choreography.columns import Instant

revision = "reserve_0011"
down_revision = "reserve_0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("settled_reservations", sa.Column("heard_until", Instant()))
    op.add_column("settled_reservations", sa.Column("reported_at", Instant()))


def downgrade() -> None:
    op.drop_column("settled_reservations", "reported_at")
    op.drop_column("settled_reservations", "heard_until")
