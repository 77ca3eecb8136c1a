"""What a role may see: of the columns of an entry, of the entries, and of their history."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, get_args

from hanboot.errors import WrongUsage
from hanboot.registry.entry import Entry, Model
from hanboot.registry.fields import FIELDS, Field, Part
from hanboot.registry.storage import history
from hanboot.registry.storage.history import Change
from hanboot.registry.storage.store import Registry

#: Who looks. everyone: the CPL is public. supplier: and the FIR, which is for SEC parties.
#: manufacturer: the same of its own entries. ssc: everything; MP231 keeps chipset and stack for it.
Role = Literal["everyone", "supplier", "manufacturer", "ssc"]
ROLES: tuple[Role, ...] = get_args(Role)

_PARTS: dict[Role, tuple[Part, ...]] = {
    "everyone": ("cpl",),
    "supplier": ("cpl", "fir"),
    "manufacturer": ("cpl", "fir"),
    "ssc": ("cpl", "fir", "ssc"),
}


def columns_for(role: Role) -> tuple[Field, ...]:
    """The columns that a role sees."""
    return tuple(column for column in FIELDS if column.part in _PARTS[role])


def check_view(role: Role, manufacturer: int | None) -> None:
    """Refuses a manufacturer's view without the manufacturer."""
    if role == "manufacturer" and manufacturer is None:
        raise WrongUsage(
            "a manufacturer sees its own entries",
            "which manufacturer it is was not stated",
            "give --manufacturer CODE",
        )


def shown_entries(
    registry: Registry, role: Role, model: Model | None = None, manufacturer: int | None = None
) -> Iterator[Entry]:
    """The entries that a role sees, with what is for the SSC if it is the SSC."""
    check_view(role, manufacturer)
    for own, _ in registry.by_model(model, manufacturer):
        yield from registry.for_ssc(own) if role == "ssc" else own


def shown_history(
    registry: Registry,
    subject: str | None,
    role: Role,
    manufacturer: int | None = None,
) -> Iterable[Change]:
    """The changes that a role sees: fields that it does not see are left out.

    Who made a change, for which reason, is shown to all who see the change.
    """
    check_view(role, manufacturer)
    seen = {column.name for column in columns_for(role)}
    hidden = {column.name for column in FIELDS} - seen
    found = _changes(registry, subject, hidden, role)
    if role != "manufacturer":
        return found
    return (change for change in found if _is_own(registry, change.subject, manufacturer))


def _changes(
    registry: Registry, subject: str | None, hidden: set[str], role: Role
) -> Iterator[Change]:
    with registry.database.reading() as connection:
        yield from history.changes(connection, subject, hidden)
    if role == "ssc" and registry.ssc_database() is not registry.database:
        with registry.ssc_database().reading() as connection:
            yield from history.changes(connection, subject)


def _is_own(registry: Registry, subject: str, manufacturer: int | None) -> bool:
    entry = registry.find([subject]).get(subject)
    return entry is not None and entry.manufacturer_code == manufacturer
