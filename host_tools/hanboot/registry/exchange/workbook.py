"""XLSX workbooks as streams of rows, read by openpyxl."""

from __future__ import annotations

import contextlib
import datetime
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl

from hanboot.errors import BadFile
from hanboot.registry.exchange import workbook_bounds, worksheet_scan
from hanboot.registry.exchange.table import (
    Day,
    ErrorValue,
    Formula,
    Number,
    Row,
    SheetLayout,
    TimeOfDay,
    Truth,
    address,
    column_letters,
)
from hanboot.registry.exchange.workbook_bounds import TooMuch
from hanboot.registry.exchange.workbook_sheets import Sheet, find_sheets
from hanboot.registry.exchange.worksheet_scan import ROWS_MAX, SheetFacts
from hanboot.registry.progress import Progress

_ROWS_PER_PROGRESS = 500
_NAMED = 20  # things that a message names


@contextlib.contextmanager
def rows(path: Path, layout: SheetLayout, progress: Progress) -> Iterator[Iterator[Row]]:
    """The rows of a worksheet from its headings on, blank rows left out.

    Raises:
        BadFile: it is no workbook, it is not stated which worksheet, cells are merged, or something
            is hidden that would be read.
    """
    with contextlib.ExitStack() as stack:
        with _explained(path), warnings.catch_warnings():
            # extensions of a workbook that do not concern its cells
            warnings.simplefilter("ignore")
            with zipfile.ZipFile(path) as archive:
                workbook_bounds.check_parts(path, archive)
                sheet = _choose(path, find_sheets(path, archive), layout.sheet)
                facts = worksheet_scan.scan(path, archive, sheet.part)
            _refuse_merged(path, facts, layout.heading_row)
            _refuse_hidden_by_default(path, facts)
            book = openpyxl.load_workbook(path, read_only=True, keep_links=False)
            stack.callback(book.close)
            worksheet = book[sheet.name]
            # what a worksheet says of its size need not be right
            total = worksheet.max_row or 0
            worksheet.reset_dimensions()
        yield _stream(path, worksheet, facts, layout, total, progress)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """A damaged workbook fails in as many ways as XML and ZIP have."""
    try:
        yield
    except (BadFile, OSError):
        raise
    except Exception as error:
        text = str(error).split("\n", 1)[0] or type(error).__name__
        raise BadFile(
            f"cannot read {path}", f"it is no XLSX workbook: {text}", "save it again"
        ) from None


def _choose(path: Path, sheets: list[Sheet], name: str | None) -> Sheet:
    if name is None and len(sheets) == 1 and not sheets[0].is_hidden:
        return sheets[0]
    for sheet in sheets:
        if sheet.name == name:
            return sheet
    listed = [f"{sheet.name} (hidden)" if sheet.is_hidden else sheet.name for sheet in sheets]
    raise BadFile(
        f"cannot choose a worksheet of {path}",
        f"it has {', '.join(listed) or 'none'}",
        'name one with --sheet, or in a mapping file: sheet = "NAME"',
    )


def _refuse_hidden_by_default(path: Path, facts: SheetFacts) -> None:
    if facts.hides_by_default:
        raise BadFile(
            f"cannot read {path}",
            "its rows or columns are hidden by default (sheetFormatPr)",
            "show all of them, and save it again",
        )


def _refuse_merged(path: Path, facts: SheetFacts, heading_row: int) -> None:
    """Merged cells leave all but the first one empty."""
    found = [name for name, last in facts.merged.items() if last >= heading_row]
    if found:
        raise BadFile(
            f"cannot read {path}",
            f"cells are merged: {_listed(found)}",
            "unmerge them and give each row its own value",
        )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _stream(
    path: Path,
    worksheet: Any,
    facts: SheetFacts,
    layout: SheetLayout,
    total: int,
    progress: Progress,
) -> Iterator[Row]:
    cells = worksheet.iter_rows(min_row=1)
    number = 0
    while True:
        with _explained(path):
            found = next(cells, None)
        if found is None:
            break
        number += 1
        if number > ROWS_MAX:
            raise TooMuch(path, f"it has more than {ROWS_MAX} rows")
        if number < layout.heading_row:
            continue
        with _explained(path):
            row = Row(number, _without_end([_text(cell) for cell in found]))
        if not row.is_blank:
            _refuse_hidden(path, row, facts, layout.heading_row)
            yield row
        if number % _ROWS_PER_PROGRESS == 0:
            progress(number, total)
    progress(number, total)


def _refuse_hidden(path: Path, row: Row, facts: SheetFacts, heading_row: int) -> None:
    """Many take 'hidden' for 'deleted', so it is not certain that it was meant."""
    if row.number in facts.hidden_rows or 0 in facts.hidden_rows:
        numbers = sorted(number for number in facts.hidden_rows if number >= heading_row)
        raise BadFile(
            f"cannot read {path}",
            f"rows are hidden, or filtered out: {_listed([str(number) for number in numbers])}",
            "show them, or delete them, and save it again",
        )
    for column, text in enumerate(row.cells) if facts.hidden_columns else ():
        if text and facts.is_hidden_column(column):
            raise BadFile(
                f"cannot read {path}",
                f"the column {column_letters(column)} is hidden, and {address(row.number, column)} "
                "holds something",
                "show it, or delete it, and save it again",
            )


# --- cells


def _without_end(texts: list[str]) -> list[str]:
    """The cells without the empty ones at the end, which may be formatted."""
    while texts and not texts[-1]:
        texts.pop()
    return texts


def _text(cell: Any) -> str:
    value = cell.value
    if value is None:
        return ""
    kind = cell.data_type
    if kind == "f":
        return Formula(value if isinstance(value, str) else "=...")
    if kind == "e":
        return ErrorValue(value)
    if isinstance(value, bool):
        return Truth("yes" if value else "no")
    if isinstance(value, (int, float)):
        # long ones lose digits as a float
        return Number(int(value) if float(value).is_integer() else value)
    if isinstance(value, (datetime.datetime, datetime.date)):
        return _day(value)
    if isinstance(value, (datetime.time, datetime.timedelta)):
        return TimeOfDay(value)
    return str(value).strip()


def _day(value: datetime.date) -> Day:
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        # a date without a time of day is midnight
        return Day(value.date().isoformat())
    return Day(value.isoformat())
