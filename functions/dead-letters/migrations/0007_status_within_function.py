"""An index of the letters of one function that have one status, which are listed and counted."""

from alembic import op

revision = "dead_letters_0007"
down_revision = "dead_letters_0006"
branch_labels = None
depends_on = None

NAME = "ix_dead_letters_function_status_id"


def upgrade() -> None:
    op.create_index(NAME, "dead_letters", ["function", "status", "id"])


def downgrade() -> None:
    op.drop_index(NAME, "dead_letters")
