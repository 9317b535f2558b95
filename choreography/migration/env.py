"""Alembic's environment, one for all function folders: it uses the connection it is given."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=context.config.attributes.get("metadata"),
    render_as_batch=True,  # SQLite cannot alter a column in place
)
context.run_migrations()
