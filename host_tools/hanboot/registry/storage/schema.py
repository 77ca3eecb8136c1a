"""The tables, as SQLAlchemy models. migrations/ makes them; a test holds the two together.

Codes and hashes are kept as the digits that people know, 8 of a firmware version, 64 of a hash.
Times are UTC.
"""

from __future__ import annotations

import datetime

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from hanboot.registry.entry import (
    BANDS,
    DEVICE_TYPES,
    RELEASE_KINDS,
    STATUSES,
)
from hanboot.registry.fields import LONG_TEXT_MAX, TEXT_MAX
from hanboot.registry.storage.column_types import Hex, Octets

#: Newest step in migrations/.
REVISION = "0004"


class RegistryTable(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def _among(column: str, values: tuple[str, ...]) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


# --- the registry


class EntryRow(RegistryTable):
    """One `Entry`, less its predecessors and what is for the SSC alone."""

    __tablename__ = "entry"
    __table_args__ = (
        _among("device_type", DEVICE_TYPES),
        _among("status", STATUSES),
        _among("join_option", BANDS),
        _among("release_kind", RELEASE_KINDS),
        CheckConstraint("length(image_hash) = 64", name="image_hash"),
        Index("ix_entry_by_model", "manufacturer_code", "device_model", "firmware_version"),
        Index(None, "image_hash"),
    )

    cpl_entry_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    device_type: Mapped[str] = mapped_column(String(8))
    manufacturer_code: Mapped[int] = mapped_column(Hex(4))
    manufacturer_code_text: Mapped[str | None] = mapped_column(String(TEXT_MAX))
    device_model: Mapped[int] = mapped_column(Hex(8))
    device_model_text: Mapped[str | None] = mapped_column(String(TEXT_MAX))
    firmware_version: Mapped[int] = mapped_column(Hex(8))
    firmware_version_text: Mapped[str] = mapped_column(String(TEXT_MAX))
    common_name: Mapped[str | None] = mapped_column(String(TEXT_MAX))
    image_hash: Mapped[bytes] = mapped_column(Octets(32))
    status: Mapped[str] = mapped_column(String(16))
    manufacturer: Mapped[str | None] = mapped_column(String(TEXT_MAX))
    model_name: Mapped[str | None] = mapped_column(String(TEXT_MAX))
    smets_version: Mapped[str | None] = mapped_column(String(TEXT_MAX))
    gbcs_version: Mapped[str | None] = mapped_column(String(TEXT_MAX))
    listed_on: Mapped[datetime.date | None]
    status_since: Mapped[datetime.date | None]
    certificate: Mapped[str | None] = mapped_column(String(TEXT_MAX))
    expires_on: Mapped[datetime.date | None]
    renewal_on: Mapped[datetime.date | None]
    join_option: Mapped[str | None] = mapped_column(String(32))
    predecessors_stated: Mapped[bool]
    contact: Mapped[str | None] = mapped_column(String(TEXT_MAX))
    release_notes: Mapped[str | None] = mapped_column(String(TEXT_MAX))
    release_kind: Mapped[str | None] = mapped_column(String(16))
    minimum_base_version: Mapped[int | None] = mapped_column(Hex(8))
    security_counter: Mapped[int | None] = mapped_column(Hex(8))
    point_of_no_return: Mapped[bool | None]
    free_text: Mapped[str | None] = mapped_column(String(LONG_TEXT_MAX))
    other_fields: Mapped[str | None] = mapped_column(Text)


class SscRow(RegistryTable):
    """What of an entry is for the Security Sub-Committee alone; see `ssc`."""

    __tablename__ = "ssc"

    # no foreign key: it may lie in another database than the entry
    cpl_entry_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    zigbee_vendor: Mapped[str | None] = mapped_column(String(TEXT_MAX))
    zigbee_stack: Mapped[str | None] = mapped_column(String(TEXT_MAX))
    zigbee_certificate: Mapped[str | None] = mapped_column(String(TEXT_MAX))


class PredecessorRow(RegistryTable):
    """A CPL Entry ID that an entry names; the registry may lack it, `check` finds that."""

    __tablename__ = "predecessor"

    cpl_entry_id: Mapped[str] = mapped_column(
        ForeignKey("entry.cpl_entry_id", ondelete="CASCADE"), primary_key=True
    )
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    predecessor_id: Mapped[str] = mapped_column(String(64), index=True)


class SettingRow(RegistryTable):
    """A switch of the registry's owner, e.g. local updates."""

    __tablename__ = "setting"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


class ImportedRow(RegistryTable):
    """Which row of the file an entry came from, while an import runs."""

    __tablename__ = "imported"

    cpl_entry_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    row_number: Mapped[int]


# --- history: only ever added to


class ChangeSetRow(RegistryTable):
    """What one person changed at one time, for one reason.

    digest: SHA-256 over the digest before and everything that is in this one, so that history
    that was rewritten shows.
    """

    __tablename__ = "change_set"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[str] = mapped_column(String(32))
    author: Mapped[str] = mapped_column(String(TEXT_MAX))
    reason: Mapped[str] = mapped_column(String(TEXT_MAX))
    source: Mapped[str] = mapped_column(String(TEXT_MAX))
    # null in what was recorded before these were asked for
    party: Mapped[str | None] = mapped_column(String(TEXT_MAX))
    channel: Mapped[str | None] = mapped_column(String(TEXT_MAX))
    digest: Mapped[bytes] = mapped_column(Octets(32))


class ChangeRow(RegistryTable):
    """One entry (or setting) in a change set, as JSON of field texts before and after."""

    __tablename__ = "change"

    # no foreign key: the digest of a change set is known only when its changes are written
    change_set: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    subject: Mapped[str] = mapped_column(String(96), index=True)
    before: Mapped[str | None] = mapped_column(Text)
    after: Mapped[str] = mapped_column(Text)


class NeverInFieldRow(RegistryTable):
    """A statement that no device ever ran an entry's firmware; void once one reports it."""

    __tablename__ = "never_in_field"

    cpl_entry_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    at: Mapped[str] = mapped_column(String(32))
    author: Mapped[str] = mapped_column(String(TEXT_MAX))
    reason: Mapped[str] = mapped_column(String(TEXT_MAX))
    voided_at: Mapped[str | None] = mapped_column(String(32))
    voided_by: Mapped[str | None] = mapped_column(String(23))


# --- the inventory


class DeviceRow(RegistryTable):
    """A device of the Smart Metering Inventory.

    firmware_version, image_hash: what the inventory holds; reported_*: what the device last said.
    """

    __tablename__ = "device"
    __table_args__ = (
        _among("device_type", DEVICE_TYPES),
        # covers the question which firmware runs how often
        Index(
            "ix_device_by_firmware",
            "manufacturer_code",
            "device_model",
            "device_type",
            "firmware_version",
            "image_hash",
            "state",
        ),
    )

    device_id: Mapped[str] = mapped_column(String(23), primary_key=True)
    device_type: Mapped[str] = mapped_column(String(8))
    manufacturer_code: Mapped[int] = mapped_column(Hex(4))
    device_model: Mapped[int] = mapped_column(Hex(8))
    firmware_version: Mapped[int] = mapped_column(Hex(8))
    image_hash: Mapped[bytes | None] = mapped_column(Octets(32))
    state: Mapped[str] = mapped_column(String(32))
    reported_version: Mapped[int | None] = mapped_column(Hex(8))
    reported_hash: Mapped[bytes | None] = mapped_column(Octets(32))
    reported_at: Mapped[str | None] = mapped_column(String(32))


class DistributionRow(RegistryTable):
    """One image that went, or was to go, to one device, and what came of it.

    command: that sent it. override: change set with which its sender lifted a ban.
    """

    __tablename__ = "distribution"

    number: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[str] = mapped_column(String(32))
    device_id: Mapped[str] = mapped_column(String(23), index=True)
    file_version: Mapped[int] = mapped_column(Hex(8))
    image_hash: Mapped[bytes] = mapped_column(Octets(32))
    cpl_entry_id: Mapped[str | None] = mapped_column(String(64))
    outcome: Mapped[str] = mapped_column(String(16))
    reason_code: Mapped[int | None]
    reason: Mapped[str | None] = mapped_column(String(64))
    detail: Mapped[str | None] = mapped_column(Text)
    # null in what was recorded before these were asked for
    command: Mapped[str | None] = mapped_column(String(16))
    override: Mapped[int | None]


# --- the same as plain tables, for questions and changes in bulk


def _table(model: type[RegistryTable]) -> Table:
    table = model.__table__
    assert isinstance(table, Table)
    return table


ENTRY = _table(EntryRow)
PREDECESSOR = _table(PredecessorRow)
SETTING = _table(SettingRow)
IMPORTED = _table(ImportedRow)
CHANGE_SET = _table(ChangeSetRow)
CHANGE = _table(ChangeRow)
SSC = _table(SscRow)
NEVER_IN_FIELD = _table(NeverInFieldRow)
DEVICE = _table(DeviceRow)
DISTRIBUTION = _table(DistributionRow)
