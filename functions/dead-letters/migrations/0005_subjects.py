"""What an operator's action was about."""

import sqlalchemy as sa
from alembic import op

revision = "dead_letters_0005"
down_revision = "dead_letters_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("actions", sa.Column("subject", sa.String(255)))
    op.create_index("ix_actions_subject_id", "actions", ["subject", "id"])


def downgrade() -> None:
    op.drop_index("ix_actions_subject_id", "actions")
    op.drop_column("actions", "subject")
