"""CSV files as streams of rows."""

from __future__ import annotations

import contextlib
import csv
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hanboot.errors import BadFile
from hanboot.registry.exchange.table import Row, SheetLayout
from hanboot.registry.progress import Progress

_ROWS_PER_PROGRESS = 500


@contextlib.contextmanager
def rows(path: Path, layout: SheetLayout, progress: Progress) -> Iterator[Iterator[Row]]:
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
        yield _stream(path, text, layout, lambda: progress(raw.tell(), total))


def wrong_encoding(path: Path, why: str, encoding: str = "cp1252") -> BadFile:
    return BadFile(
        f"cannot read {path}",
        why,
        f'save it as "CSV UTF-8", or name its encoding in a mapping file: encoding = "{encoding}"',
    )


def _refuse_separator_line(path: Path, line: str, layout: SheetLayout) -> None:
    """Some programs begin a file with a line that is for Excel alone."""
    if layout.heading_row == 1 and (named := _SEPARATOR_LINE.fullmatch(line.strip())):
        raise BadFile(
            f"cannot read {path}",
            f"line 1 is '{named.group()}', which names a delimiter, and holds no headings",
            "remove that line, or have a mapping file skip it: heading_row = 2 and "
            f'delimiter = "{named.group(1)}"',
        )


_SEPARATOR_LINE = re.compile(r"sep=(.)", re.IGNORECASE)


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
            raise wrong_encoding(self._path, why) from None
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


def _stream(
    path: Path, lines: _DecodedLines, layout: SheetLayout, tell: Callable[[], None]
) -> Iterator[Row]:
    first = next(lines, "")
    _refuse_separator_line(path, first, layout)
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
