"""The service, as it was made before there were steps: parties, requests, tasks, documents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_EUI = sa.String(23)
_TIME = sa.String(32)
_DIGEST = sa.String(64)


def upgrade() -> None:
    op.create_table(
        "dcc_meta",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("version"),
    )
    op.create_table(
        "dcc_party",
        sa.Column("eui", _EUI, nullable=False),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("role", sa.Integer(), nullable=False),
        sa.Column("answers_url", sa.String(2048)),
        sa.PrimaryKeyConstraint("eui"),
    )
    op.create_table(
        "dcc_certificate",
        sa.Column("issuer", sa.String(256), nullable=False),
        sa.Column("serial", sa.String(64), nullable=False),
        sa.Column("holder", _EUI, nullable=False),
        sa.Column("pem", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("issuer", "serial"),
    )
    op.create_index("ix_dcc_certificate_holder", "dcc_certificate", ["holder"])
    op.create_table(
        "dcc_assignment",
        sa.Column("device_id", _EUI, nullable=False),
        sa.Column("supplier", _EUI, nullable=False),
        sa.Column("hub", sa.String(1024), nullable=False),
        sa.Column("gbcs_version", sa.String(32)),
        sa.PrimaryKeyConstraint("device_id"),
        sa.ForeignKeyConstraint(["supplier"], ["dcc_party.eui"]),
    )
    op.create_index("ix_dcc_assignment_hub", "dcc_assignment", ["hub"])
    op.create_table(
        "dcc_request",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.String(80), nullable=False),
        sa.Column("originator", _EUI, nullable=False),
        sa.Column("target", _EUI, nullable=False),
        sa.Column("counter", sa.String(20), nullable=False),
        sa.Column("reference", sa.String(8), nullable=False),
        sa.Column("variant", sa.Integer(), nullable=False),
        sa.Column("digest", _DIGEST, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("command", sa.LargeBinary()),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("digest"),
    )
    op.create_index("ix_dcc_request_request_id", "dcc_request", ["request_id"])
    op.create_table(
        "dcc_counter",
        sa.Column("originator", _EUI, nullable=False),
        sa.Column("counter", sa.String(20), nullable=False),
        sa.PrimaryKeyConstraint("originator"),
    )
    op.create_table(
        "dcc_image",
        sa.Column("digest", _DIGEST, nullable=False),
        sa.Column("octets", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_table(
        "dcc_task",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("request", sa.Integer(), nullable=False),
        sa.Column("device_id", _EUI, nullable=False),
        sa.Column("image", _DIGEST),
        sa.Column("image_hash", _DIGEST),
        sa.Column("file_version", sa.String(8)),
        sa.Column("cpl_entry_id", sa.String(64)),
        sa.Column("command", sa.LargeBinary()),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due", _TIME, nullable=False),
        sa.Column("detail", sa.Text()),
        sa.PrimaryKeyConstraint("number"),
        sa.ForeignKeyConstraint(["request"], ["dcc_request.number"]),
    )
    op.create_index("ix_dcc_task_device_id", "dcc_task", ["device_id"])
    op.create_index("ix_dcc_task_due", "dcc_task", ["state", "due"])
    op.create_table(
        "dcc_outgoing",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("party", _EUI, nullable=False),
        sa.Column("octets", sa.LargeBinary(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due", _TIME, nullable=False),
        sa.Column("delivered_at", _TIME),
        sa.Column("detail", sa.Text()),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("ix_dcc_outgoing_waiting", "dcc_outgoing", ["delivered_at", "party", "number"])
    op.create_table(
        "dcc_heard",
        sa.Column("digest", _DIGEST, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
