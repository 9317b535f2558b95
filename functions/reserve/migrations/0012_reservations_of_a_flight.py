"""All that the reservations of a flight are chosen and sorted by is in one index, where they lie side by side."""

from alembic import op

revision = "reserve_0012"
down_revision = "reserve_0011"
branch_labels = None
depends_on = None

NAME = "ix_reservations_of_a_flight"
WHOLE = ["flight_id", "id", "customer_id", "seat_qty", "reserve_date", "status", "created_at", "owed_since"]
REPLACED = "ix_reservations_flight_id_id"


def upgrade() -> None:
    op.create_index(NAME, "reservations", WHOLE)
    op.drop_index(REPLACED, "reservations")


def downgrade() -> None:
    op.create_index(REPLACED, "reservations", ["flight_id", "id"])
    op.drop_index(NAME, "reservations")
