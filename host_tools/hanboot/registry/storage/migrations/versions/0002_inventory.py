"""The inventory: devices, what they report, and what was distributed to them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_DEVICE_TYPES = "'ESME', 'GSME', 'HCALCS', 'SAPC', 'PPMID', 'CH', 'IHD'"
_BY_FIRMWARE = [
    "manufacturer_code",
    "device_model",
    "device_type",
    "firmware_version",
    "image_hash",
    "state",
]


def upgrade() -> None:
    op.create_table(
        "device",
        sa.Column("device_id", sa.String(23), nullable=False),
        sa.Column("device_type", sa.String(8), nullable=False),
        sa.Column("manufacturer_code", sa.String(4), nullable=False),
        sa.Column("device_model", sa.String(8), nullable=False),
        sa.Column("firmware_version", sa.String(8), nullable=False),
        sa.Column("image_hash", sa.String(64)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reported_version", sa.String(8)),
        sa.Column("reported_hash", sa.String(64)),
        sa.Column("reported_at", sa.String(32)),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_device")),
        sa.CheckConstraint(f"device_type IN ({_DEVICE_TYPES})", name=op.f("ck_device_device_type")),
    )
    op.create_index("ix_device_by_firmware", "device", _BY_FIRMWARE)
    op.create_table(
        "distribution",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("device_id", sa.String(23), nullable=False),
        sa.Column("file_version", sa.String(8), nullable=False),
        sa.Column("image_hash", sa.String(64), nullable=False),
        sa.Column("cpl_entry_id", sa.String(64)),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("reason_code", sa.Integer()),
        sa.Column("reason", sa.String(64)),
        sa.Column("detail", sa.Text()),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_distribution")),
    )
    op.create_index(op.f("ix_distribution_device_id"), "distribution", ["device_id"])
