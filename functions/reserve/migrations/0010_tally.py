"""How many reservations are settled, by their status, counted once from those that there are.

An earlier release that still runs while this one begins does not count what it settles.
"""

import sqlalchemy as sa
from alembic import op

revision = "reserve_0010"
down_revision = "reserve_0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("reservations", sa.Column("counted_as", sa.String(8)))
    tally = op.create_table(
        "settled_reservations",
        sa.Column("status", sa.String(8), primary_key=True),
        sa.Column("reservations", sa.BigInteger(), nullable=False),
        sa.Column("seats", sa.BigInteger(), nullable=False),
    )
    row = sa.table("reservations", *map(sa.column, ("status", "seat_qty", "owed_since"))).c
    settled = (
        sa.select(row.status, sa.func.count(), sa.func.sum(row.seat_qty))
        .where(row.owed_since.is_(None))
        .group_by(row.status)
    )
    op.execute(tally.insert().from_select(["status", "reservations", "seats"], settled))


def downgrade() -> None:
    op.drop_table("settled_reservations")
    op.drop_column("reservations", "counted_as")
