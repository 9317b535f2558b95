"""An index for each order of the lists of flights and holds, and for those of holds within one status."""

from alembic import op

revision = "flight_seats_0005"
down_revision = "flight_seats_0004"
branch_labels = None
depends_on = None

ORDERS: dict[str, list[tuple[str, ...]]] = {
    "actions": [("actor", "id"), ("actor", "at", "id")],
    "flights": [(one, "id") for one in ("flight_code", "takeoff_date", "cost", "remaining_seats_count", "capacity")],
    "holds": [
        *((one, "reservation_id") for one in ("flight_id", "seat_qty", "status", "amount")),
        *(("status", one, "reservation_id") for one in ("flight_id", "seat_qty", "amount")),
    ],
}


def upgrade() -> None:
    for table, orders in ORDERS.items():
        for order in orders:
            op.create_index(f"ix_{table}_{'_'.join(order)}", table, list(order))


def downgrade() -> None:
    for table, orders in ORDERS.items():
        for order in orders:
            op.drop_index(f"ix_{table}_{'_'.join(order)}", table)
