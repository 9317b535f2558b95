"""All that is listed of a hold is in the index of flights, where the holds of one flight lie side by side."""

from alembic import op

revision = "flight_seats_0007"
down_revision = "flight_seats_0006"
branch_labels = None
depends_on = None

WHOLE = ["flight_id", "reservation_id", "seat_qty", "status", "amount"]
NAME = f"ix_holds_{'_'.join(WHOLE)}"
REPLACED = "ix_holds_flight_id_reservation_id"


def upgrade() -> None:
    op.create_index(NAME, "holds", WHOLE)
    op.drop_index(REPLACED, "holds")


def downgrade() -> None:
    op.create_index(REPLACED, "holds", ["flight_id", "reservation_id"])
    op.drop_index(NAME, "holds")
