"""Letters that are settled, bounded for strangers, and removed when they are old."""

import sqlalchemy as sa
from alembic import op

from choreography.columns import Instant

revision = "dead_letters_0002"
down_revision = "dead_letters_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("dead_letters", sa.Column("outside", sa.Boolean()))
    op.execute("UPDATE dead_letters SET outside = (source NOT LIKE '/airline/%')")
    op.create_index("ix_dead_letters_outside", "dead_letters", ["outside", "status"])
    op.create_index("ix_dead_letters_decided", "dead_letters", ["decided_at"])
    op.create_table(
        "settled_sagas",
        sa.Column("reservation_id", sa.String(12), primary_key=True),
        sa.Column("status", sa.String(8), nullable=False),
        sa.Column("settled_at", Instant(), nullable=False),
    )
    op.create_index("ix_settled_sagas_settled_at", "settled_sagas", ["settled_at"])


def downgrade() -> None:
    op.drop_table("settled_sagas")
    op.drop_index("ix_dead_letters_decided", "dead_letters")
    op.drop_index("ix_dead_letters_outside", "dead_letters")
    op.drop_column("dead_letters", "outside")
