"""Fields of an entry that are none of ours: SECMP0009 3 says that items can be added."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("entry", sa.Column("other_fields", sa.Text()))
