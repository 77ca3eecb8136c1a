"""From a release to its image."""

from __future__ import annotations

from collections.abc import Callable

from hanboot.image import application, romfs, sources
from hanboot.image.ota_file import UNSIGNED, Image
from hanboot.image.release import Release, cannot_be_built
from hanboot.trust import keys
from hanbootloader.image import cose, ota, writer
from hanbootloader.image.manifest import Manifest, padding_bytes


def unsigned(to_be_signed: bytes) -> bytes:
    """Stands for a signature that is made elsewhere, see `hanboot.image.ota_file.UNSIGNED`."""
    return UNSIGNED


def build_image(release: Release, kid: bytes, signer: Callable[[bytes], bytes] = unsigned) -> Image:
    """Builds the image; the same octets for the same sources, kid and signature.

    Args:
        release: what to build.
        kid: key identifier of the manufacturer's key, 8 octets.
        signer: gives r || s over the SHA-256 of what it is called with.

    Raises:
        BadFile: the application cannot be packed, compiled or started, or the manifest is too
            long.
    """
    files = sources.collect(release.sources)
    application.check(files)
    payload = romfs.build(files)
    manifest = release.manifest(payload)
    encoded = writer.encode_manifest(manifest)
    try:
        signature = keys.canonical_signature(signer(writer.to_be_signed(encoded)))
        envelope = writer.encode_envelope(kid, encoded, signature)
    except ValueError:
        raise cannot_be_built(
            release,
            f"its manifest is {len(encoded)} octets, and the envelope around it may have "
            f"{cose.ENVELOPE_MAX_BYTES} (RFC 9052 4.2)",
            "name fewer predecessors, or shorten the texts",
        ) from None
    front = _padded(envelope)
    header = _header(manifest, len(front) + len(payload), release.header_string.encode())
    return Image(
        name=str(release.file),
        octets=writer.encode_header(header) + front + payload,
        header=header,
        image_bytes=len(front) + len(payload),
        trailer=None,
        envelope=cose.Envelope(envelope),
        manifest=manifest,
    )


def _padded(envelope: bytes) -> bytes:
    return envelope + bytes(padding_bytes(len(envelope)))


def _header(manifest: Manifest, image_bytes: int, header_string: bytes) -> ota.Header:
    return ota.Header(
        manifest.manufacturer_code,
        manifest.image_type,
        manifest.file_version,
        ota.HEADER_BYTES + image_bytes,
        manifest.hardware,
        header_string.ljust(32, b"\0"),
    )
