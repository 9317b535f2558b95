"""Flights, the holds on their seats, and the flights one can try the system with."""

import sqlalchemy as sa
from alembic import op

from choreography.columns import Instant

revision = "flight_seats_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "flights",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("flight_code", sa.String(20), nullable=False),
        sa.Column("takeoff_date", sa.Date(), nullable=False),
        sa.Column("cost", sa.BigInteger(), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("remaining_seats_count", sa.Integer(), nullable=False),
        sa.CheckConstraint("remaining_seats_count >= 0", name="never_oversold"),
        sa.CheckConstraint("remaining_seats_count <= capacity", name="never_more_seats_than_built"),
    )
    op.create_table(
        "holds",
        sa.Column("reservation_id", sa.String(12), primary_key=True),
        sa.Column("flight_id", sa.Integer(), nullable=False),
        sa.Column("seat_qty", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(8), nullable=False),
        sa.Column("amount", sa.BigInteger()),
        sa.Column("said", sa.Text()),
        sa.CheckConstraint("seat_qty > 0", name="a_party_has_somebody"),
        sqlite_with_rowid=False,
    )
    op.create_table("flight_numbers", sa.Column("latest", sa.Integer(), primary_key=True, autoincrement=False))
    op.create_table(
        "commands",
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("claim", sa.String(36), nullable=False),
        sa.Column("claimed_at", Instant(), nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("headers", sa.Text()),
        sa.Column("body", sa.Text()),
    )
    op.execute("INSERT INTO flight_numbers (latest) VALUES (0)")


def downgrade() -> None:
    for table in ("commands", "flight_numbers", "holds", "flights"):
        op.drop_table(table)
