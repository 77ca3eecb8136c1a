"""What a workbook may unpack to, checked before anything of it is opened.

A workbook is a ZIP archive of XML, and a few kilobytes of it can unpack to anything. Sizes that the
archive states are what Python's zipfile reads at most, so they are a bound on the octets.
`worksheet_scan` bounds what a reader makes of those of a worksheet.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

from hanboot.errors import BadFile

_MB = 1_000_000
#: 100,000 entries are 0.2 GB of worksheet; it is read as a stream.
WORKSHEET_MAX_BYTES = 1000 * _MB
#: Texts are held in memory: 100,000 entries have 60 MB, a million strings.
STRINGS_MAX_BYTES = 256 * _MB
STRINGS_MAX = 4_000_000
#: Styles, relations and so on, of which readers make trees.
PART_MAX_BYTES = 16 * _MB
PARTS_MAX = 2000
ALL_MAX_BYTES = 2000 * _MB

_BLOCK_BYTES = 1 << 20


class TooMuch(BadFile):
    """A workbook unpacks to more than is read."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"cannot read {path}", why, "split it, or save the worksheet alone, or as CSV UTF-8"
        )


def check_parts(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuses an archive that unpacks to more than a workbook needs.

    Raises:
        TooMuch: some part of it, or all together, is too large.
        BadFile: a part is XML with a document type, or in another encoding than UTF-8.
    """
    parts = archive.infolist()
    if len(parts) > PARTS_MAX:
        raise TooMuch(path, f"it has {len(parts)} parts, at most {PARTS_MAX} are read")
    total = sum(part.file_size for part in parts)
    if total > ALL_MAX_BYTES:
        raise TooMuch(path, f"it unpacks to {total // _MB} MB, at most {ALL_MAX_BYTES // _MB}")
    for part in parts:
        most = _most_bytes(part.filename)
        if part.file_size > most:
            raise TooMuch(
                path,
                f"its part {part.filename[:100]!r} unpacks to {part.file_size // _MB} MB, "
                f"at most {most // _MB} MB",
            )
    for part in parts:
        if part.filename.lower().endswith((".xml", ".rels")):
            _check_xml(path, archive, part)


def _most_bytes(name: str) -> int:
    lowered = name.lower()
    if lowered.endswith("sharedstrings.xml"):
        return STRINGS_MAX_BYTES
    return WORKSHEET_MAX_BYTES if "worksheets/" in lowered else PART_MAX_BYTES


def _check_xml(path: Path, archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    is_strings = part.filename.lower().endswith("sharedstrings.xml")
    strings = 0
    with archive.open(part) as stream:
        start = block = stream.read(_BLOCK_BYTES)
        while is_strings and block:
            strings += block.count(b"<si") + block.count(b":si")
            block = stream.read(_BLOCK_BYTES)
    # ECMA-376 2 9.1.7: no document type, whose entities could unpack without end
    is_plain = start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"<", b"")
    if b"<!DOCTYPE" in start or b"\0" in start or not is_plain:
        raise BadFile(
            f"cannot read {path}",
            f"its part {part.filename[:100]!r} is not plain XML in UTF-8",
            "save it again with a spreadsheet program",
        )
    if strings > STRINGS_MAX:
        raise TooMuch(path, f"it holds {strings} texts, at most {STRINGS_MAX} are read")
