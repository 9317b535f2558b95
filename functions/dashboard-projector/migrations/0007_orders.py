"""An index for each order of what one operator did."""

from alembic import op

revision = "dashboard_0007"
down_revision = "dashboard_0006"
branch_labels = None
depends_on = None

ORDERS = (("actor", "id"), ("actor", "at", "id"))


def upgrade() -> None:
    for order in ORDERS:
        op.create_index(f"ix_actions_{'_'.join(order)}", "actions", list(order))


def downgrade() -> None:
    for order in ORDERS:
        op.drop_index(f"ix_actions_{'_'.join(order)}", "actions")
