"""The provider's ledger."""

import sqlalchemy as sa
from alembic import op

from choreography.columns import Instant

revision = "provider_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ledger",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(6), primary_key=True),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        if_not_exists=True,  # it was made at first use, before it had migrations
    )


def downgrade() -> None:
    op.drop_table("ledger")
