"""`library check`, `invite` and `migrate`: for the administrator, on the database's machine."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hanboot import terminal
from hanboot.cli.migration import migrate_tables
from hanboot.cli.output import Out, json_option
from hanboot.cli.settings import registry_option
from hanboot.errors import CheckFailed, WrongUsage

if TYPE_CHECKING:
    from hanboot.library.library import Library

images_option = click.option(
    "--images",
    metavar="FOLDER",
    help="Folder, or URL of an object store, for the images.  [default: beside the registry]",
)
key_option = click.option(
    "--key-file",
    type=click.Path(path_type=Path),
    help="The library's own key, made if it is not there.  [default: beside the registry]",
)


@click.command()
@registry_option
@json_option
def migrate(url: str, as_json: bool) -> None:
    """Bring an older library to this version's schema, the registry under it included.

    The tables of each take all missing steps or none. Stop the service and keep a copy first.
    """
    from hanboot.library.schema import SCHEMA

    migrate_tables(Out(as_json), url, "library", SCHEMA)


def open_library(url: str, images: str | None, key_file: Path | None) -> Library:
    """The library of a database; tables and key are made where there are none."""
    from hanboot.library.accounts.secrets import ServerKey
    from hanboot.library.images import ImageArchive
    from hanboot.library.library import Library
    from hanboot.library.schema import prepare
    from hanboot.registry.storage.database import Database
    from hanboot.registry.storage.store import Registry

    base = Path(url).parent if "://" not in url else Path()
    database = Database(url, create=True)
    prepare(database)
    return Library(
        registry=Registry(database),
        key=ServerKey(key_file or base / "library.key"),
        images=ImageArchive(images or str(base / "images")),
    )


@click.command()
@registry_option
@images_option
@key_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def check(url: str, images: str | None, key_file: Path | None, as_json: bool) -> None:
    """Check that database, images and key fit each other, as after a restore.

    Reads every image, and changes nothing.
    """
    from hanboot.library import integrity

    _refuse_missing(url, key_file)
    report = integrity.check(open_library(url, images, key_file))
    if as_json:
        # one document, which has the faults
        terminal.echo(json.dumps(dataclasses.asdict(report), indent=2))
        raise click.exceptions.Exit(1 if report.faults else 0)
    terminal.echo(
        f"{report.entries} entries, {report.images} images, {report.users} users, "
        f"{report.audit_rows} rows of the audit log"
    )
    for fault in report.faults:
        terminal.echo(f"fault: {fault}")
    if report.faults:
        raise CheckFailed(
            "the library is not whole",
            f"{len(report.faults)} faults were found, the first: {report.faults[0]}",
            "restore what is missing from the backup, then check again",
        )


def _refuse_missing(url: str, key_file: Path | None) -> None:
    """A check makes neither a database nor a key."""
    base = Path(url).parent if "://" not in url else Path()
    key = key_file or base / "library.key"
    for path, what in ((key, "key"), *(((Path(url), "registry"),) if "://" not in url else ())):
        if not path.exists():
            raise WrongUsage(
                f"there is no {what} {path}", "the file does not exist", f"name the {what}'s file"
            )


@click.command()
@click.argument("email")
@click.option("--party", required=True, help="Its name; it is made if there is none.")
@click.option(
    "--kind",
    type=click.Choice(
        ["manufacturer", "supplier", "meter asset provider", "dcc", "ssc", "administrator"]
    ),
    default="administrator",
    show_default=True,
    help="What a new party is.",
)
@click.option("--url", "address", required=True, help="Where browsers reach the library.")
@registry_option
@images_option
@key_option
def invite(
    email: str,
    party: str,
    kind: str,
    address: str,
    url: str,
    images: str | None,
    key_file: Path | None,
) -> None:
    """Print a link that makes a user, the first administrator above all.

    The link works once, for seven days. Further users are invited on the library's pages.
    """
    from hanboot.library.accounts import users
    from hanboot.library.audit import Actor
    from hanboot.library.permissions import PartyKind

    library = open_library(url, images, key_file)
    actor = Actor(user="", party="command line")
    with library.registry.database.writing() as connection:
        found = next((each for each in users.parties(connection) if each.name == party), None)
        if found is not None and found.kind != kind:
            raise WrongUsage(
                f"{party} is no {kind}", f"its kind is {found.kind}", f"give --kind '{found.kind}'"
            )
        made = found or users.add_party(connection, actor, party, PartyKind(kind))
        token = users.invite(connection, None, made, email, library.clock())
    terminal.echo(f"{address.rstrip('/')}/invitations/{token}")
