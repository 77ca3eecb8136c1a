"""The elements of a firmware delivery, and whether they fit each other.

SEC Appendix AB: before an Update Firmware request a user holds the OTA Header and the Manufacturer
Image, a signature of the image's creator over both, one after the other, and the hash of the
Manufacturer Image. That the signature is ECDSA on P-256 with SHA-256, written r || s, is not
stated there; it must fit the 64 octets that delivery option 2 has for it.

The size in the header is part of what is signed, so it must be that of the file which the supplier
will make: Manufacturer Image and trailer for a device that wants a supplier's signature, the
Manufacturer Image alone for a PPMID. A header with another size could not be kept, and with it the
signature would be lost.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

from hanboot.errors import BadFile, CheckFailed
from hanboot.explain.versions import version_text
from hanboot.trust.keys import PublicKey
from hanbootloader import reasons
from hanbootloader.image import ota, writer

HASH_BYTES = 32
SIGNATURE_BYTES = 64

#: Device types whose images end with a supplier's signature (GBCS 11.2.3). A PPMID's image is
#: unsigned in the one published example; an IHD is treated alike, beyond GBCS.
SIGNED_TYPES = ("ESME", "GSME", "HCALCS")
UNSIGNED_TYPES = ("PPMID", "IHD")


@dataclass(frozen=True)
class Delivery:
    """The elements as delivered; nothing is said of signature and hash until they are checked.

    Attributes:
        name: what to call it in messages.
        header: the OTA Header, 60 octets, as it was signed.
        manufacturer_image: octets.
        signature: the manufacturer's, r || s, 64 octets.
        image_hash: the hash that was delivered, 32 octets.
    """

    name: str
    header: bytes
    manufacturer_image: bytes
    signature: bytes
    image_hash: bytes

    def __post_init__(self) -> None:
        if not self.manufacturer_image:
            raise _bad(self.name, "there is no Manufacturer Image")
        if len(self.signature) != SIGNATURE_BYTES:
            raise _bad(self.name, f"the signature has {len(self.signature)} octets, r || s has 64")
        if len(self.image_hash) != HASH_BYTES:
            raise _bad(self.name, f"the hash has {len(self.image_hash)} octets, SHA-256 has 32")
        if self.ota_header.total_bytes not in self._sizes:
            plain, signed = self._sizes
            raise BadFile(
                f"the OTA Header of {self.name} states a size that no image of it can have",
                f"Total Image size (offset 52) is {self.ota_header.total_bytes}; with this "
                f"Manufacturer Image it is {signed}, or {plain} for a PPMID",
                "ask the manufacturer for a header with the final size, and a signature over it",
            )

    @cached_property
    def ota_header(self) -> ota.Header:
        try:
            if len(self.header) != ota.HEADER_BYTES:
                raise reasons.Refused(reasons.HEADER_VERSION, len(self.header))
            return ota.parse_header(self.header)
        except reasons.Refused as refused:
            raise _bad(
                self.name, f"the OTA Header is wrong at octet {refused.offset} (GBCS 11.2.2)"
            ) from None

    @property
    def _sizes(self) -> tuple[int, int]:
        plain = ota.HEADER_BYTES + len(self.manufacturer_image)
        return plain, plain + ota.TRAILER_BYTES

    @property
    def is_signed_type(self) -> bool:
        """Whether the device wants a supplier's signature, by the size in the header."""
        return self.ota_header.total_bytes == self._sizes[1]

    @property
    def signed_octets(self) -> bytes:
        """What the manufacturer signs: OTA Header || Manufacturer Image."""
        return self.header + self.manufacturer_image

    def check(self, manufacturer: PublicKey) -> None:
        """Checks hash and signature.

        Raises:
            CheckFailed: one of them is wrong.
        """
        found = hashlib.sha256(self.manufacturer_image).digest()
        if found != self.image_hash:
            raise CheckFailed(
                f"the hash of {self.name} is not that of its Manufacturer Image",
                f"delivered {self.image_hash.hex()}, computed {found.hex()}",
                "fetch all elements again: they are not of one delivery, or one was damaged",
            )
        if not manufacturer.is_signature(self.signed_octets, self.signature):
            raise CheckFailed(
                f"the manufacturer's signature of {self.name} is wrong",
                self._why_not(manufacturer),
                "check the manufacturer's key, then fetch the delivery again",
            )

    def _why_not(self, manufacturer: PublicKey) -> str:
        if manufacturer.is_signature(self.manufacturer_image, self.signature):
            return "it is over the Manufacturer Image alone, and must be over the OTA Header too"
        # the trap: signed with the size of another form of the file
        header = ota.parse_header(self.header)
        for total in (*self._sizes, self._sizes[0] + SIGNATURE_BYTES):
            header.total_bytes = total
            signed = writer.encode_header(header) + self.manufacturer_image
            if manufacturer.is_signature(signed, self.signature):
                return (
                    f"it is over a header with Total Image size {total}, and the delivered one "
                    f"states {self.ota_header.total_bytes}"
                )
        return (
            f"it is not by the key {manufacturer.kid.hex()} over the OTA Header and the "
            "Manufacturer Image as delivered"
        )

    def gbcs_file(self) -> bytes:
        """The OTA Upgrade Image: for a PPMID as it goes out; else with the manufacturer's
        signature where the supplier's has to come (`hanboot image sign --replace`)."""
        if not self.is_signed_type:
            return self.signed_octets
        return self.signed_octets + writer.encode_trailer(ota.Trailer(0, self.signature))

    @property
    def file_name(self) -> str:
        """Manufacturer code, image type and file version, as ZigBee 095264 6.3.8 names files."""
        header = self.ota_header
        return f"{header.manufacturer_code:04X}-{header.image_type:04X}-{header.file_version:08X}"

    def describe(self) -> dict[str, object]:
        return {
            "file_version": self.ota_header.file_version,
            "file_version_hex": f"{self.ota_header.file_version:08X}",
            "hash": self.image_hash.hex(),
            "manufacturer_image_octets": len(self.manufacturer_image),
            "total_image_size": self.ota_header.total_bytes,
            "supplier_signature": "to be added" if self.is_signed_type else "none (PPMID)",
        }

    @property
    def version_text(self) -> str:
        return version_text(self.ota_header.file_version)


def header_for(header: ota.Header, image_bytes: int, signed_type: bool) -> bytes:
    """The header to be signed: with the size of the file that will go to devices."""
    final = ota.parse_header(writer.encode_header(header))
    final.total_bytes = ota.HEADER_BYTES + image_bytes + ota.TRAILER_BYTES * signed_type
    return writer.encode_header(final)


def _bad(name: str, why: str) -> BadFile:
    return BadFile(
        f"{name} is no complete delivery", why, "ask the manufacturer for the delivery again"
    )
