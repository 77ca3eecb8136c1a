"""CSV and XLSX files as streams of rows, a few in memory at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from hanboot.errors import BadFile
from hanboot.registry.exchange import csv_file
from hanboot.registry.exchange.table import Row, SheetLayout
from hanboot.registry.progress import Progress

# MS-CFB 2.2: what Excel wrote before 2007, and what it wraps an encrypted workbook in
_COMPOUND_FILE = b"\xd0\xcf\x11\xe0"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")  # MS-OFFCRYPTO 1.3.2


@contextlib.contextmanager
def rows(
    path: Path, layout: SheetLayout, progress: Progress = lambda done, total: None
) -> Iterator[Iterator[Row]]:
    """The rows of a file from its headings on, blank rows left out.

    Raises:
        BadFile: it cannot be read, is neither CSV nor XLSX, is of another encoding, or has merged
            cells.
    """
    with _explained(path):
        with path.open("rb") as file:
            start = file.read(512)
        if other := _other_kind(start):
            raise BadFile(
                f"cannot read {path}",
                f"it is {other}, whatever its name says",
                "save it as Excel Workbook (.xlsx), or as CSV UTF-8",
            )
        if start.startswith(b"PK"):
            # imported late: CSV does without it
            from hanboot.registry.exchange import workbook

            with workbook.rows(path, layout, progress) as stream:
                yield stream
            return
        if start.startswith(_COMPOUND_FILE):
            raise _compound_file(path)
        if start[:2] in (b"\xff\xfe", b"\xfe\xff") and layout.encoding == "utf-8":
            raise csv_file.wrong_encoding(path, "it is UTF-16, not UTF-8", "utf-16")
        if layout.encoding == "utf-8" and start.count(0) >= len(start) // 3 > 0:
            order = "le" if start[0] else "be"
            why = "it is UTF-16 without a byte order mark, not UTF-8"
            raise csv_file.wrong_encoding(path, why, f"utf-16-{order}")
        with csv_file.rows(path, layout, progress) as stream:
            yield stream


def _other_kind(start: bytes) -> str | None:
    """What a file is that is often called .xls or .csv, and is neither CSV nor a workbook."""
    if start.startswith(b"PK") and b"opendocument" in start:
        return "an OpenDocument spreadsheet (.ods)"
    if start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<":
        return "a web page or another XML file"
    if start.startswith(b"%PDF"):
        return "a PDF file"
    return None


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        text = error.strerror or str(error)
        raise BadFile(
            f"cannot read {path}", text[:1].lower() + text[1:], "check the name and permissions"
        ) from None


def _compound_file(path: Path) -> BadFile:
    with path.open("rb") as file:
        is_encrypted = any(_ENCRYPTED in block for block in iter(lambda: file.read(1 << 20), b""))
    if is_encrypted:
        return BadFile(
            f"cannot read {path}",
            "it is an Excel workbook with a password",
            "save it without a password: File, Info, Protect Workbook",
        )
    return BadFile(
        f"cannot read {path}",
        "it is an Excel 97-2003 workbook (.xls)",
        "save it as Excel Workbook (.xlsx), or as CSV UTF-8",
    )
