"""A trust anchor cell and the signature that lets it in, as a file.

    head of the cell (176), signature r || s (64) over what `update_to_be_signed` says of it

`hanboot keys successor` writes it, `hanboot board anchors update` gives it to devices.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from hanboot import files
from hanboot.errors import BadFile
from hanboot.trust.keys import SIGNATURE_BYTES, PrivateKey, PublicKey
from hanbootloader.reasons import Refused
from hanbootloader.trust import cell
from hanbootloader.trust.p256 import is_public_key

FILE_BYTES = cell.HEAD_BYTES + SIGNATURE_BYTES


@dataclass(frozen=True)
class Successor:
    """A signed cell.

    Attributes:
        head: of the cell.
        signature: r || s, by the key that it succeeds or by the manufacturer's.
    """

    head: bytes
    signature: bytes

    @property
    def cell(self) -> cell.Cell:
        return cell.Cell(self.head)

    def encode(self) -> bytes:
        return self.head + self.signature

    def is_signed_by(self, key: PublicKey) -> bool:
        return key.is_signature(cell.update_to_be_signed(self.head), self.signature)


def make(head: bytes, signer: PrivateKey) -> Successor:
    """Signs the cell with `head` by the key that a device holds."""
    return Successor(head, signer.sign(cell.update_to_be_signed(head)))


def load(path: Path) -> Successor:
    """A file that `hanboot keys successor` wrote.

    Raises:
        BadFile: it is none, or its bytes changed.
    """
    octets = files.read(path, files.TEXT_MAX_BYTES)
    found = Successor(octets[: cell.HEAD_BYTES], octets[cell.HEAD_BYTES :])
    try:
        parsed = found.cell
        if len(octets) != FILE_BYTES or parsed.is_old or not is_public_key(parsed.key):
            raise Refused(0, len(octets))
    except Refused as refused:
        digest = hashlib.sha256(octets).hexdigest()[:16]
        raise BadFile(
            f"{path} is not a signed trust anchor cell",
            f"it holds {len(octets)} bytes (SHA-256 {digest}…), not the {FILE_BYTES} of one, or "
            f"its field at offset {refused.offset} is wrong",
            "make it again: hanboot keys successor",
        ) from None
    return found
