"""The version is kept where the registry's is: with the steps."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    # tables of the first days lack it
    op.create_index(
        "ix_dcc_outgoing_waiting",
        "dcc_outgoing",
        ["delivered_at", "party", "number"],
        if_not_exists=True,
    )
    op.drop_table("dcc_meta")
