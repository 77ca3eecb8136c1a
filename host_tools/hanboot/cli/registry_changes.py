"""Commands of `hanboot registry` that change it, and its history."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from hanboot.cli.output import Out, counted, json_option
from hanboot.cli.registry_options import (
    FILE,
    attribution_options,
    manufacturer_option,
    opened,
    opened_or_made,
    pairs,
    progress,
    role_option,
    ssc_option,
)
from hanboot.cli.settings import registry_option
from hanboot.inventory import never_in_field
from hanboot.registry.exchange import intake, mapping
from hanboot.registry.exchange.faults import CellFault
from hanboot.registry.exchange.rows import ImportRules
from hanboot.registry.exchange.views import Role, shown_history
from hanboot.registry.images import submission
from hanboot.registry.storage import audit
from hanboot.registry.storage.history import Attribution, Change


@click.command("import")
@click.argument("file", type=FILE)
@click.option("--mapping", "mapping_file", type=FILE, help="TOML file: headings of others.")
@click.option("--sheet", help="Worksheet to read, where a workbook has several.")
@click.option("--correct", is_flag=True, help="Change what entries state already.")
@click.option(
    "--existing",
    is_flag=True,
    help="The entries were listed before MP231: what it demands may be empty.",
)
@click.option(
    "--keep-unknown",
    is_flag=True,
    help="Keep columns whose heading is unknown, in Other Fields, instead of refusing the file.",
)
@registry_option
@ssc_option
@attribution_options
@json_option
def import_command(
    file: Path,
    mapping_file: Path | None,
    sheet: str | None,
    correct: bool,
    existing: bool,
    keep_unknown: bool,
    url: str,
    ssc_url: str | None,
    attribution: Attribution,
    as_json: bool,
) -> None:
    """Import entries from FILE (CSV or XLSX): all of them, or none.

    Every faulty cell is listed. Columns that the file does not have are left as they are; empty
    fields are filled in, and what an entry states already is changed with --correct only.
    """
    out = Out(as_json)
    columns = mapping.load(mapping_file) if mapping_file else mapping.ColumnMapping()
    columns = dataclasses.replace(columns, keeps_unknown=keep_unknown)
    if sheet:
        layout = dataclasses.replace(columns.layout, sheet=sheet)
        columns = dataclasses.replace(columns, layout=layout)
    faults: list[CellFault] = []

    def on_fault(fault: CellFault) -> None:
        if as_json:
            faults.append(fault)
        else:
            out.note(str(fault))

    try:
        with opened_or_made(url, ssc_url) as registry, progress(file.name) as advance:
            done = intake.import_file(
                registry,
                file,
                _by_channel(attribution, "file"),
                columns,
                ImportRules(correct, existing),
                on_fault,
                advance,
            )
    finally:
        if faults:
            out.document({"faults": [vars(fault) for fault in faults]})
    out.document(vars(done))
    out.line(f"{file}: {done}")


def _by_channel(attribution: Attribution, channel: str) -> Attribution:
    return dataclasses.replace(attribution, channel=attribution.channel or channel)


@click.command()
@click.argument("cpl_entry_id")
@click.argument("values", metavar="FIELD=VALUE...", nargs=-1, required=True)
@registry_option
@ssc_option
@attribution_options
@json_option
def correct(
    cpl_entry_id: str,
    values: tuple[str, ...],
    url: str,
    ssc_url: str | None,
    attribution: Attribution,
    as_json: bool,
) -> None:
    """Correct fields of one entry: status=Withdrawn predecessors='A-1, A-2'."""
    out = Out(as_json)
    texts = {"cpl_entry_id": cpl_entry_id, **pairs(values)}
    with opened(url, ssc_url) as registry:
        registry.entry(cpl_entry_id)
        done = intake.import_rows(
            registry,
            submission.rows_from(texts),
            cpl_entry_id,
            _by_channel(attribution, "command line"),
            rules=ImportRules(correct=True, existing=True),
            on_fault=lambda fault: out.note(f"{fault.heading}: {fault.cause}"),
        )
    out.document(vars(done))
    out.line(f"{cpl_entry_id}: {'corrected' if done.corrected else 'it said so already'}")


@click.command("never-in-field")
@click.argument("cpl_entry_id")
@registry_option
@attribution_options
@json_option
def never_in_field_command(
    cpl_entry_id: str, url: str, attribution: Attribution, as_json: bool
) -> None:
    """State that no device ever ran a Withdrawn or Cancelled entry's firmware.

    Then `check` does not call it an error that such a device would be stranded. It is refused if
    any device of the inventory ran, reported or was sent it, and void once a device reports it.
    """
    out = Out(as_json)
    with opened(url) as registry:
        never_in_field.state(registry, cpl_entry_id, attribution)
    out.document({"never_in_field": cpl_entry_id})
    out.line(f"{cpl_entry_id}: stated to have never been in the field")


# --- history


@click.command()
@click.argument("cpl_entry_id", required=False)
@click.option(
    "--verify",
    is_flag=True,
    help="Only check that it was not rewritten, and that the entries are what it ends with.",
)
@role_option
@manufacturer_option
@registry_option
@ssc_option
@json_option
def history(
    cpl_entry_id: str | None,
    verify: bool,
    role: Role,
    manufacturer: int | None,
    url: str,
    ssc_url: str | None,
    as_json: bool,
) -> None:
    """Every change that a role may see: when, by whom, why, from what to what."""
    out = Out(as_json)
    with opened(url, ssc_url) as registry:
        if verify:
            with registry.database.reading() as connection:
                count = audit.verify(connection)
            if ssc_url:
                with registry.ssc_database().reading() as connection:
                    count += audit.verify(connection, has_entries=False)
            out.document({"verified": count})
            sets = counted(count, "change set")
            out.line(f"{sets}, none of them rewritten; the entries are as the history says")
            return
        found = shown_history(registry, cpl_entry_id, role, manufacturer)
        if as_json:
            out.document([_as_json(change) for change in found])
            return
        for change in found:
            for line in _lines(change):
                out.line(line)


def _as_json(change: Change) -> dict[str, object]:
    return {
        "number": change.number,
        "at": change.at,
        **vars(change.attribution),
        "subject": change.subject,
        "before": change.before,
        "after": change.after,
    }


def _lines(change: Change) -> list[str]:
    by = change.attribution
    party = f" for {by.party}" if by.party else ""
    origin = ", ".join(text for text in (by.source, by.channel) if text)
    origin = f", from {origin}" if origin else ""
    lines = [f"{change.at}  {change.subject}  by {by.author}{party}: {by.reason}{origin}"]
    for key, text in change.after.items():
        before = change.before.get(key, "") if change.before is not None else None
        shown = text.replace("\n", " / ")
        if before is None:
            lines.append(f"    {key}: {shown}")
        else:
            lines.append(f"    {key}: {before.replace(chr(10), ' / ')} -> {shown}")
    return lines


COMMANDS = (import_command, correct, never_in_field_command, history)
