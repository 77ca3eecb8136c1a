"""One Active entry of the CPL as a signed file, for a board that demands it of what comes by cable.

The device reads it (`hanbootloader.cpl_entry`), and takes it for one image and one model. It has no
time of its own to check an age by: an entry that is withdrawn later stays good for what it names.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable

from hanboot.errors import CheckFailed
from hanboot.registry.entry import Entry
from hanbootloader import cpl_entry
from hanbootloader.image import cbor, writer


def make(
    entry: Entry, kid: bytes, sign: Callable[[bytes], bytes], now: float | None = None
) -> bytes:
    """The signed entry, at most 512 octets.

    Args:
        kid: identifier of the key that boards name, 8 octets.
        sign: gives r || s, s the lower, over the SHA-256 of what it is called with.
        now: seconds since 1970; None for the present.

    Raises:
        CheckFailed: it is not Active now.
    """
    issued = int(time.time() if now is None else now)
    if not entry.is_active(datetime.datetime.fromtimestamp(issued, datetime.UTC).date()):
        raise CheckFailed(
            f"{entry.cpl_entry_id} is not signed for a device",
            "it is not Active, and no board would take its image",
            "hanboot registry show prints its status",
        )
    content = encode(
        (entry.manufacturer_code, entry.device_model >> 16, entry.device_model & 0xFFFF),
        entry.firmware_version,
        entry.image_hash,
        cpl_entry.ACTIVE,
        entry.cpl_entry_id,
        issued,
    )
    return writer.encode_envelope(kid, content, sign(writer.to_be_signed(content)))


def encode(
    model: tuple[int, int, int],
    file_version: int,
    image_hash: bytes,
    status: str,
    cpl_entry_id: str,
    issued: int,
) -> bytes:
    """What is signed of an entry.

    Args:
        model: manufacturer code, image type, hardware version.
        issued: seconds since 1970, UTC.
    """
    return cbor.encode(
        {
            cpl_entry.FORMAT: cpl_entry.OUR_FORMAT,
            cpl_entry.MANUFACTURER_CODE: model[0],
            cpl_entry.IMAGE_TYPE: model[1],
            cpl_entry.HARDWARE_VERSION: model[2],
            cpl_entry.FILE_VERSION: file_version,
            cpl_entry.IMAGE_HASH: image_hash,
            cpl_entry.STATUS: status,
            cpl_entry.CPL_ENTRY_ID: cpl_entry_id,
            cpl_entry.ISSUED: issued,
        }
    )
