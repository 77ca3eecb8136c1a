"""Who saw what not every party may see: it is recorded, as what is taken or changed is."""

from __future__ import annotations

from collections.abc import Iterable

from hanboot.library import audit
from hanboot.library.accounts.users import User
from hanboot.library.catalogue.entries import LibraryEntry
from hanboot.library.library import Library
from hanboot.registry.fields import SSC_NAMES


def record(library: Library, user: User, shown: Iterable[LibraryEntry]) -> None:
    """Records that entries with vulnerability notes or ZigBee chipset and stack were shown.

    What every party may see is no secret, and the own party's entries are none to it: these are
    read without a record.

    Args:
        shown: entries as the user sees them, see `entries.visible`.
    """
    seen = [entry.number for entry in shown if not entry.is_own(user) and _is_restricted(entry)]
    if not seen:
        return
    with library.registry.database.writing() as connection:
        for number in seen:
            audit.add(connection, user.actor, "read restricted", f"entry {number}")


def _is_restricted(shown: LibraryEntry) -> bool:
    names = [name for name in SSC_NAMES if shown.fields.get(name)]
    return bool(names or shown.notes.get("vulnerabilities"))
