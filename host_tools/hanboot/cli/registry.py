"""Commands about the registry of CPL and FIR entries."""

from __future__ import annotations

import datetime
import sys
from pathlib import Path
from typing import get_args

import click

from hanboot import files, terminal
from hanboot.cli.arguments import date_of, on_option
from hanboot.cli.output import Out, counted, json_option
from hanboot.cli.pathways import COMMANDS as PATHWAY_COMMANDS
from hanboot.cli.registry_changes import COMMANDS as CHANGE_COMMANDS
from hanboot.cli.registry_images import COMMANDS as IMAGE_COMMANDS
from hanboot.cli.registry_options import (
    FILE,
    author_option,
    manufacturer_option,
    model_option,
    opened,
    progress,
    role_option,
    ssc_option,
)
from hanboot.cli.settings import passphrase_asker, passphrase_option, registry_option
from hanboot.errors import WrongUsage
from hanboot.registry.entry import Entry, Model
from hanboot.registry.exchange import cpl_entry, snapshot
from hanboot.registry.exchange.export import Format, write_csv, write_file
from hanboot.registry.exchange.views import Role, check_view, columns_for, shown_entries
from hanboot.registry.fields import texts_of
from hanboot.registry.storage.database import Database
from hanboot.registry.storage.history import Attribution
from hanboot.registry.storage.schema import REVISION
from hanboot.registry.storage.settings import NO_KEY, PERMITS_FROM, SETTINGS
from hanboot.registry.storage.store import Registry
from hanboot.trust import keys


@click.group()
def registry() -> None:
    """CPL and FIR entries: kept, proved, planned with; images checked against them."""


for command in (*CHANGE_COMMANDS, *PATHWAY_COMMANDS, *IMAGE_COMMANDS):
    registry.add_command(command)

# --- export and show


@registry.command()
@click.option("-o", "--output", type=FILE, required=True, help="File to write, or - for stdout.")
@click.option(
    "--format",
    "form",
    type=click.Choice(get_args(Format)),
    help="Default: by the ending of the file's name.",
)
@role_option
@model_option
@manufacturer_option
@registry_option
@ssc_option
def export(
    output: Path,
    form: Format | None,
    role: Role,
    model: Model | None,
    manufacturer: int | None,
    url: str,
    ssc_url: str | None,
) -> None:
    """Export entries as CSV or XLSX, with what a role may see."""
    check_view(role, manufacturer)
    form = form or ("xlsx" if output.suffix.lower() == ".xlsx" else "csv")
    columns = columns_for(role)
    with opened(url, ssc_url) as registry, progress(output.name) as advance:
        entries = shown_entries(registry, role, model, manufacturer)
        if str(output) != "-":
            count = write_file(output, form, entries, columns, advance)
            terminal.echo(f"{output}: {count} entries, as the {role} view", err=True)
        elif form == "csv":
            write_csv(sys.stdout, entries, columns)
        else:
            raise WrongUsage("XLSX goes to a file", "stdout is for text", "give -o FILE.xlsx")


@registry.command()
@click.argument("ids", metavar="[CPL_ENTRY_ID]...", nargs=-1)
@role_option
@model_option
@manufacturer_option
@on_option
@registry_option
@ssc_option
@json_option
def show(
    ids: tuple[str, ...],
    role: Role,
    model: Model | None,
    manufacturer: int | None,
    day: datetime.datetime | None,
    url: str,
    ssc_url: str | None,
    as_json: bool,
) -> None:
    """Show entries: those named in full, or a list."""
    out = Out(as_json)
    check_view(role, manufacturer)
    columns = columns_for(role)
    moment = date_of(day)
    with opened(url, ssc_url) as registry:
        if ids:
            entries = [registry.entry(entry_id) for entry_id in ids]
            if role == "ssc":
                entries = registry.for_ssc(entries)
            if role == "manufacturer":
                entries = [e for e in entries if e.manufacturer_code == manufacturer]
        else:
            entries = list(shown_entries(registry, role, model, manufacturer))
    out.document(
        [
            dict(zip([c.name for c in columns], texts_of(entry, columns), strict=True))
            for entry in entries
        ]
    )
    for entry in entries:
        if ids:
            texts = zip(columns, texts_of(entry, columns), strict=True)
            out.pairs(
                [(column.heading, text.replace("\n", " / ")) for column, text in texts if text]
            )
            out.line("")
        else:
            out.line(_in_one_line(entry, moment))


def _in_one_line(entry: Entry, day: datetime.date | None) -> str:
    from hanboot.registry.pathways.graph import today

    return (
        f"{entry.model}  {entry.device_type:<6}  {entry.version_text}  "
        f"{entry.image_hash.hex()[:8]}  {entry.status_on(day or today()):<10}  "
        f"{entry.cpl_entry_id}"
    )


# --- the registry as a whole


@registry.command()
@click.option(
    "--local-updates",
    type=click.Choice(SETTINGS["local_updates"]),
    help="Whether devices may be updated locally: SECMP0007 bans it, geo proposed to allow it.",
)
@click.option(
    "--permits-from",
    metavar="CERT|none",
    help="Whose permits lift a ban of local updates for what they name: the DSP's certificate.",
)
@click.option(
    "--ssc-data",
    type=click.Choice(["apart"]),
    help="Move what is for the SSC alone to the database that --ssc-registry names.",
)
@author_option
@click.option("--reason", help="Why, for the history.")
@registry_option
@ssc_option
@json_option
def settings(
    local_updates: str | None,
    permits_from: str | None,
    ssc_data: str | None,
    author: str,
    reason: str | None,
    url: str,
    ssc_url: str | None,
    as_json: bool,
) -> None:
    """Show or turn the registry's switches."""
    out = Out(as_json)
    apart = Database(ssc_url, create=bool(ssc_data)) if ssc_url else None
    with Registry(Database(url), apart) as registry:
        if local_updates:
            with registry.changing(Attribution(author, reason or "")) as writer:
                writer.set("local_updates", local_updates)
        if permits_from:
            key = None if permits_from == NO_KEY else keys.load_public(Path(permits_from))
            with registry.changing(Attribution(author, reason or "")) as writer:
                writer.set_permits_from(key)
        if ssc_data:
            count = registry.move_ssc_data(Attribution(author, reason or ""))
            out.note(f"moved what is for the SSC of {counted(count, 'row')}")
        values = {name: registry.setting(name) for name in SETTINGS}
        permitting = registry.permits_from()
        values[PERMITS_FROM] = permitting.kid.hex() if permitting else NO_KEY
    out.document(values)
    out.pairs([(name.replace("_", " "), value) for name, value in values.items()])


@registry.command()
@registry_option
@json_option
def migrate(url: str, as_json: bool) -> None:
    """Bring an older registry to this version's schema, in one step or not at all."""
    out = Out(as_json)
    database = Database(url, upgrade=True)
    database.close()
    out.document({"from": database.found_at, "to": REVISION})
    is_there = database.found_at == REVISION
    out.line(f"{database.name}: {'at' if is_there else f'{database.found_at} ->'} {REVISION}")


@registry.command("snapshot")
@click.option("-o", "--output", type=FILE, required=True, help="File to write.")
@click.option("--key", type=FILE, required=True, help="Private key (PEM) that signs it.")
@click.option(
    "--days",
    type=click.IntRange(1, 366),
    default=snapshot.VALID_DAYS,
    show_default=True,
    help="How long it is good for.",
)
@passphrase_option
@registry_option
@json_option
def snapshot_command(
    output: Path, key: Path, days: int, passphrase_file: Path | None, url: str, as_json: bool
) -> None:
    """Write the Active entries as a signed file, for gates that are offline."""
    out = Out(as_json)
    private = keys.load_private(key, passphrase_asker(passphrase_file))
    with opened(url) as registry:
        octets = snapshot.make(registry, private.public.kid, private.sign, days)
        switch = registry.setting("local_updates")
    files.write(output, octets)
    kid = private.public.kid.hex()
    out.document({"snapshot": str(output), "octets": len(octets), "kid": kid, "days": days})
    out.line(f"{output}: {len(octets)} octets, signed by {kid}, good for {days} days")
    out.line(f"local updates are {switch}")


@registry.command("cpl-entry")
@click.argument("cpl_entry_id", metavar="ID")
@click.option("-o", "--output", type=FILE, required=True, help="File to write.")
@click.option("--key", type=FILE, required=True, help="Private key (PEM) that signs it.")
@passphrase_option
@registry_option
@json_option
def cpl_entry_command(
    cpl_entry_id: str,
    output: Path,
    key: Path,
    passphrase_file: Path | None,
    url: str,
    as_json: bool,
) -> None:
    """Write the Active entry ID as a signed file, for a board that demands it by cable."""
    out = Out(as_json)
    private = keys.load_private(key, passphrase_asker(passphrase_file))
    with opened(url) as registry:
        octets = cpl_entry.make(registry.entry(cpl_entry_id), private.public.kid, private.sign)
    files.write(output, octets)
    kid = private.public.kid.hex()
    out.document({"cpl_entry": str(output), "octets": len(octets), "kid": kid})
    out.line(f"{output}: {len(octets)} octets, signed by {kid}")
