"""Books with their copies, and the loans they are taken for."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "shelf_0001", None


def upgrade() -> None:
    op.create_table("loans", sa.Column("id", sa.String(40), primary_key=True), sa.Column("state", sa.String(9)))
    op.create_table("books", sa.Column("title", sa.String(40), primary_key=True), sa.Column("copies", sa.Integer))
    op.execute("INSERT INTO books VALUES ('Momo', 3), ('Steppenwolf', 3)")
