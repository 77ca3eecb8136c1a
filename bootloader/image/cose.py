# The envelope: a tagged COSE_Sign1 (RFC 9052 4.2) at the front of our Manufacturer Images.
#
#   D2 84                     tag 18, array of 4
#   43 A1 01 26               protected   {1: -7}, ES256
#   A1 04 48 kid[8]           unprotected {4: kid}, an 8-byte subject key identifier
#   58 nn | 59 nnnn content   the manifest
#   58 40 signature[64]       r || s
#
# Deterministic encoding leaves no choice but kid, content and signature, so it is read as the
# fixed template it is: its length is known from the first 20 bytes.
#
# From a signature (r, s) anyone can write (r, n - s), which verifies as well and
# gives the same image another Manufacturer Image Hash. So s must be the lower of the two: a
# signed manifest and payload have one hash, and a predecessor named by hash is that image alone.

import hashlib

from hanbootloader.compat import const
from hanbootloader.reasons import ENVELOPE, HIGH_S_SIGNATURE, Refused

# fmt: off
ENVELOPE_MAX_BYTES = const(2048)  # the whole envelope, signature included
HEAD_BYTES         = const(20)    # enough to know the length
KID_BYTES          = const(8)
_KID_AT            = const(9)
_CONTENT_AT        = const(17)    # byte string head of the content
_SIGNATURE_BYTES   = const(66)    # 58 40 and 64 bytes
# fmt: on

PREFIX = b"\xd2\x84\x43\xa1\x01\x26\xa1\x04\x48"

# n / 2, rounded down; n is the order of P-256
_HALF_ORDER = (
    b"\x7f\xff\xff\xff\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff"
    b"\xde\x73\x7d\x56\xd3\x8b\xcf\x42\x79\xdc\xe5\x61\x7e\x31\x92\xa8"
)

# Sig_structure up to the content: ["Signature1", protected, external_aad = '', ...], RFC 9052 4.4
SIG_STRUCTURE = b"\x84\x6aSignature1\x43\xa1\x01\x26\x40"


# (where the content begins, bytes of the whole envelope), from its first HEAD_BYTES bytes.
def _measure(head: "bytes | bytearray | memoryview") -> "tuple[int, int]":
    if bytes(head[:_KID_AT]) != PREFIX:
        raise Refused(ENVELOPE, 0)
    code = head[_CONTENT_AT]
    if code == 0x58 and head[_CONTENT_AT + 1] >= 24:
        at, length = _CONTENT_AT + 2, head[_CONTENT_AT + 1]
    elif code == 0x59 and head[_CONTENT_AT + 1]:
        at, length = _CONTENT_AT + 3, head[_CONTENT_AT + 1] << 8 | head[_CONTENT_AT + 2]
    else:
        raise Refused(ENVELOPE, _CONTENT_AT)
    total = at + length + _SIGNATURE_BYTES
    if total > ENVELOPE_MAX_BYTES:
        raise Refused(ENVELOPE, _CONTENT_AT)
    return at, total


# Bytes of the envelope that begins with `head`; Refused(ENVELOPE) if it cannot be one of ours.
def envelope_bytes(head: "bytes | bytearray | memoryview") -> int:
    return _measure(head)[1]


class Envelope:
    # data: exactly one envelope; kept, not copied
    def __init__(self, data: "bytes | memoryview") -> None:
        data = memoryview(data)
        if len(data) < HEAD_BYTES:
            raise Refused(ENVELOPE, len(data))
        self.content_at, self.total_bytes = _measure(data)
        end = self.total_bytes - _SIGNATURE_BYTES
        if len(data) != self.total_bytes:
            raise Refused(ENVELOPE, len(data))
        if data[end] != 0x58 or data[end + 1] != 0x40:
            raise Refused(ENVELOPE, end)
        self.kid = bytes(data[_KID_AT:_CONTENT_AT])
        self.content = data[self.content_at : end]
        self.signature = data[end + 2 :]
        if bytes(self.signature[32:]) > _HALF_ORDER:
            raise Refused(HIGH_S_SIGNATURE, end + 34)
        self._data = data

    # SHA-256 of the Sig_structure: what the manufacturer signed.
    def digest(self) -> bytes:
        sha = hashlib.sha256(SIG_STRUCTURE)
        sha.update(self._data[_CONTENT_AT:-_SIGNATURE_BYTES])
        return sha.digest()

    # Whether `image` begins with these very bytes.
    def is_prefix_of(self, image: memoryview) -> bool:
        return image[: len(self._data)] == self._data
