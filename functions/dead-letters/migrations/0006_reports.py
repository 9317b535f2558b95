"""An index of the open letters of one type: of reports, which each report looks for."""

from alembic import op

revision = "dead_letters_0006"
down_revision = "dead_letters_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_dead_letters_type_status", "dead_letters", ["type", "status", "last_at"])


def downgrade() -> None:
    op.drop_index("ix_dead_letters_type_status", "dead_letters")
