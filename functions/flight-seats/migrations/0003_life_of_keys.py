"""What an Idempotency-Key has made, and how to find the keys that have had their time."""

import sqlalchemy as sa
from alembic import op

revision = "flight_seats_0003"
down_revision = "flight_seats_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("commands", sa.Column("resource", sa.String(255)))
    op.create_index("ix_commands_resource", "commands", ["resource"])
    op.create_index("ix_commands_claimed_at", "commands", ["claimed_at"])


def downgrade() -> None:
    op.drop_index("ix_commands_claimed_at", "commands")
    op.drop_index("ix_commands_resource", "commands")
    op.drop_column("commands", "resource")
