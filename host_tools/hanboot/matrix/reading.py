"""An image, put before the oracle: its fields, and what its octets and signatures are worth."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from hanboot.image.ota_file import Image
from hanboot.image.sign import manufacturer_to_sign
from hanboot.matrix.oracle import ManifestRules, OfferedImage
from hanboot.trust.keys import PublicKey
from hanbootloader.image import writer


@dataclass(frozen=True)
class Trust:
    """The trust anchors of the device."""

    manufacturer: PublicKey
    supplier: PublicKey | None = None

    def offer(self, image: Image) -> OfferedImage:
        """The image as the oracle wants it."""
        return read_offer(image, self.manufacturer, self.supplier)


def read_offer(image: Image, manufacturer: PublicKey, supplier: PublicKey | None) -> OfferedImage:
    """What is to be known of `image` by a device that holds these trust anchors."""
    header, manifest, envelope = image.header, image.manifest, image.envelope
    model = (header.manufacturer_code, header.image_type, header.file_version, header.hardware)
    octets = image.manufacturer_image
    if manifest is None or envelope is None:
        return OfferedImage(model, None, None, len(octets), image.image_hash)
    signature = bytes(envelope.signature)
    front = len(writer.encode_envelope(envelope.kid, bytes(envelope.content), signature))
    start = len(octets) - manifest.payload_bytes
    return OfferedImage(
        model,
        (
            manifest.manufacturer_code,
            manifest.image_type,
            manifest.file_version,
            manifest.hardware,
        ),
        ManifestRules(
            tuple((version, digest) for version, digest, _ in manifest.predecessors),
            manifest.minimum_base_version,
            manifest.security_counter,
            manifest.point_of_no_return,
        ),
        len(octets),
        image.image_hash,
        octets[:front],
        envelope.kid == manufacturer.kid,
        manufacturer.is_signature(manufacturer_to_sign(image), signature),
        not any(octets[front:start]),
        hashlib.sha256(octets[start:]).digest() == manifest.payload_hash,
        _supplier_signature(image, supplier),
    )


def _supplier_signature(image: Image, supplier: PublicKey | None) -> bool | None:
    if image.trailer is None:
        return None
    signature = bytes(image.trailer.signature)
    return supplier is not None and supplier.is_signature(image.manufacturer_image, signature)
