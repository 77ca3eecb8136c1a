"""The registry: CPL and FIR entries, and their history."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_JOIN_OPTIONS = (
    "'2.4 GHz Only', 'Sub-GHz Only', 'Multi MAC Selection - Auto', "
    "'Multi MAC Selection - Manual', 'Multi MAC Selection - Either', 'Dual Band'"
)
_DEVICE_TYPES = "'ESME', 'GSME', 'HCALCS', 'SAPC', 'PPMID', 'CH', 'IHD'"


def upgrade() -> None:
    op.create_table(
        "entry",
        sa.Column("cpl_entry_id", sa.String(64), nullable=False),
        sa.Column("device_type", sa.String(8), nullable=False),
        sa.Column("manufacturer_code", sa.String(4), nullable=False),
        sa.Column("device_model", sa.String(8), nullable=False),
        sa.Column("firmware_version", sa.String(8), nullable=False),
        sa.Column("firmware_version_text", sa.String(256), nullable=False),
        sa.Column("image_hash", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("manufacturer", sa.String(256)),
        sa.Column("model_name", sa.String(256)),
        sa.Column("smets_version", sa.String(256)),
        sa.Column("gbcs_version", sa.String(256)),
        sa.Column("listed_on", sa.Date()),
        sa.Column("status_since", sa.Date()),
        sa.Column("expires_on", sa.Date()),
        sa.Column("join_option", sa.String(32)),
        sa.Column("predecessors_stated", sa.Boolean(), nullable=False),
        sa.Column("contact", sa.String(256)),
        sa.Column("release_notes", sa.String(256)),
        sa.Column("release_kind", sa.String(16)),
        sa.Column("minimum_base_version", sa.String(8)),
        sa.Column("security_counter", sa.String(8)),
        sa.Column("point_of_no_return", sa.Boolean()),
        sa.Column("zigbee_vendor", sa.String(256)),
        sa.Column("zigbee_stack", sa.String(256)),
        sa.PrimaryKeyConstraint("cpl_entry_id", name=op.f("pk_entry")),
        sa.CheckConstraint(f"device_type IN ({_DEVICE_TYPES})", name=op.f("ck_entry_device_type")),
        sa.CheckConstraint(
            "status IN ('Active', 'Cancelled', 'Expired', 'Withdrawn')",
            name=op.f("ck_entry_status"),
        ),
        sa.CheckConstraint(f"join_option IN ({_JOIN_OPTIONS})", name=op.f("ck_entry_join_option")),
        sa.CheckConstraint(
            "release_kind IN ('non-commercial', 'commercial')",
            name=op.f("ck_entry_release_kind"),
        ),
        sa.CheckConstraint("length(image_hash) = 64", name=op.f("ck_entry_image_hash")),
    )
    op.create_index(
        "ix_entry_by_model",
        "entry",
        ["manufacturer_code", "device_model", "firmware_version"],
    )
    op.create_index(op.f("ix_entry_image_hash"), "entry", ["image_hash"])
    op.create_table(
        "predecessor",
        sa.Column("cpl_entry_id", sa.String(64), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("predecessor_id", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("cpl_entry_id", "position", name=op.f("pk_predecessor")),
        sa.ForeignKeyConstraint(
            ["cpl_entry_id"],
            ["entry.cpl_entry_id"],
            name=op.f("fk_predecessor_cpl_entry_id"),
            ondelete="CASCADE",
        ),
    )
    op.create_index(op.f("ix_predecessor_predecessor_id"), "predecessor", ["predecessor_id"])
    op.create_table(
        "setting",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_setting")),
    )
    op.create_table(
        "imported",
        sa.Column("cpl_entry_id", sa.String(64), nullable=False),
        sa.Column("row_number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("cpl_entry_id", name=op.f("pk_imported")),
    )
    op.create_table(
        "change_set",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("author", sa.String(256), nullable=False),
        sa.Column("reason", sa.String(256), nullable=False),
        sa.Column("source", sa.String(256), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_change_set")),
    )
    op.create_table(
        "change",
        sa.Column("change_set", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("subject", sa.String(96), nullable=False),
        sa.Column("before", sa.Text()),
        sa.Column("after", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("change_set", "position", name=op.f("pk_change")),
    )
    op.create_index(op.f("ix_change_subject"), "change", ["subject"])
    _only_ever_added_to()


def _only_ever_added_to() -> None:
    """History refuses to be rewritten, where the database can say so."""
    if op.get_bind().dialect.name != "sqlite":
        return
    for table in ("change_set", "change"):
        for action in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{action.lower()} BEFORE {action} ON {table} "
                "BEGIN SELECT RAISE(ABORT, 'history is not rewritten'); END"
            )
