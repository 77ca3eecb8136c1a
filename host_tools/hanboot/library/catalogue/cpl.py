"""From a listed entry of the library to the CPL: kept together, and independent of each other."""

from __future__ import annotations

from sqlalchemy.engine import Connection

from hanboot.errors import BadFile, CheckFailed
from hanboot.library import audit
from hanboot.library.accounts.users import User
from hanboot.library.catalogue import entries
from hanboot.library.catalogue.entries import LibraryEntry
from hanboot.library.library import Library
from hanboot.library.permissions import Action
from hanboot.registry.entry import Entry
from hanboot.registry.exchange import intake
from hanboot.registry.exchange.faults import CellFault
from hanboot.registry.exchange.rows import ImportRules
from hanboot.registry.fields import BY_NAME, SSC_NAMES, STORED, other_fields_text
from hanboot.registry.images.submission import rows_from
from hanboot.registry.storage.entries import find_entries
from hanboot.registry.storage.history import Attribution

# what the CPL's administrator says of an entry, and not who submitted it
_OF_THE_CPL = ("status", "status_since", "listed_on", "expires_on", "renewal_on", "certificate")


def listed(connection: Connection, entry: LibraryEntry) -> Entry | None:
    """The CPL's entry of an entry of the library; None if the CPL lacks it."""
    if entry.cpl_entry_id is None:
        return None
    return find_entries(connection, [entry.cpl_entry_id]).get(entry.cpl_entry_id)


def differences(listed: Entry, entry: LibraryEntry) -> list[str]:
    """Headings of the fields in which the CPL's entry says something else than the library's.

    What is for the SSC alone is left out.
    """
    return [
        column.heading
        for column in STORED
        if column.name in entry.fields
        and column.name not in (*SSC_NAMES, *_OF_THE_CPL)
        and entry.fields[column.name] != _text(listed, column.name)
    ]


def _text(entry: Entry, name: str) -> str:
    value = getattr(entry, name)
    return "" if value is None else BY_NAME[name].text(value)


def enter(library: Library, user: User, number: int) -> None:
    """Enters a listed entry on the CPL, or corrects the CPL's entry by it.

    Raises:
        CheckFailed: it is not listed, has no CPL Entry ID, or the CPL's rules refuse it.
    """
    user.require(Action.SET_STATUS)
    with library.registry.database.reading() as connection:
        entry = entries.readable(connection, user, number)
    if entry.state != "listed" or entry.cpl_entry_id is None:
        raise CheckFailed(
            f"entry {number} was not entered on the CPL",
            f"it is {entry.state}" if entry.cpl_entry_id else "it has no CPL Entry ID",
            "list it first; a correction can add the CPL Entry ID",
        )
    today = library.clock().date().isoformat()
    texts = {name: text for name, text in entry.fields.items() if name not in _OF_THE_CPL}
    if entry.extra:
        texts["other_fields"] = other_fields_text(entry.extra)
    if not library.registry.find([entry.cpl_entry_id]):
        texts |= {"status": "Active", "listed_on": today, "status_since": today}
    faults: list[CellFault] = []
    try:
        intake.import_rows(
            library.registry,
            rows_from(texts),
            f"entry {number}",
            Attribution(user.email, f"entry {number} of the library", "library"),
            rules=ImportRules(correct=True),
            on_fault=faults.append,
            finish=lambda writer, ids: audit.add(
                writer.connection, user.actor, "enter on CPL", ids[0], {"entry": str(number)}
            ),
        )
    except BadFile as error:
        # what follows is about options of the command line
        causes = [f"{fault.heading}: {fault.cause.partition('; --')[0]}" for fault in faults]
        why = "; ".join(causes) or error.lines[1]
        raise CheckFailed(
            f"entry {number} was not entered on the CPL", why, "have the entry corrected first"
        ) from None
