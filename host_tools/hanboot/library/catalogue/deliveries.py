"""An image as a manufacturer delivers it: as it is sent to devices, or by option 1, 2 or 3.

('Firmware Distribution to Suppliers'.) The elements are read and checked by `hanboot.delivery`; the
library keeps the OTA Upgrade Image that they make, and the manufacturer's signature with it:
header, Manufacturer Image, signature and hash can all be had from these two.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hanboot.delivery import options
from hanboot.delivery.delivery import Delivery
from hanboot.delivery.options import Sources
from hanboot.errors import BadFile
from hanboot.trust import keys
from hanboot.trust.keys import PublicKey

#: What each option consists of, beside the hash, as the names of a form's fields.
ELEMENTS = {
    1: ("header", "image", "signature"),
    2: ("image",),
    3: ("image",),
}
_WORDS = {
    "header": "the OTA Header",
    "image": "the image",
    "signature": "the manufacturer's signature",
    "hash": "the hash",
}


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """What a delivery brought.

    Attributes:
        option: 1, 2 or 3.
        octets: the OTA Upgrade Image.
        signature: the manufacturer's over OTA Header and Manufacturer Image, 64 octets.
        key_id: of the public key that it was checked with, hexadecimal; "" if none was given.
    """

    option: int
    octets: bytes
    signature: bytes
    key_id: str

    def as_texts(self) -> dict[str, str]:
        """What is kept beside the image."""
        return {
            "option": str(self.option),
            "signature": self.signature.hex(),
            "key_id": self.key_id,
        }


def read(option: int, parts: Mapping[str, bytes], public_key: bytes | None = None) -> Delivered:
    """Reads the elements of a delivery and checks that they fit each other.

    Args:
        parts: octets by the names of `ELEMENTS`, and "hash", the file that sha256sum writes.
        public_key: the manufacturer's, PEM; without it the signature is kept, not verified.

    Raises:
        BadFile: an element is missing, or they do not fit each other.
        CheckFailed: hash or signature is wrong.
    """
    if option not in ELEMENTS:
        raise BadFile(f"there is no delivery option {option}", "it is 1, 2 or 3", "choose one")
    wanted = (*ELEMENTS[option], "hash")
    for name in wanted:
        if not parts.get(name):
            raise BadFile(
                "the delivery is not complete",
                f"{_WORDS[name]} is missing; option {option} has "
                + ", ".join(_WORDS[each] for each in wanted),
                "add the file, or choose another option",
            )
    with tempfile.TemporaryDirectory() as folder:
        delivery = _read(option, Path(folder), parts)
        key = _key(Path(folder), public_key) if public_key else None
    if key is not None:
        delivery.check(key)
    elif hashlib.sha256(delivery.manufacturer_image).digest() != delivery.image_hash:
        raise BadFile(
            "the hash is not that of the Manufacturer Image",
            f"delivered {delivery.image_hash.hex()}, "
            f"computed {hashlib.sha256(delivery.manufacturer_image).hexdigest()}",
            "fetch all elements again: they are not of one delivery, or one was damaged",
        )
    return Delivered(
        option=option,
        octets=delivery.gbcs_file(),
        signature=delivery.signature,
        key_id=key.kid.hex() if key else "",
    )


def _read(option: int, folder: Path, parts: Mapping[str, bytes]) -> Delivery:
    # names of our own: those that a sender chose are never used
    def kept(name: str, ending: str) -> Path:
        path = folder / f"delivery{ending}"
        path.write_bytes(parts[name])
        return path

    image_hash = kept("hash", options.HASH)
    if option == 1:
        sources = Sources(
            header=kept("header", options.HEADER),
            image=kept("image", options.IMAGE),
            signature=kept("signature", options.SIGNATURE),
            image_hash=image_hash,
        )
        return options.read(1, folder, sources)
    if option == 2:
        return options.read(2, kept("image", options.COMBINED[2]), Sources(image_hash=image_hash))
    return options.read(3, kept("image", options.COMBINED[3]), Sources(image_hash=image_hash))


def _key(folder: Path, octets: bytes) -> PublicKey:
    path = folder / "manufacturer's public key"
    path.write_bytes(octets)
    return keys.load_public(path)
