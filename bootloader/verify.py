# Verification of a Manufacturer Image: what the decision's last part (policy.check_verification)
# asks.
#
# Generators: they yield between short steps, so that the link is served and the watchdog fed
# while a signature is checked.

import hashlib

from hanbootloader.admission import Keys
from hanbootloader.compat import const
from hanbootloader.image import cose
from hanbootloader.image.manifest import padding_bytes, parse_manifest
from hanbootloader.reasons import ENVELOPE, LAYOUT, VERIFIER_FAULT, Refused
from hanbootloader.trust import p256
from hanbootloader.trust.cell import MANUFACTURER, SUPPLIER

if __debug__:  # in annotations alone
    from hanbootloader.image.manifest import Manifest
    from hanbootloader.policy import VerificationResult
    from hanbootloader.trust.anchors import Anchors
    from hanbootloader.trust.cell import Cell

_HASH_STEP_BYTES = const(4096)  # about 5 ms on an RP2040; copied, where flash is not mapped


# The keys of a device: its trust anchors.
class AnchorKeys(Keys):
    # former: a manufacturer's key that was succeeded, in place of the one that counts
    def __init__(self, held: "Anchors", former: "Cell | None" = None) -> None:
        self._held = held
        self._former = former

    def manufacturer_steps(self, envelope: cose.Envelope, result: "VerificationResult"):  # type: ignore[no-untyped-def]
        # arithmetic that fails its known answers verifies nothing
        if not p256.self_test():
            raise Refused(VERIFIER_FAULT)
        cell = self._former or self._held.cell(MANUFACTURER)
        result.signer_known = cell is not None and cell.kid == envelope.kid
        if cell is not None and result.signer_known:
            result.manufacturer_valid = yield from cell.verify_steps(
                envelope.digest(), envelope.signature
            )

    def supplier_steps(  # type: ignore[no-untyped-def]
        self,
        image_hash: bytes,
        signature: "bytes | memoryview | None",
        result: "VerificationResult",
    ):
        if signature is None:
            result.supplier_valid = None
            return
        cell = self._held.cell(SUPPLIER)
        if cell is not None:
            result.supplier_valid = yield from cell.verify_steps(image_hash, signature)


# The envelope at the front of a Manufacturer Image. A copy: flash that is read again may read
# otherwise, and what is used is what is verified.
def read_envelope(image: memoryview) -> cose.Envelope:
    if len(image) < cose.HEAD_BYTES:
        raise Refused(ENVELOPE, len(image))
    return cose.Envelope(bytes(image[: cose.envelope_bytes(image)]))


# (envelope, manifest) at the front of a Manufacturer Image; its length must be the manifest's.
def read_front(image: memoryview) -> "tuple[cose.Envelope, Manifest]":
    envelope = read_envelope(image)
    manifest = parse_manifest(envelope.content)
    length = envelope.total_bytes
    if length + padding_bytes(length) + manifest.payload_bytes != len(image):
        raise Refused(LAYOUT, length)
    return envelope, manifest


# Checks a whole Manufacturer Image in flash, as at every boot, into `result`; returns its manifest.
# The supplier's signature speaks for the delivery: it was checked on arrival and is not kept.
# confirmed_hash: of what was confirmed in that slot, if anything was; the manufacturer's key that
# it was confirmed under vouches on for it, and for nothing else, once there is a successor.
def image_steps(  # type: ignore[no-untyped-def]
    image: memoryview,
    held: "Anchors",
    result: "VerificationResult",
    confirmed_hash: "bytes | None" = None,
):
    envelope, manifest = read_front(image)
    start = len(image) - manifest.payload_bytes
    former = None
    if confirmed_hash is not None:
        former = held.former(envelope.kid)
    yield from AnchorKeys(held, former).manufacturer_steps(envelope, result)
    result.padding_is_zero = not any(image[envelope.total_bytes : start])
    whole = hashlib.sha256(image[:start])
    sha = hashlib.sha256()
    for at in range(start, len(image), _HASH_STEP_BYTES):
        piece = image[at : at + _HASH_STEP_BYTES]
        sha.update(piece)
        if former is not None:
            whole.update(piece)
        yield
    if former is not None and whole.digest() != confirmed_hash:
        result.signer_known = False
    result.payload_hash_matches = sha.digest() == manifest.payload_hash
    result.supplier_valid = True
    return manifest
