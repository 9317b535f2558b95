"""What was paid and refunded for each reservation, of the events that are still there.

An earlier release that still runs writes events without amounts; a rebuild after the next of them leaves these unknown.
"""

import json

import sqlalchemy as sa
from alembic import op

revision = "dashboard_0004"
down_revision = "dashboard_0003"
branch_labels = None
depends_on = None

COLUMNS = ("paid_amount", "refunded_amount")
AMOUNTS = (("paid_amount", "Paid"), ("paid_amount", "PaymentRefunded"), ("refunded_amount", "PaymentRefunded"))
BATCH = 1000


def upgrade() -> None:
    for table in ("events", "reservations"):
        for column in COLUMNS:
            op.add_column(table, sa.Column(column, sa.BigInteger()))
    for column, type_ in AMOUNTS:
        _fill(column, type_)


def downgrade() -> None:
    for table in ("events", "reservations"):
        for column in COLUMNS:
            op.drop_column(table, column)


def _fill(column: str, type_: str) -> None:
    events = sa.table("events", *map(sa.column, ("id", "type", "reservation_id", "data", column)))
    reservations = sa.table("reservations", *map(sa.column, ("reservation_id", column)))
    connection, after = op.get_bind(), ""
    query = sa.select(events.c.id, events.c.reservation_id, events.c.data).where(events.c.type == type_)
    while rows := connection.execute(query.where(events.c.id > after).order_by(events.c.id).limit(BATCH)).all():
        for row in rows:
            amount = {column: json.loads(row.data)["amount"]}
            connection.execute(sa.update(events).where(events.c.id == row.id).values(amount))
            of_it = reservations.c.reservation_id == row.reservation_id
            connection.execute(sa.update(reservations).where(of_it).values(amount))
        after = rows[-1].id
