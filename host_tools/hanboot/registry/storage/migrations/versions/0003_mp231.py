"""MP231 to the letter: what a whole CPL holds, SSC data apart, parties, statements, overrides."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_BANDS = (
    "'2.4 GHz Only', 'Sub-GHz Only', 'Multi MAC Selection - Auto', "
    "'Multi MAC Selection - Manual', 'Multi MAC Selection - Either', 'Dual Band', "
    "'Single Band', 'Single Band (2.4 GHz)', 'Single Band (Sub-GHz)'"
)
_DEVICE_TYPES = "'ESME', 'GSME', 'HCALCS', 'SAPC', 'PPMID', 'CH', 'IHD'"
_KEPT = (
    "cpl_entry_id, device_type, manufacturer_code, device_model, firmware_version, "
    "firmware_version_text, image_hash, status, manufacturer, model_name, smets_version, "
    "gbcs_version, listed_on, status_since, expires_on, join_option, predecessors_stated, contact, "
    "release_notes, release_kind, minimum_base_version, security_counter, point_of_no_return"
)
_DEVICE = (
    "device_id, device_type, manufacturer_code, device_model, firmware_version, image_hash, state, "
    "reported_version, reported_hash, reported_at"
)
_BY_FIRMWARE = [
    "manufacturer_code",
    "device_model",
    "device_type",
    "firmware_version",
    "image_hash",
    "state",
]


def upgrade() -> None:
    _ssc()
    _entries()
    for name in ("party", "channel"):
        op.add_column("change_set", sa.Column(name, sa.String(256)))
    op.add_column("distribution", sa.Column("command", sa.String(16)))
    op.add_column("distribution", sa.Column("override", sa.Integer()))
    op.create_table(
        "never_in_field",
        sa.Column("cpl_entry_id", sa.String(64), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("author", sa.String(256), nullable=False),
        sa.Column("reason", sa.String(256), nullable=False),
        sa.Column("voided_at", sa.String(32)),
        sa.Column("voided_by", sa.String(23)),
        sa.PrimaryKeyConstraint("cpl_entry_id", name=op.f("pk_never_in_field")),
    )
    _devices()
    if op.get_bind().dialect.name == "postgresql":
        _only_ever_added_to()


def _ssc() -> None:
    op.create_table(
        "ssc",
        sa.Column("cpl_entry_id", sa.String(64), nullable=False),
        sa.Column("zigbee_vendor", sa.String(256)),
        sa.Column("zigbee_stack", sa.String(256)),
        sa.Column("zigbee_certificate", sa.String(256)),
        sa.PrimaryKeyConstraint("cpl_entry_id", name=op.f("pk_ssc")),
    )
    op.execute(
        "INSERT INTO ssc (cpl_entry_id, zigbee_vendor, zigbee_stack) "
        "SELECT cpl_entry_id, zigbee_vendor, zigbee_stack FROM entry "
        "WHERE zigbee_vendor IS NOT NULL OR zigbee_stack IS NOT NULL"
    )


def _entries() -> None:
    """Makes both tables again: SQLite cannot change a CHECK, and drops what refers to a table."""
    for table in ("entry", "predecessor"):
        op.execute(f"CREATE TABLE {table}_0002 AS SELECT * FROM {table}")
    op.drop_table("predecessor")
    op.drop_table("entry")
    op.create_table(
        "entry",
        sa.Column("cpl_entry_id", sa.String(64), nullable=False),
        sa.Column("device_type", sa.String(8), nullable=False),
        sa.Column("manufacturer_code", sa.String(4), nullable=False),
        sa.Column("manufacturer_code_text", sa.String(256)),
        sa.Column("device_model", sa.String(8), nullable=False),
        sa.Column("device_model_text", sa.String(256)),
        sa.Column("firmware_version", sa.String(8), nullable=False),
        sa.Column("firmware_version_text", sa.String(256), nullable=False),
        sa.Column("common_name", sa.String(256)),
        sa.Column("image_hash", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("manufacturer", sa.String(256)),
        sa.Column("model_name", sa.String(256)),
        sa.Column("smets_version", sa.String(256)),
        sa.Column("gbcs_version", sa.String(256)),
        sa.Column("listed_on", sa.Date()),
        sa.Column("status_since", sa.Date()),
        sa.Column("certificate", sa.String(256)),
        sa.Column("expires_on", sa.Date()),
        sa.Column("renewal_on", sa.Date()),
        sa.Column("join_option", sa.String(32)),
        sa.Column("predecessors_stated", sa.Boolean(), nullable=False),
        sa.Column("contact", sa.String(256)),
        sa.Column("release_notes", sa.String(256)),
        sa.Column("release_kind", sa.String(16)),
        sa.Column("minimum_base_version", sa.String(8)),
        sa.Column("security_counter", sa.String(8)),
        sa.Column("point_of_no_return", sa.Boolean()),
        sa.Column("free_text", sa.String(4096)),
        sa.PrimaryKeyConstraint("cpl_entry_id", name=op.f("pk_entry")),
        sa.CheckConstraint(f"device_type IN ({_DEVICE_TYPES})", name=op.f("ck_entry_device_type")),
        sa.CheckConstraint(
            "status IN ('Active', 'Cancelled', 'Expired', 'Withdrawn')",
            name=op.f("ck_entry_status"),
        ),
        sa.CheckConstraint(f"join_option IN ({_BANDS})", name=op.f("ck_entry_join_option")),
        sa.CheckConstraint(
            "release_kind IN ('non-commercial', 'commercial')",
            name=op.f("ck_entry_release_kind"),
        ),
        sa.CheckConstraint("length(image_hash) = 64", name=op.f("ck_entry_image_hash")),
    )
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
    op.execute(f"INSERT INTO entry ({_KEPT}) SELECT {_KEPT} FROM entry_0002")
    columns = "cpl_entry_id, position, predecessor_id"
    op.execute(f"INSERT INTO predecessor ({columns}) SELECT {columns} FROM predecessor_0002")
    for table in ("entry", "predecessor"):
        op.drop_table(f"{table}_0002")
    op.create_index(
        "ix_entry_by_model", "entry", ["manufacturer_code", "device_model", "firmware_version"]
    )
    op.create_index(op.f("ix_entry_image_hash"), "entry", ["image_hash"])
    op.create_index(op.f("ix_predecessor_predecessor_id"), "predecessor", ["predecessor_id"])


def _devices() -> None:
    """Makes the table again, for the longest DeviceStatus of DUIS."""
    op.execute("CREATE TABLE device_0002 AS SELECT * FROM device")
    op.drop_table("device")
    op.create_table(
        "device",
        sa.Column("device_id", sa.String(23), nullable=False),
        sa.Column("device_type", sa.String(8), nullable=False),
        sa.Column("manufacturer_code", sa.String(4), nullable=False),
        sa.Column("device_model", sa.String(8), nullable=False),
        sa.Column("firmware_version", sa.String(8), nullable=False),
        sa.Column("image_hash", sa.String(64)),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("reported_version", sa.String(8)),
        sa.Column("reported_hash", sa.String(64)),
        sa.Column("reported_at", sa.String(32)),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_device")),
        sa.CheckConstraint(f"device_type IN ({_DEVICE_TYPES})", name=op.f("ck_device_device_type")),
    )
    op.execute(f"INSERT INTO device ({_DEVICE}) SELECT {_DEVICE} FROM device_0002")
    op.drop_table("device_0002")
    op.create_index("ix_device_by_firmware", "device", _BY_FIRMWARE)


def _only_ever_added_to() -> None:
    """History refuses to be rewritten on PostgreSQL, as on SQLite since 0001."""
    op.execute(
        "CREATE FUNCTION history_is_kept() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'history is not rewritten'; END $$"
    )
    for table in ("change_set", "change"):
        op.execute(
            f"CREATE TRIGGER {table}_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION history_is_kept()"
        )
