# Writes the head of a trust anchor cell (anchors.py). Tools that provision import it; nothing on a
# device does, and so no firmware holds it (boards/bootloader_manifest.py).

import hashlib
import struct

from bootloader.trust import anchors


# label: at most 24 octets of UTF-8
def encode_head(
    role: int, flags: int, kid: bytes, key: bytes, sequence: int, table: bytes, label: bytes
) -> bytes:
    head = struct.pack(
        "<4sBBBB8s64sII32s24s",
        anchors.MAGIC,
        anchors.FORMAT,
        role,
        flags,
        0,
        kid,
        key,
        sequence,
        len(table),
        hashlib.sha256(table).digest(),
        label,
    )
    return head + hashlib.sha256(head).digest()
