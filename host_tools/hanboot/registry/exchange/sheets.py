"""CSV and XLSX files as streams of rows, a few in memory at a time.

A cell is text, or it is text that came from something else: `Number`, `Formula`, `ErrorValue`.
What to make of those depends on the column, so it is left to the reader of the rows.
"""

from __future__ import annotations

import contextlib
import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hanboot.errors import BadFile

#: Called with how much was read, and how much there is (0 if that is not known).
Progress = Callable[[int, int], None]

_ROWS_PER_PROGRESS = 500


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
            # imported late: CSV does without it
            from hanboot.registry.exchange import workbook

            with workbook.rows(path, layout, progress) as stream:
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
