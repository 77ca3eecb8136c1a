"""CSV and XLSX files as streams of rows, a few in memory at a time.

A cell is text, or it is text that came from something else: `Number`, `Formula`, `ErrorValue`.
What to make of those depends on the column, so it is left to the reader of the rows.
"""

from __future__ import annotations

import contextlib
import csv
import datetime
import io
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hanboot.errors import BadFile

#: Called with how much was read, and how much there is (0 if that is not known).
Progress = Callable[[int, int], None]

# Shared strings are the one part of a workbook that is held in memory: 100,000 entries need 30 MB.
_STRINGS_MAX_BYTES = 512 * 1024 * 1024
_ROWS_PER_PROGRESS = 500
_COLUMNS_MAX = 500


class Number(str):
    """A cell that a spreadsheet holds as a number: leading zeros are gone."""


class Formula(str):
    """A cell with a formula."""


class ErrorValue(str):
    """A cell with an error, such as #REF!"""


@dataclass(frozen=True)
class Row:
    """One row. number: as a spreadsheet counts, from 1."""

    number: int
    cells: list[str]

    @property
    def is_blank(self) -> bool:
        return not any(cell for cell in self.cells)


@dataclass(frozen=True)
class Layout:
    """How a file is to be read.

    Attributes:
        sheet: name of the worksheet; None if the workbook has only one.
        heading_row: number of the row with the headings.
        encoding: of a CSV file.
        delimiter: of a CSV file; None finds it out from the headings.
    """

    sheet: str | None = None
    heading_row: int = 1
    encoding: str = "utf-8"
    delimiter: str | None = None


def address(row: int, column: int) -> str:
    """A cell as spreadsheets name it: row 7, column 0 is A7."""
    letters = ""
    column += 1
    while column:
        column, letter = divmod(column - 1, 26)
        letters = chr(65 + letter) + letters
    return f"{letters}{row}"


@contextlib.contextmanager
def rows(
    path: Path, layout: Layout, progress: Progress = lambda done, total: None
) -> Iterator[Iterator[Row]]:
    """The rows of a file from its headings on, blank rows left out.

    Raises:
        BadFile: it cannot be read, is neither CSV nor XLSX, is of another encoding, or has merged
            cells.
    """
    with _explained(path):
        with path.open("rb") as file:
            start = file.read(8)
        if start.startswith(b"PK"):
            with _workbook_rows(path, layout, progress) as stream:
                yield stream
            return
        if start.startswith(b"\xd0\xcf\x11\xe0"):
            raise BadFile(
                f"cannot read {path}",
                "it is an old Excel file (.xls), or one with a password",
                "save it as XLSX without a password, or as CSV UTF-8",
            )
        if start[:2] in (b"\xff\xfe", b"\xfe\xff") and layout.encoding == "utf-8":
            raise _wrong_encoding(path, "it is UTF-16, not UTF-8")
        with _csv_rows(path, layout, progress) as stream:
            yield stream


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        text = error.strerror or str(error)
        raise BadFile(
            f"cannot read {path}", text[:1].lower() + text[1:], "check the name and permissions"
        ) from None


def _wrong_encoding(path: Path, why: str) -> BadFile:
    return BadFile(
        f"cannot read {path}",
        why,
        'save it as "CSV UTF-8", or name its encoding in a mapping file: encoding = "cp1252"',
    )


# --- CSV


@contextlib.contextmanager
def _csv_rows(path: Path, layout: Layout, progress: Progress) -> Iterator[Iterator[Row]]:
    encoding = "utf-8-sig" if layout.encoding.lower() in ("utf-8", "utf8") else layout.encoding
    total = path.stat().st_size
    with path.open("rb") as raw:
        try:
            text = _DecodedLines(raw, encoding, path)
        except LookupError:
            raise BadFile(
                f"cannot read {path}",
                f"there is no encoding {layout.encoding}",
                "name one that Python knows, e.g. utf-8, cp1252 or utf-16",
            ) from None
        yield _csv_stream(path, text, layout, lambda: progress(raw.tell(), total))


class _DecodedLines:
    """Lines of a file, ends kept as they are; a line that is of another encoding is named."""

    def __init__(self, raw: Any, encoding: str, path: Path) -> None:
        self._lines = io.TextIOWrapper(raw, encoding=encoding, newline="")
        self._encoding = encoding.removesuffix("-sig")
        self._path = path

    def __iter__(self) -> _DecodedLines:
        return self

    def __next__(self) -> str:
        try:
            line = next(self._lines)
        except UnicodeError as error:
            why = f"it is not {self._encoding.upper()}"
            if self._encoding == "utf-8" and isinstance(error, UnicodeDecodeError):
                why = _first_fault(self._path)
            raise _wrong_encoding(self._path, why) from None
        return line


def _first_fault(path: Path) -> str:
    # the decoder works on blocks, so look for the line again
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode("utf-8-sig")
            except UnicodeDecodeError as error:
                octet = line[error.start]
                return f"line {number} has an octet 0x{octet:02X} that is not UTF-8"
    return "it is not UTF-8"


def _csv_stream(
    path: Path, lines: _DecodedLines, layout: Layout, tell: Callable[[], None]
) -> Iterator[Row]:
    first = next(lines, "")
    number = 1
    while number < layout.heading_row:
        first, number = next(lines, ""), number + 1
    delimiter = layout.delimiter or max(",;\t", key=first.count)

    def all_lines() -> Iterator[str]:
        yield first
        yield from lines

    reader = csv.reader(all_lines(), delimiter=delimiter, strict=True)
    number -= 1
    try:
        for cells in reader:
            number += 1
            row = Row(number, [unprotect(cell.strip()) for cell in cells])
            if not row.is_blank:
                yield row
            if number % _ROWS_PER_PROGRESS == 0:
                tell()
    except csv.Error as error:
        raise BadFile(
            f"cannot read {path}",
            f"row {number + 1} is no CSV: {error}",
            "a quotation mark that opens must close; export the file again",
        ) from None
    tell()


# what a spreadsheet would take for a formula, with the quotes that already protect it
_FORMULA_LIKE = re.compile(r"'*[=+@-]")


def protect(text: str) -> str:
    """A CSV cell that no spreadsheet takes for a formula; `unprotect` gives the text again."""
    return f"'{text}" if _FORMULA_LIKE.match(text) else text


def unprotect(text: str) -> str:
    return text[1:] if text.startswith("'") and _FORMULA_LIKE.match(text) else text


# --- XLSX


@contextlib.contextmanager
def _workbook_rows(path: Path, layout: Layout, progress: Progress) -> Iterator[Iterator[Row]]:
    # imported late: CSV does without it
    from openpyxl import load_workbook

    try:
        with zipfile.ZipFile(path) as archive:
            strings = sum(
                info.file_size
                for info in archive.infolist()
                if info.filename.lower().endswith("sharedstrings.xml")
            )
        if strings > _STRINGS_MAX_BYTES:
            raise BadFile(
                f"cannot read {path}",
                f"its texts unpack to {strings // 1_000_000} MB",
                "split it, or save it as CSV",
            )
        with warnings.catch_warnings():
            # extensions of a workbook that do not concern its cells
            warnings.simplefilter("ignore")
            workbook = load_workbook(path, read_only=True, data_only=False, keep_links=False)
    except BadFile:
        raise
    except OSError:
        raise
    # a damaged workbook fails in as many ways as XML and ZIP have
    except Exception as error:
        raise _damaged(path, error) from None
    try:
        sheet = _sheet(path, workbook, layout.sheet)
        _refuse_merged(path, sheet, layout.heading_row)
        yield _workbook_stream(path, sheet, layout, progress)
    finally:
        workbook.close()


def _damaged(path: Path, error: Exception) -> BadFile:
    text = str(error).split("\n", 1)[0] or type(error).__name__
    return BadFile(f"cannot read {path}", f"it is no XLSX workbook: {text}", "save it again")


def _sheet(path: Path, workbook: Any, name: str | None) -> Any:
    names = [sheet.title for sheet in workbook.worksheets]
    if name is None and len(names) == 1:
        return workbook.worksheets[0]
    if name in names:
        return workbook[name]
    raise BadFile(
        f"cannot choose a worksheet of {path}",
        f"it has {', '.join(names) or 'none'}",
        'name one with --sheet, or in a mapping file: sheet = "NAME"',
    )


_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*?ref="([A-Z]+)([0-9]+):([A-Z]+)([0-9]+)"')
_BLOCK_BYTES = 1 << 20
_ELEMENT_MAX = 200
_NAMED = 20  # merged ranges that a message names


def _refuse_merged(path: Path, sheet: Any, heading_row: int) -> None:
    """Merged cells leave all but the first one empty; openpyxl does not tell while it streams."""
    found: list[str] = []
    with sheet.parent._archive.open(sheet._worksheet_path) as part:
        kept = b""
        while block := part.read(_BLOCK_BYTES):
            text = kept + block
            found += [
                f"{start.decode()}{first.decode()}:{end.decode()}{last.decode()}"
                for start, first, end, last in _MERGED.findall(text)
                if int(last) >= heading_row
            ]
            # an element may stand across two blocks; one that was found is not found again
            kept = text[max(text.rfind(b">") + 1, len(text) - _ELEMENT_MAX) :]
    if found:
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        raise BadFile(
            f"cannot read {path}",
            f"cells are merged: {', '.join(found[:_NAMED])}{more}",
            "unmerge them and give each row its own value",
        )


def _workbook_stream(path: Path, sheet: Any, layout: Layout, progress: Progress) -> Iterator[Row]:
    total = sheet.max_row or 0
    # the dimension that a file declares can be wrong
    sheet.reset_dimensions()
    number = layout.heading_row - 1
    try:
        for cells in sheet.iter_rows(min_row=layout.heading_row):
            number += 1
            while cells and cells[-1].value is None:
                cells = cells[:-1]
            if len(cells) > _COLUMNS_MAX:
                raise BadFile(
                    f"cannot read {path}",
                    f"row {number} has {len(cells)} columns",
                    f"a register has at most {_COLUMNS_MAX}: is it the right worksheet?",
                )
            row = Row(number, [_cell_text(cell) for cell in cells])
            if not row.is_blank:
                yield row
            if number % _ROWS_PER_PROGRESS == 0:
                progress(number, max(total, number))
    except BadFile:
        raise
    except Exception as error:
        if type(error).__module__.startswith("hanboot"):
            raise
        raise _damaged(path, error) from None
    progress(number, number)


def _cell_text(cell: Any) -> str:
    value, kind = cell.value, cell.data_type
    if value is None:
        return ""
    if kind == "f":
        return Formula(value if isinstance(value, str) else "=...")
    if kind == "e":
        return ErrorValue(value)
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime.datetime):
        # a date without a time of day is midnight
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat()
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return Number(int(value))
    return Number(value)
