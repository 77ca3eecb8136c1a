"""How alembic reaches the database: through the connection that it is handed."""

from __future__ import annotations

from alembic import context

from hanboot.registry.storage.schema import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=True,
)
context.run_migrations()
