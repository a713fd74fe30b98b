"""Alembic's entry point: migrates the connection that ``Database.migrate`` hands over."""

from alembic import context

from visearch.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
