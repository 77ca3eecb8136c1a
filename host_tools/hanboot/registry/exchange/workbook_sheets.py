"""The worksheets of a workbook: their names, where they are, and whether they are hidden."""

from __future__ import annotations

import posixpath
import zipfile
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from hanboot.errors import BadFile

# ECMA-376 1 18.2.19 and ECMA-376 2 9.2
_RELATIONS = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
_ID = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
# namespaces of ISO 29500 Strict, for which readers are rare
_STRICT = "http://purl.oclc.org/ooxml/"


@dataclass(frozen=True)
class Sheet:
    """A worksheet. part: its name in the archive."""

    name: str
    part: str
    is_hidden: bool


def find_sheets(path: Path, archive: zipfile.ZipFile) -> list[Sheet]:
    """The worksheets of a workbook, in its order; charts and macros are left out.

    Raises:
        BadFile: it is Strict Open XML.
        KeyError, ParseError: it is no workbook.
    """
    main = next(target for kind, target in _relations(archive, "") if kind == "officeDocument")
    workbook = ElementTree.fromstring(archive.read(main))
    if workbook.tag.startswith("{" + _STRICT):
        raise BadFile(
            f"cannot read {path}",
            "it is a Strict Open XML workbook",
            "save it as Excel Workbook (.xlsx), which is another choice in the same list",
        )
    parts = {
        identifier: target
        for identifier, (kind, target) in _relations_by_id(archive, main).items()
        if kind == "worksheet"
    }
    return [
        Sheet(sheet.get("name", ""), parts[identifier], sheet.get("state", "visible") != "visible")
        for sheet in workbook.iter(f"{_MAIN}sheet")
        if (identifier := sheet.get(_ID, "")) in parts
    ]


def _relations(archive: zipfile.ZipFile, part: str) -> list[tuple[str, str]]:
    return list(_relations_by_id(archive, part).values())


def _relations_by_id(archive: zipfile.ZipFile, part: str) -> dict[str, tuple[str, str]]:
    """(kind, part that it leads to) by ID, of a part or of the whole package."""
    folder, name = posixpath.split(part)
    tree = ElementTree.fromstring(archive.read(posixpath.join(folder, "_rels", f"{name}.rels")))
    found = {}
    for relation in tree.iter(_RELATIONS):
        target = relation.get("Target", "")
        # from the package's root, or from the part's folder
        whole = (
            target[1:]
            if target.startswith("/")
            else posixpath.normpath(posixpath.join(folder, target))
        )
        found[relation.get("Id", "")] = (relation.get("Type", "").rpartition("/")[2], whole)
    return found
