"""The flights that a new system starts with, numbered from 1001; nothing depends on them."""

from datetime import date

import sqlalchemy as sa
from alembic import op

revision = "flight_seats_0002"
down_revision = "flight_seats_0001"
branch_labels = None
depends_on = None

SAMPLES = (
    (1001, "KE081", date(2027, 6, 1), 980_000, 180),
    (1002, "OZ102", date(2027, 6, 15), 410_000, 120),
    (1003, "ACE304", date(2027, 7, 1), 89_000, 40),
    (1004, "LJ205", date(2027, 8, 12), 120_000, 9),
    (1005, "TW711", date(2027, 12, 24), 199_000, 2),
)


def upgrade() -> None:
    flights = sa.table(
        "flights",
        *(sa.column(name) for name in ("id", "flight_code", "cost", "capacity", "remaining_seats_count")),
        sa.column("takeoff_date", sa.Date()),
    )
    rows = [
        {"id": number, "flight_code": code, "takeoff_date": takeoff, "cost": cost, "capacity": seats}
        | {"remaining_seats_count": seats}
        for number, code, takeoff, cost, seats in SAMPLES
    ]
    op.bulk_insert(flights, rows)


def downgrade() -> None:
    op.execute("DELETE FROM flights WHERE id BETWEEN 1001 AND 1005")
