"""The library's tables, beside the registry's in one database. Times are UTC, ISO 8601.

migrations/ makes them; a test holds the two together.

Secrets are never kept as they are: passwords as argon2 hashes, tokens and session keys as SHA-256
(they have 256 bits of entropy, so that a plain hash is enough), second-factor secrets encrypted
with the server's key.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from hanboot.library.permissions import PartyKind
from hanboot.registry.fields import TEXT_MAX
from hanboot.registry.storage.column_types import Hex, Octets
from hanboot.registry.storage.database import Database
from hanboot.registry.storage.migration import TableSchema

#: Of the library's own tables, which are made and changed independently of the registry's.
SCHEMA = TableSchema(
    owner="the library",
    steps="hanboot.library:migrations",
    version_table="library_alembic_version",
    newest="0002",
    command="hanboot library migrate",
    first_table="library_version",
    first_step="0001",
)

#: States of an entry, in the order of a submission's way; withdrawn and rejected end it.
STATES = ("submitted", "authorised", "reviewed", "listed", "rejected", "withdrawn")

_TIME = String(32)


class LibraryTable(DeclarativeBase):
    """The library's tables."""


def _among(column: str, values: tuple[str, ...]) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def _in_order(name: str, *limits: str) -> Index:
    """An index of entries by columns that a search is limited to, then in the search's order."""
    columns: list[str | sa.TextClause] = [
        sa.text("firmware_version DESC") if each == "firmware_version" else each
        for each in ("manufacturer_code", "device_model", "firmware_version", "number")
        if each not in limits
    ]
    return Index(f"ix_library_entry_by_{name}", *limits, *columns)


# --- who


class PartyRow(LibraryTable):
    """A party of the Smart Energy Code."""

    __tablename__ = "library_party"
    __table_args__ = (_among("kind", tuple(PartyKind)),)

    number: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(TEXT_MAX), unique=True)
    kind: Mapped[str] = mapped_column(String(32))
    created_at: Mapped[str] = mapped_column(_TIME)


class UserRow(LibraryTable):
    """A person of a party. totp_secret: encrypted; totp_step: last time step that was accepted."""

    __tablename__ = "library_user"

    number: Mapped[int] = mapped_column(primary_key=True)
    party: Mapped[int] = mapped_column(ForeignKey("library_party.number"), index=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(String(TEXT_MAX))
    password_hash: Mapped[str] = mapped_column(String(TEXT_MAX))
    totp_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    totp_step: Mapped[int] = mapped_column(default=0)
    is_active: Mapped[bool] = mapped_column(default=True)
    failed_logins: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[str | None] = mapped_column(_TIME)
    created_at: Mapped[str] = mapped_column(_TIME)


class RecoveryCodeRow(LibraryTable):
    """A code that stands for the second factor, once."""

    __tablename__ = "library_recovery_code"

    user: Mapped[int] = mapped_column(ForeignKey("library_user.number"), primary_key=True)
    digest: Mapped[bytes] = mapped_column(Octets(32), primary_key=True)
    used_at: Mapped[str | None] = mapped_column(_TIME)


class InvitationRow(LibraryTable):
    """A link that makes a user, or sets a password anew, once. user: whose, for a recovery."""

    __tablename__ = "library_invitation"

    digest: Mapped[bytes] = mapped_column(Octets(32), primary_key=True)
    party: Mapped[int] = mapped_column(ForeignKey("library_party.number"))
    user: Mapped[int | None] = mapped_column(ForeignKey("library_user.number"))
    email: Mapped[str] = mapped_column(String(254))
    invited_by: Mapped[int | None] = mapped_column(ForeignKey("library_user.number"))
    expires_at: Mapped[str] = mapped_column(_TIME)
    used_at: Mapped[str | None] = mapped_column(_TIME)


class SessionRow(LibraryTable):
    """A browser's session. data: as the framework's serialiser writes it."""

    __tablename__ = "library_session"

    digest: Mapped[bytes] = mapped_column(Octets(32), primary_key=True)
    user: Mapped[int | None] = mapped_column(ForeignKey("library_user.number"), index=True)
    data: Mapped[str] = mapped_column(Text)
    agent: Mapped[str | None] = mapped_column(String(TEXT_MAX))
    created_at: Mapped[str] = mapped_column(_TIME)
    seen_at: Mapped[str] = mapped_column(_TIME)
    expires_at: Mapped[str] = mapped_column(_TIME, index=True)


class TokenRow(LibraryTable):
    """A token of the API. scope: read, or write, which includes read."""

    __tablename__ = "library_token"

    digest: Mapped[bytes] = mapped_column(Octets(32), primary_key=True)
    user: Mapped[int] = mapped_column(ForeignKey("library_user.number"), index=True)
    name: Mapped[str] = mapped_column(String(TEXT_MAX))
    scope: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[str] = mapped_column(_TIME)
    expires_at: Mapped[str] = mapped_column(_TIME)
    used_at: Mapped[str | None] = mapped_column(_TIME)


class AttemptRow(LibraryTable):
    """Failed log-ins of an address or an account in a window of time, counted before hashing."""

    __tablename__ = "library_attempt"

    subject: Mapped[str] = mapped_column(String(TEXT_MAX), primary_key=True)
    window: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    count: Mapped[int] = mapped_column(default=0)


# --- what


class StoredImageRow(LibraryTable):
    """A file in the object store, by the SHA-256 of all of its bytes."""

    __tablename__ = "library_image"

    digest: Mapped[bytes] = mapped_column(Octets(32), primary_key=True)
    size_bytes: Mapped[int]
    image_hash: Mapped[bytes] = mapped_column(Octets(32), index=True)
    stored_at: Mapped[str] = mapped_column(_TIME)


class LibraryEntryRow(LibraryTable):
    """A firmware in the library.

    cpl_entry_id: of its CPL entry, if it has one; no foreign key, both exist independently.
    responsible: supplier that is asked to authorise it, and answers for it from then on.
    never_in_field: a correction that also states that no device ever ran this firmware.
    delivery: how the manufacturer delivered the image, as a JSON object of texts: delivery option,
        signature, ID of the key that it was checked with; {} for a file as it is sent to devices.
    extra: fields that administrators added or an import brought, as a JSON object of texts.
    revision: counts changes, so that a review of something that changed meanwhile is noticed.
    """

    __tablename__ = "library_entry"
    __table_args__ = (
        _among("state", STATES),
        # in the order of a search, after what it is limited to
        _in_order("model"),
        _in_order("listed", "state"),
        _in_order("party", "party", "state"),
        _in_order("version", "state", "firmware_version"),
        _in_order("device_model", "state", "device_model"),
        Index("ix_library_entry_by_change", "state", "changed_at", "number"),
    )

    number: Mapped[int] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(default=1)
    state: Mapped[str] = mapped_column(String(16))
    party: Mapped[int] = mapped_column(ForeignKey("library_party.number"))
    submitted_by: Mapped[int] = mapped_column(ForeignKey("library_user.number"))
    responsible: Mapped[int | None] = mapped_column(ForeignKey("library_party.number"))
    replaces: Mapped[int | None] = mapped_column(ForeignKey("library_entry.number"))

    cpl_entry_id: Mapped[str | None] = mapped_column(String(64), index=True)
    device_type: Mapped[str] = mapped_column(String(8))
    manufacturer_code: Mapped[int] = mapped_column(Hex(4))
    device_model: Mapped[int] = mapped_column(Hex(8))
    firmware_version: Mapped[int] = mapped_column(Hex(8))
    image_hash: Mapped[bytes] = mapped_column(Octets(32), index=True)
    image: Mapped[bytes | None] = mapped_column(ForeignKey("library_image.digest"))
    fields: Mapped[str] = mapped_column(Text)
    release_notes: Mapped[str] = mapped_column(Text)
    known_defects: Mapped[str] = mapped_column(Text)
    procedure: Mapped[str] = mapped_column(Text)
    vulnerabilities: Mapped[str] = mapped_column(Text)
    never_in_field: Mapped[bool] = mapped_column(default=False)
    delivery: Mapped[str] = mapped_column(Text, default="{}")
    extra: Mapped[str] = mapped_column(Text)
    submitted_at: Mapped[str] = mapped_column(_TIME)
    changed_at: Mapped[str] = mapped_column(_TIME, index=True)


class DecisionRow(LibraryTable):
    """A step of a submission: who authorised, endorsed, reviewed or rejected which revision."""

    __tablename__ = "library_decision"

    number: Mapped[int] = mapped_column(primary_key=True)
    entry: Mapped[int] = mapped_column(ForeignKey("library_entry.number"), index=True)
    revision: Mapped[int]
    step: Mapped[str] = mapped_column(String(16))
    user: Mapped[int] = mapped_column(ForeignKey("library_user.number"))
    remark: Mapped[str] = mapped_column(Text)
    at: Mapped[str] = mapped_column(_TIME)


class AcknowledgementRow(LibraryTable):
    """That a user has read an entry's notes, defects and procedure, before the download."""

    __tablename__ = "library_acknowledgement"

    user: Mapped[int] = mapped_column(ForeignKey("library_user.number"), primary_key=True)
    entry: Mapped[int] = mapped_column(ForeignKey("library_entry.number"), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[str] = mapped_column(_TIME)


class ExtraFieldRow(LibraryTable):
    """A field that an administrator added to entries."""

    __tablename__ = "library_extra_field"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    heading: Mapped[str] = mapped_column(String(TEXT_MAX))
    added_by: Mapped[int] = mapped_column(ForeignKey("library_user.number"))
    added_at: Mapped[str] = mapped_column(_TIME)


# --- evidence: only ever added to


class AuditRow(LibraryTable):
    """Who saw, took or changed what. digest: SHA-256 over the digest before and this row."""

    __tablename__ = "library_audit"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[str] = mapped_column(_TIME)
    user: Mapped[str] = mapped_column(String(254))
    party: Mapped[str] = mapped_column(String(TEXT_MAX))
    action: Mapped[str] = mapped_column(String(64), index=True)
    subject: Mapped[str] = mapped_column(String(TEXT_MAX), index=True)
    detail: Mapped[str] = mapped_column(Text)
    digest: Mapped[bytes] = mapped_column(Octets(32))


def prepare(database: Database, upgrade: bool = False) -> str | None:
    """Makes the tables where there are none; nothing is written from then on if they change.

    Args:
        upgrade: whether older ones take the missing steps.

    Returns:
        the step that they were found at; None if they were made here.

    Raises:
        OtherSchema: they are at another version; nothing was made.
    """
    return database.add_tables(SCHEMA, upgrade)
