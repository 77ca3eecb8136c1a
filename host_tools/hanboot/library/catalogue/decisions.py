"""What is decided about a submission: who may decide it, in which state, and what comes of it.

Each decision is on a revision: a reviewer who looked at another one than what is there now gets an
error. Nothing is listed that would strand devices, unless the reviewer has seen the findings and
says so.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hanboot.errors import CheckFailed, WrongUsage
from hanboot.library import audit, clock
from hanboot.library.accounts.users import User
from hanboot.library.catalogue import entries
from hanboot.library.catalogue.entries import WAITING, LibraryEntry
from hanboot.library.catalogue.submissions import NOTE_MAX, recheck
from hanboot.library.library import Library
from hanboot.library.permissions import Action
from hanboot.library.refusals import Conflict, NotFound
from hanboot.library.schema import DecisionRow, LibraryEntryRow
from hanboot.registry.storage import never_in_field
from hanboot.registry.storage.history import Attribution


@dataclass(frozen=True)
class _Rule:
    """Whose decision it is, and the states in which it can be made."""

    action: Action
    states: tuple[str, ...]


#: In the order in which pages offer them.
_RULES = {
    "authorise": _Rule(Action.AUTHORISE, ("submitted",)),
    "endorse": _Rule(Action.ENDORSE, ("authorised",)),
    "review": _Rule(Action.REVIEW, ("authorised",)),
    "reject": _Rule(Action.REVIEW, WAITING),
    "withdraw": _Rule(Action.CORRECT, WAITING),
}


class Changed(Conflict):
    """The entry is not what the user decided on."""

    def __init__(self, seen: int, now: int) -> None:
        super().__init__(
            "the entry changed meanwhile",
            f"you saw revision {seen}, it is at revision {now}",
            "look at it again, then decide",
        )


def open_to(user: User, entry: LibraryEntry) -> list[str]:
    """The decisions about an entry that the user can make as it stands."""
    return [
        name
        for name, rule in _RULES.items()
        if entry.state in rule.states
        and user.may(rule.action, own=entry.is_own(user))
        and _why_not(name, user, entry) is None
    ]


def _why_not(name: str, user: User, entry: LibraryEntry) -> CheckFailed | WrongUsage | None:
    """Why a decision that the user's party may make is not to be made about this entry."""
    if name == "authorise" and entry.responsible not in (None, user.party.number):
        return CheckFailed(
            f"entry {entry.number} is not yours to authorise",
            "another supplier is asked to answer for it",
            "leave it to them; or have it submitted anew, with your party named",
        )
    if name == "endorse" and entry.device_type != "CH":
        return WrongUsage(
            f"entry {entry.number} needs no endorsement",
            f"it is for {entry.device_type}; the DCC endorses Communications Hubs",
            "leave it to the reviewer",
        )
    if name == "withdraw" and entry.party != user.party.number:
        return CheckFailed(
            f"entry {entry.number} was not withdrawn",
            f"{entry.party_name} submitted it",
            "leave it to them; a reviewer can reject it",
        )
    return None


def authorise(library: Library, user: User, number: int, revision: int, remark: str) -> None:
    """A supplier takes responsibility for a submission."""
    user.require(Action.AUTHORISE)
    with library.registry.database.writing() as connection:
        _decide(connection, library, user, number, revision, "authorise", remark)
        _set(connection, library, number, state="authorised", responsible=user.party.number)


def endorse(library: Library, user: User, number: int, revision: int, remark: str) -> None:
    """The DCC endorses a Communications Hub's entry; its state stays as it is."""
    user.require(Action.ENDORSE)
    with library.registry.database.writing() as connection:
        _decide(connection, library, user, number, revision, "endorse", remark)


def review(
    library: Library,
    user: User,
    number: int,
    revision: int,
    remark: str,
    *,
    accept_findings: bool = False,
) -> None:
    """Lists an entry: from now on every party sees it.

    Args:
        accept_findings: list it although `check` says that it loses devices.

    Raises:
        CheckFailed: it would strand devices, or the endorsement is missing.
    """
    user.require(Action.REVIEW)
    with library.registry.database.reading() as connection:
        entry = _as_seen(connection, number, revision)
    checked = recheck(library, entry)
    if checked.differences:
        raise CheckFailed(
            f"entry {number} was not listed",
            checked.differences[0].text,
            "have it corrected: image and fields do not say the same",
        )
    if checked.stranding and not accept_findings:
        raise CheckFailed(
            f"entry {number} was not listed",
            checked.stranding[0].text,
            "have it corrected; or list it all the same, saying that you have seen the findings",
        )
    attribution = Attribution(user.email, remark or f"entry {number} of the library", "library")
    with library.registry.changing(attribution) as writer:
        connection = writer.connection
        entry = _decide(connection, library, user, number, revision, "review", remark)
        if entry.device_type == "CH" and not _is_endorsed(connection, entry):
            raise CheckFailed(
                f"entry {number} was not listed",
                "a Communications Hub's entry needs the DCC's endorsement",
                "ask the DCC to endorse this revision",
            )
        if entry.replaces is not None:
            _set(connection, library, entry.replaces, state="withdrawn")
        if entry.never_in_field and entry.cpl_entry_id and writer.find([entry.cpl_entry_id]):
            never_in_field.record(writer, entry.cpl_entry_id, attribution)
        _set(connection, library, number, state="listed")


def _is_endorsed(connection: Connection, entry: LibraryEntry) -> bool:
    return any(
        step.step == "endorse" and step.revision == entry.revision
        for step in entries.decisions(connection, entry.number)
    )


def reject(library: Library, user: User, number: int, revision: int, remark: str) -> None:
    """Ends a submission; its maker submits anew."""
    user.require(Action.REVIEW)
    if not remark.strip():
        raise WrongUsage("it was not rejected", "no reason was given", "say what must be corrected")
    with library.registry.database.writing() as connection:
        _decide(connection, library, user, number, revision, "reject", remark)
        _set(connection, library, number, state="rejected")


def withdraw(library: Library, user: User, number: int, revision: int, remark: str) -> None:
    """Takes back what the own party submitted and what was not listed yet."""
    with library.registry.database.writing() as connection:
        entries.readable(connection, user, number)
        user.require(Action.CORRECT, own=True)
        _decide(connection, library, user, number, revision, "withdraw", remark)
        _set(connection, library, number, state="withdrawn")


def _as_seen(connection: Connection, number: int, revision: int) -> LibraryEntry:
    """The entry at the revision that the user saw.

    Raises:
        NotFound: there is none.
        Changed: it is at another.
    """
    entry = entries.find(connection, number)
    if entry is None:
        raise NotFound(f"there is no entry {number}", "it does not exist", "check the number")
    if entry.revision != revision:
        raise Changed(revision, entry.revision)
    return entry


def _decide(
    connection: Connection,
    library: Library,
    user: User,
    number: int,
    revision: int,
    name: str,
    remark: str,
) -> LibraryEntry:
    """Records a decision on the revision that the user saw."""
    # the row is changed first, so that of two who decide at once the second waits, then sees
    connection.execute(
        sa.update(LibraryEntryRow)
        .where(LibraryEntryRow.number == number)
        .values(revision=LibraryEntryRow.revision)
    )
    entry = _as_seen(connection, number, revision)
    states = _RULES[name].states
    if entry.state not in states:
        raise Conflict(
            f"entry {number} cannot be decided on in this way",
            f"it is {entry.state}; to {name} it, it must be {' or '.join(sorted(states))}",
            "look at it again: it may have been decided meanwhile",
        )
    refusal = _why_not(name, user, entry)
    if refusal is not None:
        raise refusal
    connection.execute(
        sa.insert(DecisionRow).values(
            entry=number,
            revision=revision,
            step=name,
            user=user.number,
            remark=remark[:NOTE_MAX],
            at=clock.text(library.clock()),
        )
    )
    audit.add(connection, user.actor, name, f"entry {number}", {"remark": remark[:NOTE_MAX]})
    return entry


def _set(connection: Connection, library: Library, number: int, **values: object) -> None:
    connection.execute(
        sa.update(LibraryEntryRow)
        .where(LibraryEntryRow.number == number)
        .values(
            revision=LibraryEntryRow.revision + 1, changed_at=clock.text(library.clock()), **values
        )
    )
