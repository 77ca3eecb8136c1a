"""Images of parts that need not fit together."""

from __future__ import annotations

from hanboot.image import build
from hanbootloader.image import writer
from hanbootloader.image.manifest import Manifest


def assemble(manifest: Manifest, envelope: bytes, payload: bytes, header_string: bytes) -> bytes:
    """An image of ours, without a trailer.

    Args:
        manifest: whose values the OTA Header gets.
        envelope: COSE_Sign1, as `hanbootloader.image.writer.encode_envelope` makes it.
        payload: what follows.
        header_string: at most 32 octets, free text.
    """
    image = build._padded(envelope) + payload
    return writer.encode_header(build._header(manifest, len(image), header_string)) + image
