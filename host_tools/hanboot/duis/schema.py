"""Validation against DUIS's schema, where the user has it: it is not part of hanboot.

libxml2 silently leaves out an imported schema whose file name has spaces in it, as the published
ones have, and then fails with "HeaderType does not resolve". So the folder holds copies without
spaces, and the import in the DUIS schema names them.
"""

from __future__ import annotations

from pathlib import Path

from lxml import etree

from hanboot import files
from hanboot.duis.parsing import Element
from hanboot.errors import BadFile


class DuisSchema:
    """The schema of DUIS in a folder.

    Args:
        folder: holds one DUIS*.xsd, and what it imports.

    Raises:
        BadFile: it does not, or libxml2 cannot load it.
    """

    def __init__(self, folder: Path) -> None:
        found = sorted(folder.glob("DUIS*.xsd")) if files.is_folder(folder) else []
        if len(found) != 1:
            raise BadFile(
                f"{folder} does not hold the schema of DUIS",
                f"{len(found)} files are named DUIS*.xsd",
                "name a folder with one of them, and the schemas that it imports",
            )
        self.name = found[0].name
        parser = etree.XMLParser(no_network=True, resolve_entities=False, load_dtd=False)
        try:
            self._schema = etree.XMLSchema(etree.parse(str(found[0]), parser))
        except (etree.XMLSchemaParseError, etree.XMLSyntaxError, OSError) as error:
            raise BadFile(
                f"{found[0]} cannot be loaded",
                " ".join(str(error).split()),
                "rename the schemas so that no name has spaces, and set schemaLocation alike",
            ) from None

    def check(self, root: Element, name: str) -> None:
        """
        Raises:
            BadFile: the document is not valid.
        """
        if self._schema.validate(root):
            return
        error = self._schema.error_log[0]
        # a message may quote a whole image
        text = " ".join(error.message[:300].split())
        raise BadFile(
            f"{name} is not valid by {self.name}",
            f"line {error.line}: {text}",
            "send what the schema describes",
        )
