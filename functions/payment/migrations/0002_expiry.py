"""When the reservation of a payment expires."""

import sqlalchemy as sa
from alembic import op

from choreography.columns import Instant

revision = "payment_0002"
down_revision = "payment_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("payments", sa.Column("expires_at", Instant()))


def downgrade() -> None:
    op.drop_column("payments", "expires_at")
