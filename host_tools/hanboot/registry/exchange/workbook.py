"""XLSX workbooks as streams of rows.

openpyxl finds the worksheets, their texts and their date formats. The rows themselves are taken
straight from the worksheet's XML (ECMA-376 18.3.1): openpyxl makes some ten objects of each cell,
and a list of 100,000 entries has 2.6 million.
"""

from __future__ import annotations

import contextlib
import datetime
import re
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.parsers import expat

from openpyxl.reader.excel import ExcelReader
from openpyxl.styles.stylesheet import apply_stylesheet
from openpyxl.utils.datetime import from_excel, from_ISO8601

from hanboot.errors import BadFile
from hanboot.registry.exchange.table import ErrorValue, Formula, Number, Row, SheetLayout
from hanboot.registry.progress import Progress

# Shared strings are the one part of a workbook that is held in memory: 100,000 entries need 30 MB.
_STRINGS_MAX_BYTES = 512 * 1024 * 1024
_COLUMNS_MAX = 500
_CELL_MAX = 32_767  # characters, as Excel has it
_BLOCK_BYTES = 1 << 16


@contextlib.contextmanager
def rows(path: Path, layout: SheetLayout, progress: Progress) -> Iterator[Iterator[Row]]:
    """The rows of a worksheet from its headings on, blank rows left out.

    Raises:
        BadFile: it is no workbook, it is not said which worksheet, or cells are merged.
    """
    with contextlib.ExitStack() as stack:
        with _explained(path), warnings.catch_warnings():
            # extensions of a workbook that do not concern its cells
            warnings.simplefilter("ignore")
            _refuse_large_texts(path)
            reader = ExcelReader(path, read_only=True, keep_links=False)
            stack.callback(reader.archive.close)
            reader.read_manifest()
            reader.read_strings()
            reader.read_workbook()
            apply_stylesheet(reader.archive, reader.wb)
            part = _part(path, reader, layout.sheet)
            _refuse_merged(path, reader.archive, part, layout.heading_row)
        yield _stream(path, reader, part, layout, progress)


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


def _refuse_large_texts(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        size = sum(
            info.file_size
            for info in archive.infolist()
            if info.filename.lower().endswith("sharedstrings.xml")
        )
    if size > _STRINGS_MAX_BYTES:
        raise BadFile(
            f"cannot read {path}",
            f"its texts unpack to {size // 1_000_000} MB",
            "split it, or save it as CSV",
        )


def _part(path: Path, reader: Any, name: str | None) -> str:
    """Where in the archive the worksheet is."""
    parts: dict[str, str] = {
        sheet.name: relation.target
        for sheet, relation in reader.parser.find_sheets()
        if relation.target in reader.valid_files and "chartsheet" not in relation.Type
    }
    if name is None and len(parts) == 1:
        return next(iter(parts.values()))
    if name in parts:
        return parts[name]
    raise BadFile(
        f"cannot choose a worksheet of {path}",
        f"it has {', '.join(parts) or 'none'}",
        'name one with --sheet, or in a mapping file: sheet = "NAME"',
    )


_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*?ref="([A-Z]+)([0-9]+):([A-Z]+)([0-9]+)"')
_ELEMENT_MAX = 200
_NAMED = 20  # merged ranges that a message names


def _refuse_merged(path: Path, archive: zipfile.ZipFile, part: str, heading_row: int) -> None:
    """Merged cells leave all but the first one empty; that stands behind the rows."""
    found: list[str] = []
    with archive.open(part) as stream:
        kept = b""
        while block := stream.read(_BLOCK_BYTES):
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


def _stream(
    path: Path, reader: Any, part: str, layout: SheetLayout, progress: Progress
) -> Iterator[Row]:
    book = Book(
        reader.shared_strings,
        reader.wb._date_formats,
        reader.wb._timedelta_formats,
        reader.wb.epoch,
    )
    total = reader.archive.getinfo(part).file_size
    with reader.archive.open(part) as stream:
        parser = WorksheetParser(book)
        done = 0
        while True:
            with _explained(path):
                block = stream.read(_BLOCK_BYTES)
                found = parser.feed(block)
            for row in found:
                if row.number >= layout.heading_row and not row.is_blank:
                    yield row
            done += len(block)
            progress(done, total)
            if not block:
                return


# --- the rows of a worksheet


@dataclass(frozen=True)
class Book:
    """What cells refer to: texts by number, styles that make dates of numbers, their day 0."""

    strings: list[str]
    date_styles: Any
    duration_styles: Any
    epoch: datetime.datetime


class WorksheetParser:
    """Takes the XML of a worksheet in pieces, and gives the rows that end in each."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._rows: list[Row] = []
        self._number = 0
        self._cells: list[str] = []
        self._columns: dict[str, int] = {}
        self._names: dict[str, str] = {}
        # of the cell under way
        self._column = -1
        self._type = "n"
        self._style = 0
        self._value: str | None = None
        self._formula: str | None = None
        # text is collected for the element that is open
        self._into = ""
        self._text = ""
        self._phonetic = 0
        self._expat = expat.ParserCreate()
        self._expat.buffer_text = True
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._end
        self._expat.CharacterDataHandler = self._characters
        self._expat.StartDoctypeDeclHandler = self._doctype

    def feed(self, block: bytes) -> list[Row]:
        """The rows that end in `block`; an empty block ends the document.

        Raises:
            BadFile, ValueError, ExpatError: it is no worksheet, or one beyond all bounds.
        """
        self._rows = []
        self._expat.Parse(block, not block)
        return self._rows

    def _local(self, name: str) -> str:
        # some programs give every element a prefix
        self._names[name] = local = name.rpartition(":")[2]
        return local

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        local = self._names.get(name) or self._local(name)
        if local == "c":
            place = attributes.get("r")
            if place is None:
                self._column += 1
            else:
                letters = place.rstrip("0123456789")
                column = self._columns.get(letters)
                self._column = self._column_of(letters) if column is None else column
            self._type = attributes.get("t", "n")
            self._style = int(attributes.get("s", 0))
            self._value = self._formula = None
        elif local in ("v", "t", "f"):
            self._into, self._text = local, ""
        elif local == "row":
            self._number = int(attributes.get("r", self._number + 1))
            self._cells, self._column = [], -1
        elif local == "rPh":
            # how a text is read aloud, in Japanese lists
            self._phonetic += 1

    def _characters(self, text: str) -> None:
        if self._into:
            self._text += text
            if len(self._text) > _CELL_MAX:
                raise ValueError(f"a cell of row {self._number} holds too long a text")

    def _end(self, name: str) -> None:
        local = self._names[name]
        if local == "v":
            self._value, self._into = self._text, ""
        elif local == "t":
            if not self._phonetic:
                self._value = (self._value or "") + self._text
            self._into = ""
        elif local == "c":
            self._end_cell()
        elif local == "f":
            self._formula, self._into = self._text, ""
        elif local == "row":
            self._rows.append(Row(self._number, self._cells))
        elif local == "rPh":
            self._phonetic -= 1

    @staticmethod
    def _doctype(*_: object) -> None:
        raise ValueError("it has a document type, which worksheets have not")

    def _column_of(self, letters: str) -> int:
        column = 0
        for letter in letters[:4]:
            column = column * 26 + ord(letter) - 64
        self._columns[letters] = column - 1
        return column - 1

    def _end_cell(self) -> None:
        text = self._text_of_cell()
        if not text:
            return
        if not 0 <= self._column < _COLUMNS_MAX:
            raise ValueError(
                f"row {self._number} has a cell beyond column {_COLUMNS_MAX}: "
                "is it the right worksheet?"
            )
        cells, missing = self._cells, self._column - len(self._cells)
        if missing > 0:
            cells += [""] * missing
        if missing < 0:
            cells[self._column] = text
        else:
            cells.append(text)

    def _text_of_cell(self) -> str:
        kind, value = self._type, self._value
        if self._formula is not None:
            return Formula(f"={self._formula or '...'}")
        if not value:
            return ""
        if kind == "s":
            return self._book.strings[int(value)].strip()
        if kind in ("inlineStr", "str"):
            return value.strip()
        if kind == "e":
            return ErrorValue(value)
        if kind == "b":
            return "yes" if int(value) else "no"
        if kind == "d":
            return _day_text(from_ISO8601(value))
        number = float(value)
        if self._style in self._book.date_styles:
            return self._date(number)
        if number.is_integer():
            # long ones lose digits as a float
            return Number(int(value) if value.lstrip("-").isdecimal() else int(number))
        return Number(number)

    def _date(self, number: float) -> str:
        is_duration = self._style in self._book.duration_styles
        try:
            return _day_text(from_excel(number, self._book.epoch, timedelta=is_duration))
        except (OverflowError, ValueError):
            return ErrorValue("#VALUE!")


def _day_text(value: Any) -> str:
    if isinstance(value, datetime.datetime):
        # a date without a time of day is midnight
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat()
    return value.isoformat() if isinstance(value, datetime.date) else Number(value)
