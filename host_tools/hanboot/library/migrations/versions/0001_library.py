"""The library, as it was made before there were steps: parties, entries, evidence."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_TIME = sa.String(32)


def upgrade() -> None:
    op.create_table(
        "library_attempt",
        sa.Column("subject", sa.String(256), nullable=False),
        sa.Column("window", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "window"),
    )
    op.create_table(
        "library_audit",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("user", sa.String(254), nullable=False),
        sa.Column("party", sa.String(256), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(256), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("ix_library_audit_action", "library_audit", ["action"])
    op.create_index("ix_library_audit_subject", "library_audit", ["subject"])
    op.create_table(
        "library_image",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("image_hash", sa.String(64), nullable=False),
        sa.Column("stored_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("ix_library_image_image_hash", "library_image", ["image_hash"])
    op.create_table(
        "library_party",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.CheckConstraint(
            "kind IN ('manufacturer', 'supplier', 'meter asset provider', 'dcc', 'ssc', "
            "'administrator')",
            name="kind",
        ),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "library_version",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("version"),
    )
    op.create_table(
        "library_user",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("party", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("password_hash", sa.String(256), nullable=False),
        sa.Column("totp_secret", sa.LargeBinary()),
        sa.Column("totp_step", sa.Integer(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("failed_logins", sa.Integer(), nullable=False),
        sa.Column("locked_until", _TIME),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("email"),
        sa.ForeignKeyConstraint(["party"], ["library_party.number"]),
    )
    op.create_index("ix_library_user_party", "library_user", ["party"])
    op.create_table(
        "library_entry",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("party", sa.Integer(), nullable=False),
        sa.Column("submitted_by", sa.Integer(), nullable=False),
        sa.Column("responsible", sa.Integer()),
        sa.Column("replaces", sa.Integer()),
        sa.Column("cpl_entry_id", sa.String(64)),
        sa.Column("device_type", sa.String(8), nullable=False),
        sa.Column("manufacturer_code", sa.String(4), nullable=False),
        sa.Column("device_model", sa.String(8), nullable=False),
        sa.Column("firmware_version", sa.String(8), nullable=False),
        sa.Column("image_hash", sa.String(64), nullable=False),
        sa.Column("image", sa.String(64)),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("release_notes", sa.Text(), nullable=False),
        sa.Column("known_defects", sa.Text(), nullable=False),
        sa.Column("procedure", sa.Text(), nullable=False),
        sa.Column("vulnerabilities", sa.Text(), nullable=False),
        sa.Column("never_in_field", sa.Boolean(), nullable=False),
        sa.Column("delivery", sa.Text(), nullable=False),
        sa.Column("extra", sa.Text(), nullable=False),
        sa.Column("submitted_at", _TIME, nullable=False),
        sa.Column("changed_at", _TIME, nullable=False),
        sa.CheckConstraint(
            "state IN ('submitted', 'authorised', 'reviewed', 'listed', 'rejected', 'withdrawn')",
            name="state",
        ),
        sa.PrimaryKeyConstraint("number"),
        sa.ForeignKeyConstraint(["image"], ["library_image.digest"]),
        sa.ForeignKeyConstraint(["party"], ["library_party.number"]),
        sa.ForeignKeyConstraint(["replaces"], ["library_entry.number"]),
        sa.ForeignKeyConstraint(["responsible"], ["library_party.number"]),
        sa.ForeignKeyConstraint(["submitted_by"], ["library_user.number"]),
    )
    op.create_index(
        "ix_library_entry_by_change", "library_entry", ["state", "changed_at", "number"]
    )
    op.create_index(
        "ix_library_entry_by_device_model",
        "library_entry",
        ["state", "device_model", "manufacturer_code", sa.text("firmware_version DESC"), "number"],
    )
    op.create_index(
        "ix_library_entry_by_listed",
        "library_entry",
        ["state", "manufacturer_code", "device_model", sa.text("firmware_version DESC"), "number"],
    )
    op.create_index(
        "ix_library_entry_by_model",
        "library_entry",
        ["manufacturer_code", "device_model", sa.text("firmware_version DESC"), "number"],
    )
    op.create_index(
        "ix_library_entry_by_party",
        "library_entry",
        [
            "party",
            "state",
            "manufacturer_code",
            "device_model",
            sa.text("firmware_version DESC"),
            "number",
        ],
    )
    op.create_index(
        "ix_library_entry_by_version",
        "library_entry",
        ["state", "firmware_version", "manufacturer_code", "device_model", "number"],
    )
    op.create_index("ix_library_entry_changed_at", "library_entry", ["changed_at"])
    op.create_index("ix_library_entry_cpl_entry_id", "library_entry", ["cpl_entry_id"])
    op.create_index("ix_library_entry_image_hash", "library_entry", ["image_hash"])
    op.create_table(
        "library_extra_field",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("heading", sa.String(256), nullable=False),
        sa.Column("added_by", sa.Integer(), nullable=False),
        sa.Column("added_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("name"),
        sa.ForeignKeyConstraint(["added_by"], ["library_user.number"]),
    )
    op.create_table(
        "library_invitation",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("party", sa.Integer(), nullable=False),
        sa.Column("user", sa.Integer()),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("invited_by", sa.Integer()),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("used_at", _TIME),
        sa.PrimaryKeyConstraint("digest"),
        sa.ForeignKeyConstraint(["invited_by"], ["library_user.number"]),
        sa.ForeignKeyConstraint(["party"], ["library_party.number"]),
        sa.ForeignKeyConstraint(["user"], ["library_user.number"]),
    )
    op.create_table(
        "library_recovery_code",
        sa.Column("user", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("used_at", _TIME),
        sa.PrimaryKeyConstraint("user", "digest"),
        sa.ForeignKeyConstraint(["user"], ["library_user.number"]),
    )
    op.create_table(
        "library_session",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("user", sa.Integer()),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("agent", sa.String(256)),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("seen_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("digest"),
        sa.ForeignKeyConstraint(["user"], ["library_user.number"]),
    )
    op.create_index("ix_library_session_expires_at", "library_session", ["expires_at"])
    op.create_index("ix_library_session_user", "library_session", ["user"])
    op.create_table(
        "library_token",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("user", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("used_at", _TIME),
        sa.PrimaryKeyConstraint("digest"),
        sa.ForeignKeyConstraint(["user"], ["library_user.number"]),
    )
    op.create_index("ix_library_token_user", "library_token", ["user"])
    op.create_table(
        "library_acknowledgement",
        sa.Column("user", sa.Integer(), nullable=False),
        sa.Column("entry", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("user", "entry", "revision"),
        sa.ForeignKeyConstraint(["entry"], ["library_entry.number"]),
        sa.ForeignKeyConstraint(["user"], ["library_user.number"]),
    )
    op.create_table(
        "library_decision",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("entry", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("step", sa.String(16), nullable=False),
        sa.Column("user", sa.Integer(), nullable=False),
        sa.Column("remark", sa.Text(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sa.ForeignKeyConstraint(["entry"], ["library_entry.number"]),
        sa.ForeignKeyConstraint(["user"], ["library_user.number"]),
    )
    op.create_index("ix_library_decision_entry", "library_decision", ["entry"])
    _only_ever_added_to()
    op.execute("INSERT INTO library_version (version) VALUES (1)")


def _only_ever_added_to() -> None:
    """The database itself refuses to change the audit log."""
    if op.get_bind().dialect.name == "sqlite":
        for action in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER library_audit_no_{action.lower()} BEFORE {action} "
                "ON library_audit "
                "BEGIN SELECT RAISE(ABORT, 'the audit log is not rewritten'); END"
            )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION library_audit_is_kept() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the audit log is not rewritten'; END $$"
        )
        op.execute(
            "CREATE TRIGGER library_audit_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE "
            "ON library_audit FOR EACH STATEMENT EXECUTE FUNCTION library_audit_is_kept()"
        )
