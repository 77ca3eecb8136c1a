"""What `library migrate` and `dcc migrate` do: tables brought to this version's schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hanboot.cli.output import Out
    from hanboot.registry.storage.migration import TableSchema


def migrate_tables(out: Out, url: str, name: str, schema: TableSchema) -> None:
    """Takes the missing steps of a registry and of the other tables in its database.

    Where there are no such tables, none are made.

    Args:
        url: of the registry.
        name: of the other tables' owner.
    """
    from hanboot.registry.storage.database import REGISTRY, Database

    database = Database(url, upgrade=True)
    try:
        steps = {"registry": (database.found_at, REGISTRY.newest)}
        with database.reading() as connection:
            are_there = schema.found(connection) is not None
        if are_there:
            steps[name] = (database.add_tables(schema, upgrade=True), schema.newest)
    finally:
        database.close()
    out.document({each: {"from": found, "to": newest} for each, (found, newest) in steps.items()})
    for each, (found, newest) in steps.items():
        was = "at" if found == newest else f"{found} ->"
        out.line(f"{database.name}, {each}: {was} {newest}")
    if not are_there:
        out.line(f"{database.name} holds no {name}")
