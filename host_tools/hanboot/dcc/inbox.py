"""The user's side of what the DSP sends later: a WSGI application that keeps what is right.

Each document is checked - the DSP's signature, and with a schema its validity - before it is
written. 204 means that it is kept; 400 that it is not, and the DSP sends it again.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hanboot import files
from hanboot.dcc.http_server import Problem, one_line, read_document, respond
from hanboot.duis import parsing, signature
from hanboot.duis.describe import describe
from hanboot.duis.schema import DuisSchema
from hanboot.errors import BadFile, HanbootError
from hanboot.trust.smki.certificate import Certificate

_NAME = re.compile(r"(\d{5,})-\w+-([0-9a-f]{16})\.xml")


class Inbox:
    """Keeps responses and alerts as files of a folder, named by their order and kind.

    Args:
        folder: is there already.
        certificates: of the DSP.
        schema: that documents must be valid by; None leaves that out.
        on_document: called with a line of text for each.
    """

    def __init__(
        self,
        folder: Path,
        certificates: Sequence[Certificate],
        schema: DuisSchema | None = None,
        on_document: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._folder = folder
        self._certificates = certificates
        self._schema = schema
        self._on_document = on_document
        # one document at a time, so that no two get one number
        self._keeping = threading.Lock()
        found = [name for path in folder.iterdir() if (name := _NAME.fullmatch(path.name))]
        self._last = max((int(name[1]) for name in found), default=0)
        self._digests = {name[2] for name in found}

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        try:
            self.keep(read_document(environ))
        except Problem as problem:
            return respond(start, problem.status, f"{problem}\n".encode())
        except HanbootError as error:
            return respond(start, "400 Bad Request", one_line(error))
        start("204 No Content", [])
        return []

    def keep(self, octets: bytes) -> None:
        """Keeps a document, once.

        Raises:
            HanbootError: it is not the DSP's, or not valid.
        """
        root = parsing.parse(octets)
        if self._schema:
            self._schema.check(root, "the document")
        described = describe(root)
        if described["document"] != "response":
            raise BadFile("the document is no response", "it is a request", "send what answers")
        signature.verify(root, self._certificates, None)
        digest = hashlib.sha256(octets).hexdigest()[:16]
        with self._keeping:
            # sent again, because our answer got lost
            if digest in self._digests:
                return
            name = f"{self._last + 1:05d}-{described['kind']}-{digest}.xml"
            files.write(self._folder / name, octets)
            self._last += 1
            self._digests.add(digest)
        self._on_document(f"{name}: {described['response_code']} {described['response']}")
