"""What compensation has answered where nothing was held or taken, and which ends were reported as settled."""

import sqlalchemy as sa
from alembic import op

revision = "dashboard_0002"
down_revision = "dashboard_0001"
branch_labels = None
depends_on = None

COLUMNS = ("seats_not_held", "payment_not_taken", "reported")


def upgrade() -> None:
    for name in COLUMNS:
        op.add_column("reservations", sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index("ix_reservations_reported", "reservations", ["reported"])


def downgrade() -> None:
    op.drop_index("ix_reservations_reported", "reservations")
    for name in COLUMNS:
        op.drop_column("reservations", name)
