"""An index for each order of the list of letters, alone and within a status, a type or a function."""

from alembic import op

revision = "dead_letters_0004"
down_revision = "dead_letters_0003"
branch_labels = None
depends_on = None

SORTED = ("last_at", "first_at", "type", "times")
ORDERS = (
    *((one, "id") for one in SORTED),
    *(("status", one, "id") for one in SORTED),
    ("status", "id"),
    *(("type", one, "id") for one in SORTED if one != "type"),
    *(("function", one, "id") for one in SORTED),
    ("function", "id"),
)
ACTIONS = (("actor", "id"), ("actor", "at", "id"))


def upgrade() -> None:
    for columns in ACTIONS:
        op.create_index(f"ix_actions_{'_'.join(columns)}", "actions", list(columns))
    for order in ORDERS:
        op.create_index(f"ix_dead_letters_{'_'.join(order)}", "dead_letters", list(order))
    op.drop_index("ix_dead_letters_open", "dead_letters")


def downgrade() -> None:
    for columns in ACTIONS:
        op.drop_index(f"ix_actions_{'_'.join(columns)}", "actions")
    op.create_index("ix_dead_letters_open", "dead_letters", ["status", "last_at"])
    for order in ORDERS:
        op.drop_index(f"ix_dead_letters_{'_'.join(order)}", "dead_letters")
