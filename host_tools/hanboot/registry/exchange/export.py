"""Export as CSV or XLSX, by role: a view is what may be handed out.

A view is for handing out. Who has the database file sees everything in it.
"""

from __future__ import annotations

import contextlib
import csv
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Literal

from hanboot.errors import BadFile
from hanboot.registry.entry import DEVICE_TYPES, JOIN_OPTIONS, RELEASE_KINDS, STATUSES, Entry
from hanboot.registry.exchange.csv_file import protect
from hanboot.registry.fields import BY_NAME, Field, texts_of
from hanboot.registry.progress import Progress

Format = Literal["csv", "xlsx"]

_ROWS_PER_PROGRESS = 500


def write_csv(file: IO[str], entries: Iterable[Entry], columns: Sequence[Field]) -> int:
    """Writes headings and rows; returns the number of rows."""
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow([column.heading for column in columns])
    shown = tuple(columns)
    count = 0
    for entry in entries:
        writer.writerow([protect(text) for text in texts_of(entry, shown)])
        count += 1
    return count


def write_file(
    path: Path,
    form: Format,
    entries: Iterable[Entry],
    columns: Sequence[Field],
    progress: Progress = lambda done, total: None,
) -> int:
    """Writes a file as a whole or not at all; returns the number of rows.

    Raises:
        BadFile: it cannot be written.
    """

    def counted() -> Iterator[Entry]:
        for count, entry in enumerate(entries, 1):
            yield entry
            if count % _ROWS_PER_PROGRESS == 0:
                progress(count, 0)

    with replacing(path) as partial:
        if form == "xlsx":
            return _write_workbook(partial, counted(), columns)
        # with a byte order mark, by which spreadsheets know UTF-8
        with partial.open("w", encoding="utf-8-sig", newline="") as file:
            return write_csv(file, counted(), columns)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file beside `path` that takes its place if the body ends without an error."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        text = error.strerror or str(error)
        raise BadFile(
            f"cannot write {path}",
            text[:1].lower() + text[1:],
            "check the folder, its permissions and the disk",
        ) from None
    finally:
        partial.unlink(missing_ok=True)


def _write_workbook(path: Path, entries: Iterable[Entry], columns: Sequence[Field]) -> int:
    # imported late: CSV does without it
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font

    workbook = Workbook(write_only=True)
    sheet = workbook.create_sheet("CPL")
    sheet.freeze_panes = "B2"

    def cell(text: str, bold: bool = False) -> Any:
        made = WriteOnlyCell(sheet, text)
        # text, whatever it looks like: codes keep their zeros, nothing is a formula
        made.data_type = "s"
        made.number_format = "@"
        if bold:
            made.font = Font(bold=True)
        return made

    sheet.append([cell(column.heading, bold=True) for column in columns])
    _offer_choices(sheet, columns)
    shown = tuple(columns)
    count = 0
    for entry in entries:
        sheet.append([cell(text) if text else None for text in texts_of(entry, shown)])
        count += 1
    workbook.save(path)
    return count


#: What a spreadsheet offers in a column, as it is written there (join options: MP231 3, item 4).
_CHOICES = {
    "device_type": DEVICE_TYPES,
    "status": STATUSES,
    "join_option": tuple(BY_NAME["join_option"].text(option) for option in JOIN_OPTIONS),
    "release_kind": RELEASE_KINDS,
}
_ROWS_MAX = 1_048_576


def _offer_choices(sheet: Any, columns: Sequence[Field]) -> None:
    """A drop-down in each column of choices, in rows that are yet to be filled in, too."""
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.datavalidation import DataValidation

    for at, column in enumerate(columns, 1):
        if column.name in _CHOICES:
            listed = ",".join(_CHOICES[column.name])
            # a warning, since what was listed before MP231 may say something else
            offered = DataValidation("list", f'"{listed}"', allow_blank=True, errorStyle="warning")
            letter = get_column_letter(at)
            offered.add(f"{letter}2:{letter}{_ROWS_MAX}")
            sheet.data_validations.append(offered)
