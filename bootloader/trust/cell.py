# One trust anchor cell: the head that names a key and what it is for. Format 2; format 1 is read to
# be migrated.
#
#   0  "HBAC"  4  format 2  5  role  6  key usage  7  flags  8  key identifier (8)
#   16  public key x || y (64)  80  sequence (4, little-endian)
#   84  manufacturer code (2)  86  image type (2): of the devices that take it, FFFF for any
#   88  EUI-64 of who holds the private key (8)  96  label (24, UTF-8, zero padded)  120  zero (24)
#   144  SHA-256 of the 144 bytes before

import hashlib
import struct

from hanbootloader.compat import const
from hanbootloader.reasons import ANCHOR_MALFORMED, Refused
from hanbootloader.trust import p256
from hanbootloader.trust.kid import kid_of

# fmt: off
# roles: GBCS RemotePartyRole
SUPPLIER              = const(2)
ACCESS_CONTROL_BROKER = const(4)
MANUFACTURER          = const(127)  # 'other': GBCS has no role for it
# key usages: bits of RFC 5280 4.2.1.3
DIGITAL_SIGNATURE     = const(0)
KEY_AGREEMENT         = const(4)
DEVELOPMENT           = const(0x01) # flag: the private key is a development key
ANY                   = const(0xFFFF)  # manufacturer code, image type: of any device
HEAD_BYTES            = const(176)
LABEL_BYTES           = const(24)
SEQUENCE_STEP         = const(0x10000)  # a successor's sequence is above by less than this
_SIGNED_BYTES         = const(144)
_FORMAT               = const(2)
_OLD_FORMAT           = const(1)
# fmt: on

_MAGIC = b"HBAC"
_UPDATE = b"hanboot anchor update\0"  # keeps this signature apart from every other
ANYONE = b"\xff" * 8  # EUI-64 of no one in particular

_USES = (
    (MANUFACTURER, DIGITAL_SIGNATURE),
    (SUPPLIER, DIGITAL_SIGNATURE),
    (SUPPLIER, KEY_AGREEMENT),
    (ACCESS_CONTROL_BROKER, DIGITAL_SIGNATURE),
    (ACCESS_CONTROL_BROKER, KEY_AGREEMENT),
)


class Cell:
    # head: HEAD_BYTES bytes; Refused(ANCHOR_MALFORMED) with the offset of the field at fault
    def __init__(self, head: "bytes | memoryview") -> None:
        head = bytes(head)
        if len(head) != HEAD_BYTES or head[:4] != _MAGIC:
            raise Refused(ANCHOR_MALFORMED, 0)
        if head[4] != _FORMAT and head[4] != _OLD_FORMAT:
            raise Refused(ANCHOR_MALFORMED, 4)
        if hashlib.sha256(head[:_SIGNED_BYTES]).digest() != head[_SIGNED_BYTES:]:
            raise Refused(ANCHOR_MALFORMED, _SIGNED_BYTES)
        self.head = head
        self.role = head[5]
        self.key = head[16:80]
        self.sequence = struct.unpack_from("<I", head, 80)[0]
        # no table: the slow way of verifying
        self.table: "memoryview | None" = None
        self.is_old = head[4] == _OLD_FORMAT
        if self.is_old:
            self._read_old(head)
        else:
            self._read(head)
        if (self.role, self.usage) not in _USES:
            raise Refused(ANCHOR_MALFORMED, 5)
        if self.flags & ~DEVELOPMENT:
            raise Refused(ANCHOR_MALFORMED, 6 if self.is_old else 7)

    def _read(self, head: bytes) -> None:
        self.usage, self.flags = head[6], head[7]
        self.kid = head[8:16]
        self.scope = struct.unpack_from("<HH", head, 84)
        self.entity = head[88:96]
        self.label = head[96:120]
        if any(head[120:_SIGNED_BYTES]):
            raise Refused(ANCHOR_MALFORMED, 120)

    # The identifier was whatever the sender said, and so was the table: neither is used.
    def _read_old(self, head: bytes) -> None:
        self.usage, self.flags = DIGITAL_SIGNATURE, head[6]
        self.kid = kid_of(self.key)
        self.scope = (ANY, ANY)
        self.entity = ANYONE
        self.label = head[120:_SIGNED_BYTES]

    # What a cell stands for: a device holds one of each.
    @property
    def identity(self) -> int:
        return self.role << 8 | self.usage

    @property
    def is_development(self) -> bool:
        return bool(self.flags & DEVELOPMENT)

    # Over every byte of the cell, its table included, which follows from the key.
    def fingerprint(self) -> bytes:
        sha = hashlib.sha256(self.head)
        if self.table is not None:
            sha.update(self.table)
        return sha.digest()

    # Generator; returns whether `signature` (r || s) over `digest` is this key's.
    def verify_steps(self, digest: bytes, signature: "bytes | memoryview"):  # type: ignore[no-untyped-def]
        return (yield from p256.verify_steps(self.key, digest, signature, self.table))


# The head of a cell; host tools write it, the device checks it.
def encode_head(
    role: int,
    usage: int,
    flags: int,
    key: "bytes | memoryview",
    sequence: int,
    label: bytes,
    scope: "tuple[int, int]" = (ANY, ANY),
    entity: bytes = ANYONE,
    kid: "bytes | None" = None,
) -> bytes:
    head = struct.pack(
        "<4sBBBB8s64sIHH8s24s24s",
        _MAGIC,
        _FORMAT,
        role,
        usage,
        flags,
        kid_of(key) if kid is None else kid,
        bytes(key),
        sequence,
        scope[0],
        scope[1],
        entity,
        label,
        b"",
    )
    return head + hashlib.sha256(head).digest()


# What the key of a held cell signs to let the cell with `head` in.
def update_to_be_signed(head: "bytes | memoryview") -> bytes:
    return _UPDATE + bytes(head[:_SIGNED_BYTES])
