"""What each customer's reservations come to, counted once from the reservations that there are.

An earlier release that still runs while this one begins does not count. `rebuild` counts again what it has added.
"""

import sqlalchemy as sa
from alembic import op

from choreography.columns import Instant

revision = "dashboard_0006"
down_revision = "dashboard_0005"
branch_labels = None
depends_on = None

ORDERS = ("flight_count", "recent_reserve_date", "confirmed_count", "canceled_count")


def upgrade() -> None:
    customers = op.create_table(
        "customers",
        sa.Column("customer_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("flight_count", sa.Integer(), nullable=False),
        sa.Column("recent_reserve_date", sa.Date(), nullable=False),
        sa.Column("confirmed_count", sa.Integer(), nullable=False),
        sa.Column("canceled_count", sa.Integer(), nullable=False),
        sa.Column("paid_amount", sa.BigInteger(), nullable=False),
        sa.Column("paid_unknown", sa.Integer(), nullable=False),
        sa.Column("refunded_amount", sa.BigInteger(), nullable=False),
        sa.Column("refunded_unknown", sa.Integer(), nullable=False),
    )
    op.execute(customers.insert().from_select([column.name for column in customers.c], _counted()))
    for name in ORDERS:
        op.create_index(f"ix_customers_{name}", "customers", [name, "customer_id"])


def downgrade() -> None:
    op.drop_table("customers")


def _counted() -> sa.Select[tuple[object, ...]]:
    row = sa.table(
        "reservations",
        *(sa.column(name, sa.Boolean()) for name in ("placed", "confirmed", "paid", "refunded")),
        *(sa.column(name, sa.BigInteger()) for name in ("paid_amount", "refunded_amount")),
        sa.column("customer_id", sa.Integer()),
        sa.column("reserve_date", sa.Date()),
        sa.column("canceled_at", Instant()),
    ).c
    return (
        sa.select(
            row.customer_id,
            _number_of(row.placed),
            sa.func.max(row.reserve_date),
            _number_of(sa.and_(row.confirmed, row.canceled_at.is_(None))),
            _number_of(row.canceled_at.is_not(None)),
            sa.func.coalesce(sa.func.sum(row.paid_amount), 0),
            _number_of(sa.and_(row.paid, row.paid_amount.is_(None))),
            sa.func.coalesce(sa.func.sum(row.refunded_amount), 0),
            _number_of(sa.and_(row.refunded, row.refunded_amount.is_(None))),
        )
        .where(row.placed, row.customer_id.is_not(None), row.reserve_date.is_not(None))
        .group_by(row.customer_id)
    )


def _number_of(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.sum(sa.case((condition, 1), else_=0))
