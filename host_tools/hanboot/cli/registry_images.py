"""Commands of `hanboot registry` about an image and its entry: submit, check-image."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from hanboot.cli.output import Out, json_option
from hanboot.cli.registry_options import (
    FILE,
    attribution_options,
    opened,
    opened_or_made,
    pairs,
    ssc_option,
)
from hanboot.cli.settings import registry_option
from hanboot.image import ota_file
from hanboot.image.ota_file import Layout
from hanboot.registry.exchange import mapping, sheets
from hanboot.registry.exchange.rows import ImportRules
from hanboot.registry.exchange.table import Row, SheetLayout
from hanboot.registry.images import submission
from hanboot.registry.images.comparison import Comparison, ImageDiffers, refuse_differences
from hanboot.registry.storage.history import Attribution

_image_options = (
    click.argument("image_file", metavar="IMAGE", type=FILE),
    click.option("--row", type=FILE, help="File (CSV or XLSX) with the image's row or rows."),
    click.option(
        "--set",
        "values",
        metavar="FIELD=VALUE",
        multiple=True,
        help="A field of the row, in place of a file. Repeatable.",
    ),
    click.option("--mapping", "mapping_file", type=FILE, help="TOML file: the row's headings."),
    click.option(
        "--layout",
        type=click.Choice(["signed", "unsigned"]),
        help="How an image that is not ours ends, where the guess is wrong.",
    ),
)


def _takes_image(command: Any) -> Any:
    for decorate in reversed(_image_options):
        command = decorate(command)
    return command


@click.command()
@_takes_image
@click.option("--correct", is_flag=True, help="Change what the entry states already.")
@registry_option
@ssc_option
@attribution_options
@json_option
def submit(
    image_file: Path,
    row: Path | None,
    values: tuple[str, ...],
    mapping_file: Path | None,
    layout: Layout | None,
    correct: bool,
    url: str,
    ssc_url: str | None,
    attribution: Attribution,
    as_json: bool,
) -> None:
    """Enter IMAGE with its row; refused if the row says anything that the image does not.

    What the row leaves out (version, hash, predecessors) is taken from the image.
    """
    out = Out(as_json)
    loaded = ota_file.load(image_file, layout)
    with (
        opened_or_made(url, ssc_url) as registry,
        _rows(row, values, mapping_file) as (rows, columns),
    ):
        try:
            done, compared = submission.submit(
                registry,
                loaded,
                rows,
                image_file.name,
                replace(attribution, channel=attribution.channel or "image"),
                columns,
                ImportRules(correct=correct),
                lambda fault: out.note(str(fault)),
            )
        except ImageDiffers as differs:
            _tell(out, differs.compared)
            raise
    _tell(out, compared)
    out.line(f"{image_file.name}: {done}")


@click.command("check-image")
@_takes_image
@click.option("--entry", "ids", metavar="ID", multiple=True, help="CPL Entry ID of its row.")
@registry_option
@json_option
def check_image(
    image_file: Path,
    row: Path | None,
    values: tuple[str, ...],
    mapping_file: Path | None,
    layout: Layout | None,
    ids: tuple[str, ...],
    url: str,
    as_json: bool,
) -> None:
    """Compare IMAGE with its row in the registry, or with --row FILE; changes nothing.

    For a manufacturer's CI: exit code 1 if they do not say the same.
    """
    out = Out(as_json)
    loaded = ota_file.load(image_file, layout)
    with opened(url) as registry, _rows(row, values, mapping_file) as (rows, columns):
        if rows is None:
            compared = submission.check_image(registry, loaded, ids)
        else:
            compared = submission.check_rows(
                registry,
                loaded,
                rows,
                image_file.name,
                columns,
                lambda fault: out.note(str(fault)),
            )
    _tell(out, compared)
    refuse_differences(loaded, compared)
    out.line(f"{image_file.name}: it and its row say the same")


@contextlib.contextmanager
def _rows(
    row: Path | None, values: tuple[str, ...], mapping_file: Path | None
) -> Iterator[tuple[Iterator[Row] | None, mapping.ColumnMapping | None]]:
    """The rows that --row or --set give, if they do."""
    if row and values:
        raise click.UsageError("give --row or --set, and not both")
    columns = mapping.load(mapping_file) if mapping_file else None
    if row:
        with sheets.rows(row, columns.layout if columns else SheetLayout()) as rows:
            yield rows, columns
    elif values:
        yield submission.rows_from(pairs(values)), columns
    else:
        yield None, columns


def _tell(out: Out, compared: list[Comparison]) -> None:
    out.document(
        [
            {
                "cpl_entry_id": comparison.entry.cpl_entry_id,
                "differences": [vars(difference) for difference in comparison.differences],
                "notes": list(comparison.notes),
            }
            for comparison in compared
        ]
    )
    for comparison in compared:
        for difference in comparison.differences:
            out.line(f"{comparison.entry.cpl_entry_id}  {difference.code}: {difference.text}")
        for note in comparison.notes:
            out.note(f"{comparison.entry.cpl_entry_id}: {note}")


COMMANDS = (submit, check_image)
