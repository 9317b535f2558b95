"""An index for each order of the ledger.

A ledger that was made at first use, before it had migrations, may have them already.
"""

import sqlalchemy as sa
from alembic import op

revision = "provider_0002"
down_revision = "provider_0001"
branch_labels = None
depends_on = None

ORDERS = (("kind", "key"), ("accepted", "key", "kind"), ("amount", "key", "kind"), ("at", "key", "kind"))


def upgrade() -> None:
    there = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes("ledger")}
    for order in ORDERS:
        if (name := f"ix_ledger_{'_'.join(order)}") not in there:
            op.create_index(name, "ledger", list(order))


def downgrade() -> None:
    for order in ORDERS:
        op.drop_index(f"ix_ledger_{'_'.join(order)}", "ledger")
