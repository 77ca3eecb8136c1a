"""Where alembic begins."""

from hanboot.registry.storage.migration import run_steps

run_steps()
