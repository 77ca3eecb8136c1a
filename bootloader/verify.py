# Verification of a Manufacturer Image: what the decision's last part (policy.judge_proofs) asks.
#
# Generators: they yield between short steps, so that the link is served and the watchdog fed
# while a signature is checked.

import hashlib

from bootloader.compat import const
from bootloader.image import cose, manifest
from bootloader.policy import Proofs
from bootloader.reasons import ENVELOPE, LAYOUT, VERIFIER_FAULT, Refused
from bootloader.trust import anchors, p256

_HASH_STEP_BYTES = const(8192)  # about 10 ms on an RP2040


# (envelope, manifest) at the front of a Manufacturer Image; its length must be the manifest's.
def read_front(image: memoryview) -> "tuple[cose.Envelope, manifest.Manifest]":
    if len(image) < cose.HEAD_BYTES:
        raise Refused(ENVELOPE, len(image))
    length = cose.envelope_bytes(image)
    # a copy: flash that is read again may read otherwise, and what is used is what is verified
    envelope = cose.Envelope(bytes(image[:length]))
    content = manifest.parse(envelope.content)
    if length + manifest.padding_bytes(length) + content.payload_bytes != len(image):
        raise Refused(LAYOUT, length)
    return envelope, content


# Checks the manufacturer's signature on `envelope` into `proofs`.
def signature_steps(envelope: cose.Envelope, held: anchors.Anchors, proofs: Proofs):  # type: ignore[no-untyped-def]
    # arithmetic that fails its known answers verifies nothing
    if not p256.self_test():
        raise Refused(VERIFIER_FAULT)
    cell = held.cell(anchors.MANUFACTURER)
    proofs.signer_known = cell is not None and cell.kid == envelope.kid
    if cell is not None and proofs.signer_known:
        proofs.manufacturer_valid = yield from cell.verify_steps(
            envelope.digest(), envelope.signature
        )


# Checks the Authorising Remote Party Signature over the Manufacturer Image into `proofs`.
def supplier_steps(  # type: ignore[no-untyped-def]
    image_hash: bytes, signature: "bytes | memoryview | None", held: anchors.Anchors, proofs: Proofs
):
    if signature is None:
        proofs.supplier_valid = None
        return
    cell = held.cell(anchors.SUPPLIER)
    if cell is not None:
        proofs.supplier_valid = yield from cell.verify_steps(image_hash, signature)


# Checks a whole Manufacturer Image in flash, as at every boot, into `proofs`; returns its manifest.
# The supplier's signature speaks for the delivery: it was checked on arrival and is not kept.
def image_steps(image: memoryview, held: anchors.Anchors, proofs: Proofs):  # type: ignore[no-untyped-def]
    envelope, content = read_front(image)
    start = len(image) - content.payload_bytes
    length = cose.envelope_bytes(image)
    yield from signature_steps(envelope, held, proofs)
    proofs.padding_is_zero = not any(image[length:start])
    sha = hashlib.sha256()
    for at in range(start, len(image), _HASH_STEP_BYTES):
        sha.update(image[at : at + _HASH_STEP_BYTES])
        yield
    proofs.payload_hash_matches = sha.digest() == content.payload_hash
    proofs.supplier_valid = True
    return content
