"""An index for each order of the list of payments, without what is not in the list; and for that of the outbox."""

import sqlalchemy as sa
from alembic import op

revision = "payment_0003"
down_revision = "payment_0002"
branch_labels = None
depends_on = None

ORDERS = (("id",), ("reservation_id", "id"), ("customer_id", "id"), ("amount", "id"), ("status", "id"))
SHOWN = sa.text("status <> 'CANCELED'")


def upgrade() -> None:
    op.create_index("ix_outbox_created_at_id", "outbox", ["created_at", "id"])
    for order in ORDERS:
        name = f"ix_payments_{'_'.join(order)}"
        op.create_index(name, "payments", list(order), sqlite_where=SHOWN, postgresql_where=SHOWN)


def downgrade() -> None:
    for order in ORDERS:
        op.drop_index(f"ix_payments_{'_'.join(order)}", "payments")
    op.drop_index("ix_outbox_created_at_id", "outbox")
