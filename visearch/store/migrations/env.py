"""Alembic's entry point: migrates the connection that ``Database.migrate`` hands over."""

from alembic import context

from visearch.store import schema_feeds, schema_golden, schema_imports, schema_marks, schema_ranking

# All of them are loaded: their tables are in one metadata.
MODULES = (schema_imports, schema_feeds, schema_golden, schema_marks, schema_ranking)
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=MODULES[-1].metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
