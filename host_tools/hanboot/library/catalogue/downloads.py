"""Handing out images: acknowledged first, never a commercial one, in pieces if asked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from hanboot.errors import CheckFailed
from hanboot.library import audit, clock
from hanboot.library.accounts.users import User
from hanboot.library.catalogue import entries
from hanboot.library.catalogue.entries import LibraryEntry
from hanboot.library.library import Library
from hanboot.library.permissions import Action
from hanboot.library.refusals import Conflict
from hanboot.library.schema import AcknowledgementRow

_RANGE = re.compile(r"bytes=(\d{1,10})-(\d{0,10})")


class NotAcknowledged(CheckFailed):
    """The user has not said that the notes of this revision were read."""

    def __init__(self, entry: LibraryEntry) -> None:
        super().__init__(
            f"entry {entry.number} was not downloaded",
            "its notes, known defects and procedure were not acknowledged",
            "read them on the entry's page, then acknowledge them",
        )


@dataclass(frozen=True, kw_only=True)
class Download:
    """Bytes of an image. first: offset of `octets` in the file of `total` bytes."""

    entry: LibraryEntry
    octets: bytes
    first: int
    total: int

    @property
    def is_part(self) -> bool:
        return len(self.octets) != self.total

    @property
    def file_name(self) -> str:
        """ZigBee 095264 6.3.8: manufacturer code, image type, file version."""
        model = self.entry.model
        return (
            f"{model.manufacturer_code:04X}-{model.image_type:04X}-"
            f"{self.entry.firmware_version:08X}.zigbee"
        )


def acknowledge(library: Library, user: User, number: int, revision: int) -> None:
    """Keeps that the user has read what belongs to a revision of an entry."""
    with library.registry.database.writing() as connection:
        entry = entries.readable(connection, user, number)
        if entry.revision != revision:
            raise Conflict(
                "nothing was acknowledged",
                f"you saw revision {revision}, the entry is at revision {entry.revision}",
                "read what changed, then acknowledge it",
            )
        if not is_acknowledged(connection, user, entry):
            connection.execute(
                sa.insert(AcknowledgementRow).values(
                    user=user.number,
                    entry=number,
                    revision=revision,
                    at=clock.text(library.clock()),
                )
            )
            audit.add(connection, user.actor, "acknowledge", f"entry {number}")


def is_acknowledged(connection: sa.Connection, user: User, entry: LibraryEntry) -> bool:
    """Whether the user has read what belongs to the entry as it is."""
    query = sa.select(AcknowledgementRow.at).where(
        AcknowledgementRow.user == user.number,
        AcknowledgementRow.entry == entry.number,
        AcknowledgementRow.revision == entry.revision,
    )
    return connection.execute(query).first() is not None


_READ_OF = sa.select(AcknowledgementRow.entry, AcknowledgementRow.revision).where(
    AcknowledgementRow.user == sa.bindparam("user"),
    AcknowledgementRow.entry.in_(sa.bindparam("entries", expanding=True)),
)


def acknowledged_of(
    connection: sa.Connection, user: User, found: Sequence[LibraryEntry]
) -> set[int]:
    """Numbers of those entries of which the user has read what belongs to them; one question."""
    asked = {"user": user.number, "entries": [entry.number for entry in found]}
    read = {(row.entry, row.revision) for row in connection.execute(_READ_OF, asked)}
    return {entry.number for entry in found if (entry.number, entry.revision) in read}


def why_not(user: User, entry: LibraryEntry) -> CheckFailed | None:
    """Why the user gets no image of an entry, acknowledged or not; None if it can be had."""
    own = entry.is_own(user)
    if entry.is_commercial and not (own and user.may(Action.SUBMIT)):
        contact = entry.fields.get("contact") or entry.party_name
        return CheckFailed(
            f"entry {entry.number} is not offered for download",
            "it is commercially released (SECMP0009 3)",
            f"ask {contact}",
        )
    if not user.may(Action.DOWNLOAD, own=own):
        return CheckFailed(
            f"entry {entry.number} is not yours to download",
            f"{user.party.name} is of the kind {user.party.kind}",
            "ask a party that may; the table of permissions is in the guide",
        )
    if entry.image is None:
        return CheckFailed(
            f"entry {entry.number} has no image",
            "only its hash was submitted",
            f"ask {entry.fields.get('contact') or entry.party_name}",
        )
    return None


def download(library: Library, user: User, number: int, wanted: str = "") -> Download:
    """The image of an entry, or a part of it.

    Args:
        wanted: a Range header (RFC 9110 14.2) of one range; anything else gets the whole.

    Raises:
        CheckFailed: it may not be had, was not acknowledged, or the store has lost it.
    """
    with library.registry.database.reading() as connection:
        entry = entries.readable(connection, user, number)
        acknowledged = is_acknowledged(connection, user, entry)
    refusal = why_not(user, entry)
    if refusal:
        raise refusal
    if not acknowledged:
        raise NotAcknowledged(entry)
    assert entry.image is not None
    octets = library.images.read(entry.image)
    first, end = _range(wanted, len(octets))
    with library.registry.database.writing() as connection:
        audit.add(
            connection,
            user.actor,
            "download",
            f"entry {number}",
            {"sha256": entry.image.hex(), "from": str(first), "to": str(end)},
        )
    return Download(entry=entry, octets=octets[first:end], first=first, total=len(octets))


def _range(wanted: str, total: int) -> tuple[int, int]:
    found = _RANGE.fullmatch(wanted.strip())
    if not found:
        return 0, total
    first = int(found.group(1))
    end = int(found.group(2)) + 1 if found.group(2) else total
    return (first, min(end, total)) if first < end and first < total else (0, total)
