"""Who the hubs are: the report of a delivery names its hub."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "dcc_hub",
        sa.Column("path", sa.String(1024), nullable=False),
        sa.Column("eui", sa.String(23), nullable=False),
        sa.PrimaryKeyConstraint("path"),
    )
