"""An index for each order of the list of reservations, alone and within one status; and for that of the outbox."""

from alembic import op

revision = "reserve_0007"
down_revision = "reserve_0006"
branch_labels = None
depends_on = None

ORDERS: dict[str, list[tuple[str, ...]]] = {
    "actions": [("actor", "id"), ("actor", "at", "id")],
    "outbox": [("created_at", "id")],
    "reservations": [
        *((one, "id") for one in ("customer_id", "flight_id", "seat_qty", "reserve_date", "status", "created_at")),
        *(("status", one, "id") for one in ("customer_id", "flight_id", "seat_qty", "reserve_date", "created_at")),
        ("owed_since", "id"),
        ("status", "owed_since", "id"),
    ],
}
REPLACED = ("customer_id", "created_at")


def upgrade() -> None:
    for table, orders in ORDERS.items():
        for order in orders:
            op.create_index(f"ix_{table}_{'_'.join(order)}", table, list(order))
    for name in REPLACED:
        op.drop_index(f"ix_reservations_{name}", "reservations")


def downgrade() -> None:
    for name in REPLACED:
        op.create_index(f"ix_reservations_{name}", "reservations", [name])
    for table, orders in ORDERS.items():
        for order in orders:
            op.drop_index(f"ix_{table}_{'_'.join(order)}", table)
