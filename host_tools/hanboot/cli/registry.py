"""Commands about the registry of CPL and FIR entries."""

from __future__ import annotations

import datetime
import sys
from pathlib import Path
from typing import get_args

import click

from hanboot import files
from hanboot.cli.arguments import date_of, on_option
from hanboot.cli.output import Out, json_option
from hanboot.cli.pathways import COMMANDS as PATHWAY_COMMANDS
from hanboot.cli.registry_options import (
    FILE,
    attribution_of,
    attribution_options,
    manufacturer_option,
    model_option,
    opened,
    opened_or_made,
    pairs,
    progress,
)
from hanboot.cli.settings import passphrase_asker, passphrase_option, registry_option
from hanboot.errors import WrongUsage
from hanboot.registry.entry import Entry, Model
from hanboot.registry.exchange import export as exporting
from hanboot.registry.exchange import intake, mapping, snapshot
from hanboot.registry.exchange.export import ROLES, Format, Role
from hanboot.registry.exchange.rows import Fault, Rules
from hanboot.registry.exchange.table import SheetLayout
from hanboot.registry.fields import texts_of
from hanboot.registry.images import submission
from hanboot.registry.storage import history as changes
from hanboot.registry.storage.database import Database
from hanboot.registry.storage.schema import REVISION
from hanboot.registry.storage.store import SETTINGS
from hanboot.trust import keys


@click.group()
def registry() -> None:
    """CPL and FIR entries: kept, proved, planned with; images checked against them."""


for command in PATHWAY_COMMANDS:
    registry.add_command(command)

role_option = click.option(
    "--role",
    type=click.Choice(ROLES),
    default="supplier",
    show_default=True,
    help="Who will see it: the FIR is for SEC parties, ZigBee chipset and stack for the SSC.",
)


# --- import and export


@registry.command("import")
@click.argument("file", type=FILE)
@click.option("--mapping", "mapping_file", type=FILE, help="TOML file: other people's headings.")
@click.option("--sheet", help="Worksheet to read, where a workbook has several.")
@click.option("--correct", is_flag=True, help="Change what entries say already.")
@click.option(
    "--existing",
    is_flag=True,
    help="The entries were listed before MP231: the join option may be empty.",
)
@registry_option
@attribution_options
@json_option
def import_command(
    file: Path,
    mapping_file: Path | None,
    sheet: str | None,
    correct: bool,
    existing: bool,
    url: str,
    author: str,
    reason: str,
    as_json: bool,
) -> None:
    """Import entries from FILE (CSV or XLSX): all of them, or none.

    Every faulty cell is listed. Columns that the file does not have are left as they are; empty
    fields are filled in, and what an entry says already is changed with --correct only.
    """
    out = Out(as_json)
    attribution = attribution_of(author, reason)
    columns = mapping.load(mapping_file) if mapping_file else mapping.ColumnMapping()
    if sheet:
        layout = columns.layout
        layout = SheetLayout(sheet, layout.heading_row, layout.encoding, layout.delimiter)
        columns = mapping.ColumnMapping(
            layout, columns.headings, columns.values, columns.date_format
        )
    faults: list[Fault] = []

    def on_fault(fault: Fault) -> None:
        if as_json:
            faults.append(fault)
        else:
            out.note(str(fault))

    try:
        with opened_or_made(url) as registry, progress(file.name) as advance:
            done = intake.import_file(
                registry,
                file,
                attribution,
                columns,
                Rules(correct, existing),
                on_fault,
                advance,
            )
    finally:
        if faults:
            out.document({"faults": [vars(fault) for fault in faults]})
    out.document(vars(done))
    out.line(f"{file}: {done}")


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
def export(
    output: Path,
    form: Format | None,
    role: Role,
    model: Model | None,
    manufacturer: int | None,
    url: str,
) -> None:
    """Export entries as CSV or XLSX, with what a role may see."""
    exporting.check_view(role, manufacturer)
    form = form or ("xlsx" if output.suffix.lower() == ".xlsx" else "csv")
    columns = exporting.columns_for(role)
    with opened(url) as registry, progress(output.name) as advance:
        entries = (entry for own, _ in registry.by_model(model, manufacturer) for entry in own)
        if str(output) != "-":
            count = exporting.write_file(output, form, entries, columns, advance)
            click.echo(f"{output}: {count} entries, as the {role} view", err=True)
        elif form == "csv":
            exporting.write_csv(sys.stdout, entries, columns)
        else:
            raise WrongUsage("XLSX goes to a file", "stdout is for text", "give -o FILE.xlsx")


@registry.command()
@click.argument("ids", metavar="[CPL_ENTRY_ID]...", nargs=-1)
@role_option
@model_option
@manufacturer_option
@on_option
@registry_option
@json_option
def show(
    ids: tuple[str, ...],
    role: Role,
    model: Model | None,
    manufacturer: int | None,
    day: datetime.datetime | None,
    url: str,
    as_json: bool,
) -> None:
    """Show entries: those named in full, or a list."""
    out = Out(as_json)
    exporting.check_view(role, manufacturer)
    columns = exporting.columns_for(role)
    moment = date_of(day)
    with opened(url) as registry:
        if ids:
            entries = [registry.entry(entry_id) for entry_id in ids]
            if role == "manufacturer":
                entries = [e for e in entries if e.manufacturer_code == manufacturer]
        else:
            entries = registry.entries(model, manufacturer)
    out.document(
        [
            dict(zip([c.name for c in columns], texts_of(entry, columns), strict=True))
            for entry in entries
        ]
    )
    for entry in entries:
        if ids:
            texts = zip(columns, texts_of(entry, columns), strict=True)
            out.pairs([(column.heading, text) for column, text in texts if text])
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


# --- changes


@registry.command()
@click.argument("cpl_entry_id")
@click.argument("values", metavar="FIELD=VALUE...", nargs=-1, required=True)
@registry_option
@attribution_options
@json_option
def correct(
    cpl_entry_id: str,
    values: tuple[str, ...],
    url: str,
    author: str,
    reason: str,
    as_json: bool,
) -> None:
    """Correct fields of one entry: status=Withdrawn predecessors='A-1, A-2'."""
    out = Out(as_json)
    texts = {"cpl_entry_id": cpl_entry_id, **pairs(values)}
    with opened(url) as registry:
        registry.entry(cpl_entry_id)
        done = intake.import_rows(
            registry,
            submission.rows_from(texts),
            cpl_entry_id,
            attribution_of(author, reason),
            rules=Rules(correct=True, existing=True),
            on_fault=lambda fault: out.note(f"{fault.heading}: {fault.cause}"),
        )
    out.document(vars(done))
    out.line(f"{cpl_entry_id}: {'corrected' if done.corrected else 'it said so already'}")


@registry.command()
@click.argument("cpl_entry_id", required=False)
@click.option("--verify", is_flag=True, help="Only check that nothing was rewritten.")
@registry_option
@json_option
def history(cpl_entry_id: str | None, verify: bool, url: str, as_json: bool) -> None:
    """Every change: when, by whom, why, from what to what."""
    out = Out(as_json)
    with opened(url) as registry, registry.database.reading() as connection:
        if verify:
            count = changes.verify(connection)
            out.document({"verified": count})
            out.line(f"{count} change sets, none of them rewritten")
            return
        found = changes.changes(connection, cpl_entry_id)
        if as_json:
            out.document(
                [
                    {
                        "number": change.number,
                        "at": change.at,
                        **vars(change.attribution),
                        "subject": change.subject,
                        "before": change.before,
                        "after": change.after,
                    }
                    for change in found
                ]
            )
            return
        for change in found:
            by = change.attribution
            source = f", from {by.source}" if by.source else ""
            out.line(f"{change.at}  {change.subject}  by {by.author}: {by.reason}{source}")
            for key, text in change.after.items():
                before = change.before.get(key, "") if change.before is not None else None
                out.line(
                    f"    {key}: {text}" if before is None else f"    {key}: {before} -> {text}"
                )


@registry.command()
@click.option(
    "--local-updates",
    type=click.Choice(SETTINGS["local_updates"]),
    help="Whether devices may be updated locally: SECMP0007 bans it, geo proposed to allow it.",
)
@click.option("--author", envvar="HANBOOT_AUTHOR", help="Who makes the change.")
@click.option("--reason", help="Why, for the history.")
@registry_option
@json_option
def settings(
    local_updates: str | None, author: str | None, reason: str | None, url: str, as_json: bool
) -> None:
    """Show or turn the registry's switches."""
    out = Out(as_json)
    with opened(url) as registry:
        if local_updates:
            with registry.changing(attribution_of(author or "", reason or "")) as writer:
                writer.set("local_updates", local_updates)
        values = {name: registry.setting(name) for name in SETTINGS}
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
