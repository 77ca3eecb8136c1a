"""A COSE_Sign1 (RFC 9052 4.2) around a map of deterministic CBOR, of any length.

The form of an image's envelope, for files that no device reads: snapshots of the CPL, permits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hanboot.errors import BadFile
from hanboot.trust.keys import SIGNATURE_BYTES, PublicKey
from hanbootloader.image import cbor, writer

# tag 18 around an array of four, RFC 9052 4.2
_HEAD = cbor.encode_head(6, 18) + cbor.encode_head(4, 4)
_PROTECTED = cbor.encode({1: -7})  # ES256
_KID = 4
#: Key of the format, by which a reader knows what it holds.
FORMAT = 0


def is_signed_cbor(octets: bytes) -> bool:
    """Whether octets begin as such a file does."""
    return octets.startswith(_HEAD)


def encode(fields: dict[int, Any], kid: bytes, sign: Callable[[bytes], bytes]) -> bytes:
    """
    Args:
        kid: identifier of the key, 8 octets.
        sign: gives r || s over the SHA-256 of what it is called with.
    """
    content = cbor.encode(fields)
    parts = (_PROTECTED, {_KID: kid}, content, sign(writer.to_be_signed(content)))
    return _HEAD + b"".join(cbor.encode(part) for part in parts)


@dataclass(frozen=True)
class SignedCbor:
    """What such a file holds. kid: of the key that it says signed it."""

    kid: bytes
    content: bytes
    signature: bytes

    def is_signed_by(self, key: PublicKey) -> bool:
        to_be_signed = writer.to_be_signed(self.content)
        return self.kid == key.kid and key.is_signature(to_be_signed, self.signature)

    def fields(self) -> Any:
        """The map, or whatever else was signed.

        Raises:
            ValueError, hanbootloader.reasons.Refused: it is not deterministic CBOR.
        """
        return cbor.decode(self.content)

    def fields_of(self, form: object, last_key: int, name: str) -> Any:
        """The map of a file that states its format.

        Args:
            form: the format that is understood.
            last_key: the highest key of it. Even keys must be understood; odd ones beyond are of a
                later version, and left alone.
            name: of the file, for the message.

        Raises:
            BadFile: it is of a later format.
            ValueError, TypeError, LookupError, hanbootloader.reasons.Refused: it holds no such map.
        """
        fields = self.fields()
        unknown = [key for key in fields if key % 2 == 0 and key > last_key]
        if fields[FORMAT] != form or unknown:
            raise BadFile(
                f"{name} is of a later format",
                "it holds rules that this version does not know",
                "use a newer hanboot",
            )
        return fields


def decode(octets: bytes) -> SignedCbor:
    """
    Raises:
        ValueError, hanbootloader.reasons.Refused: it is no such file.
    """
    if not is_signed_cbor(octets):
        raise ValueError
    reader = cbor.Reader(octets)
    reader.take(len(_HEAD))
    protected, unprotected, content, signature = (reader.item() for _ in range(4))
    if protected != _PROTECTED or reader.position != len(octets):
        raise ValueError
    kid = unprotected.get(_KID) if isinstance(unprotected, dict) else None
    if not (isinstance(kid, bytes) and isinstance(content, bytes)):
        raise ValueError
    if not isinstance(signature, bytes) or len(signature) != SIGNATURE_BYTES:
        raise ValueError
    return SignedCbor(kid, content, signature)
