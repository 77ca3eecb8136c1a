"""The three ways in which the elements are handed over ('Firmware Distribution to Suppliers').

1. separate files (recommended): NAME.ota-header, NAME.manufacturer-image,
   NAME.manufacturer-signature, NAME.sha256
2. a file in GBCS format, with the manufacturer's signature in the supplier's place: NAME.ota, and
   NAME.sha256. For a PPMID, whose image has no trailer, the header states the size without it.
3. header, image and signature in one file, NAME.delivery, and NAME.sha256

The hash file is what sha256sum writes of the Manufacturer Image; hexadecimal digits alone do too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hanboot import files
from hanboot.delivery.delivery import SIGNATURE_BYTES, Delivery
from hanboot.errors import BadFile
from hanbootloader import reasons
from hanbootloader.image import ota, writer

Option = Literal[1, 2, 3]

HEADER, IMAGE, SIGNATURE, HASH = (
    ".ota-header",
    ".manufacturer-image",
    ".manufacturer-signature",
    ".sha256",
)
#: The file that holds more than one element, by option.
COMBINED = {2: ".ota", 3: ".delivery"}

_HASH_LINE = re.compile(r"\s*([0-9A-Fa-f]{64})(?:\s.*)?\s*", re.S)
#: A delivery is an image and at most a trailer around it.
_MAX_BYTES = files.IMAGE_MAX_BYTES + ota.TRAILER_BYTES


@dataclass(frozen=True)
class Sources:
    """Where the elements of option 1 lie; None is looked for in the folder by its ending."""

    header: Path | None = None
    image: Path | None = None
    signature: Path | None = None
    image_hash: Path | None = None


def write(delivery: Delivery, option: Option, folder: Path) -> list[Path]:
    """Writes the files of a delivery into a new folder.

    Raises:
        BadFile: the folder holds something already, or cannot be made.
    """
    name = delivery.file_name
    line = f"{delivery.image_hash.hex()}  {name}{IMAGE}\n"
    contents = {HASH: line.encode()}
    if option == 1:
        contents[HEADER] = delivery.header
        contents[IMAGE] = delivery.manufacturer_image
        contents[SIGNATURE] = delivery.signature
    elif option == 2:
        trailer = writer.encode_trailer(ota.Trailer(0, delivery.signature))
        contents[COMBINED[2]] = delivery.signed_octets + trailer
    else:
        contents[COMBINED[3]] = delivery.signed_octets + delivery.signature
    with files.new_folder(folder) as partial:
        for ending, octets in contents.items():
            files.write(partial / f"{name}{ending}", octets)
    return [folder / f"{name}{ending}" for ending in contents]


def read(option: Option, source: Path | None, given: Sources) -> Delivery:
    """Reads a delivery.

    Args:
        option: 1, 2 or 3.
        source: a folder with one delivery, or for options 2 and 3 its file.
        given: files that are named apart.

    Raises:
        BadFile: an element is missing, or they do not fit each other.
    """
    image_hash = _hash(_element(source, given.image_hash, HASH, "--hash"))
    if option == 1:
        return Delivery(
            source.name if source else "the delivery",
            files.read(_element(source, given.header, HEADER, "--header")),
            files.read(_element(source, given.image, IMAGE, "--manufacturer-image")),
            files.read(_element(source, given.signature, SIGNATURE, "--manufacturer-signature")),
            image_hash,
        )
    path = source
    if path is None or files.is_folder(path):
        path = _element(path, None, COMBINED[option], "SOURCE")
    octets = files.read(path, _MAX_BYTES)
    tail = ota.TRAILER_BYTES if option == 2 else SIGNATURE_BYTES
    if len(octets) <= ota.HEADER_BYTES + tail:
        raise BadFile(
            f"{path.name} is no delivery of option {option}",
            f"it holds {len(octets)} octets; header and signature alone are "
            f"{ota.HEADER_BYTES + tail}",
            "check that it is the right file, and which option it is",
        )
    if option == 2:
        _check_trailer(path.name, octets)
    return Delivery(
        path.name,
        octets[: ota.HEADER_BYTES],
        octets[ota.HEADER_BYTES : -tail],
        octets[-SIGNATURE_BYTES:],
        image_hash,
    )


def _check_trailer(name: str, octets: bytes) -> None:
    try:
        ota.parse_trailer(octets[-ota.TRAILER_BYTES :])
    except reasons.Refused:
        at = len(octets) - ota.TRAILER_BYTES + 1
        raise BadFile(
            f"{name} is not in GBCS format with a signature",
            f"octet {at} is 0x{octets[at]:02X}; before a signature it is 0x40 (GBCS 11.2.3)",
            "check which option it is: 1 and 3 have no such octet",
        ) from None


def _element(source: Path | None, given: Path | None, ending: str, option: str) -> Path:
    if given is not None:
        return given
    if source is None or not files.is_folder(source):
        raise BadFile(
            "the delivery is not complete",
            f"no file *{ending} is known",
            f"name it with {option}, or give the folder that holds it",
        )
    found = sorted(source.glob(f"*{ending}"))
    if len(found) != 1:
        raise BadFile(
            f"{source} does not hold one delivery",
            f"{len(found)} files end with {ending}",
            f"name the right one with {option}",
        )
    return found[0]


def _hash(path: Path) -> bytes:
    text = files.read(path, files.TEXT_MAX_BYTES).decode("ascii", "replace")
    match = _HASH_LINE.fullmatch(text)
    if match is None or len(text.strip().splitlines()) != 1:
        raise BadFile(
            f"{path.name} holds no hash",
            "it is not one line that begins with 64 hexadecimal digits",
            "give the SHA-256 of the Manufacturer Image, as sha256sum writes it",
        )
    return bytes.fromhex(match[1])
