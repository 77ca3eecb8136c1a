"""Signatures of an image: what is to be signed, and where a signature goes."""

from __future__ import annotations

from hanboot.errors import CheckFailed
from hanboot.explain.reasons import explain
from hanboot.image.ota_file import Image
from hanboot.trust.keys import PrivateKey, canonical_signature
from hanbootloader import reasons
from hanbootloader.image import cose, ota, writer


def manufacturer_to_sign(image: Image) -> bytes:
    """What the manufacturer signs: the Sig_structure of the envelope (RFC 9052 4.4).

    Raises:
        CheckFailed: the image has no envelope.
    """
    return writer.to_be_signed(bytes(_envelope(image).content))


def with_manufacturer_signature(image: Image, signature: bytes) -> bytes:
    """The file with `signature` (r || s) in its envelope.

    Raises:
        CheckFailed: the image has no envelope, or a trailer, which signs the envelope as it was.
    """
    envelope = _envelope(image)
    if image.trailer:
        raise CheckFailed(
            f"cannot put a manufacturer's signature into {image.name}",
            "it has a supplier's signature, which covers the manufacturer's",
            "take the image as it was built, and have the supplier sign it last",
        )
    canonical = canonical_signature(signature)
    signed = writer.encode_envelope(envelope.kid, bytes(envelope.content), canonical)
    return image.octets[: ota.HEADER_BYTES] + signed + image.manufacturer_image[len(signed) :]


def with_supplier_signature(image: Image, signature: bytes, force_replace: int = 0) -> bytes:
    """The file with a trailer (GBCS 11.2.3), in place of the one that it may have.

    Args:
        signature: r || s over the Manufacturer Image.
        force_replace: the octet of that name.
    """
    trailer = writer.encode_trailer(ota.Trailer(force_replace, signature))
    octets = image.manufacturer_image + trailer
    header = ota.parse_header(image.octets)
    header.total_bytes = ota.HEADER_BYTES + len(octets)
    return writer.encode_header(header) + octets


def sign(image: Image, key: PrivateKey) -> bytes:
    """The file signed by the supplier, as Authorising Remote Party."""
    force_replace = image.trailer.force_replace if image.trailer else 0
    return with_supplier_signature(image, key.sign(image.manufacturer_image), force_replace)


def _envelope(image: Image) -> cose.Envelope:
    if image.envelope is None:
        words = explain(reasons.ENVELOPE)
        raise CheckFailed(
            f"{image.name} has no place for a manufacturer's signature",
            words.meaning,
            words.remedy,
            reason=reasons.ENVELOPE,
        )
    return image.envelope
