"""What is not reported yet is found in the order in which it is read, without sorting all of it for each page."""

from alembic import op

revision = "dashboard_0003"
down_revision = "dashboard_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_reservations_unreported", "reservations", ["reported", "reservation_id"])
    op.drop_index("ix_reservations_reported", "reservations")


def downgrade() -> None:
    op.create_index("ix_reservations_reported", "reservations", ["reported"])
    op.drop_index("ix_reservations_unreported", "reservations")
