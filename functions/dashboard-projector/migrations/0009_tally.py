"""What settled reservations come to, counted once from those that there are; cancels, as far as the history goes.

An earlier release that still runs while this one begins does not count what it reports.
"""

import sqlalchemy as sa
from alembic import op

revision = "dashboard_0009"
down_revision = "dashboard_0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("reservations", sa.Column("counted_as", sa.String(8)))
    tally = op.create_table(
        "settled_sums",
        sa.Column("name", sa.String(20), primary_key=True),
        sa.Column("number", sa.BigInteger(), nullable=False),
    )
    reservations = _table("reservations", "reservation_id", "paid_amount", "refunded_amount", "canceled_at")
    reported = reservations.c.reported
    for name, amount in (("taken", "paid_amount"), ("refunded", "refunded_amount")):
        whole = sa.select(sa.literal(name), sa.func.coalesce(sa.func.sum(reservations.c[amount]), 0)).where(reported)
        op.execute(tally.insert().from_select(["name", "number"], whole))
    op.execute(tally.insert().from_select(["name", "number"], _canceled(reservations).where(reported)))


def downgrade() -> None:
    op.drop_table("settled_sums")
    op.drop_column("reservations", "counted_as")


def _table(name: str, *columns: str) -> sa.TableClause:
    return sa.table(name, *map(sa.column, columns), sa.column("reported", sa.Boolean()))


def _canceled(reservations: sa.TableClause) -> sa.Select[tuple[object, ...]]:
    event = sa.table("events", *map(sa.column, ("id", "reservation_id", "type", "causation_id")), _DATA)
    cause = event.alias("cause")
    why = sa.case(
        (cause.c.type == "SeatsSoldOut", "no-seats"),
        (cause.c.type == "PaymentFailed", "not-paid"),
        (event.c.data.contains('"reason": "expired"', autoescape=True), "expired"),
        else_="customer",
    )
    its = sa.and_(event.c.reservation_id == reservations.c.reservation_id, event.c.type == "ReservationCanceled")
    joined = reservations.outerjoin(event, its).outerjoin(cause, cause.c.id == event.c.causation_id)
    canceled = sa.select(why.label("why"), sa.func.count(reservations.c.reservation_id.distinct())).select_from(joined)
    return canceled.where(reservations.c.canceled_at.is_not(None)).group_by("why")


_DATA: sa.ColumnClause[str] = sa.column("data", sa.Text())
