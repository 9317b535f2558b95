"""Which command event a reservation was asked for by."""

import sqlalchemy as sa
from alembic import op

revision = "reserve_0005"
down_revision = "reserve_0004"
branch_labels = None
depends_on = None

COLUMNS = ("requested_source", "requested_id")


def upgrade() -> None:
    for name in COLUMNS:
        op.add_column("reservations", sa.Column(name, sa.String(255)))


def downgrade() -> None:
    for name in COLUMNS:
        op.drop_column("reservations", name)
