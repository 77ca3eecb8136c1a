"""Whether a library is whole: after a restore, or from time to time.

Database, images and key are kept apart and backed up apart; what each of them says of the others is
compared here. Nothing is changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from hanboot.errors import BadFile, CheckFailed
from hanboot.library import audit
from hanboot.library.library import Library
from hanboot.library.schema import LibraryEntryRow, StoredImageRow, UserRow


@dataclass(frozen=True, kw_only=True)
class IntegrityReport:
    """What was found. faults: one line each, with what to do; none: the library is whole."""

    entries: int
    images: int
    users: int
    audit_rows: int
    faults: tuple[str, ...]


def check(library: Library) -> IntegrityReport:
    """Reads every image, second-factor secret and row of the audit log."""
    faults: list[str] = []
    with library.registry.database.reading() as connection:
        entries = connection.execute(
            sa.select(sa.func.count()).select_from(LibraryEntryRow)
        ).scalar_one()
        images = connection.execute(sa.select(StoredImageRow)).all()
        secrets = connection.execute(sa.select(UserRow.totp_secret)).scalars().all()
        try:
            audit_rows = audit.verify(connection)
        except CheckFailed as error:
            audit_rows = 0
            faults.append(": ".join(error.lines[:2]))
    for row in images:
        faults += _of_image(library, row.digest, row.size_bytes)
    faults += _of_secrets(library, secrets)
    return IntegrityReport(
        entries=entries,
        images=len(images),
        users=len(secrets),
        audit_rows=audit_rows,
        faults=tuple(faults),
    )


def _of_image(library: Library, digest: bytes, size_bytes: int) -> Iterator[str]:
    try:
        octets = library.images.read(digest)
    except BadFile as error:
        yield f"{error.lines[0]}: {error.lines[1]}"
        return
    if len(octets) != size_bytes:
        yield f"the image {digest.hex()} has {len(octets)} bytes, the database says {size_bytes}"


def _of_secrets(library: Library, secrets: Sequence[bytes | None]) -> list[str]:
    unreadable = 0
    for secret in secrets:
        if secret is not None:
            try:
                library.key.decrypt(secret)
            except BadFile:
                unreadable += 1
    if not unreadable:
        return []
    return [
        f"{unreadable} second-factor secrets cannot be decrypted: this is not the key that they "
        "were encrypted with, so their users cannot sign in"
    ]
