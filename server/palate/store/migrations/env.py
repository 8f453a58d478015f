"""Runs migrations on the connection that `palate.store.migrations.upgrade` hands over."""

from alembic import context

from palate.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
