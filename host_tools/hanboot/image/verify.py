"""Would a device take this image? Asked of the device's own parsers and decision."""

from __future__ import annotations

import datetime
import hashlib
import logging
from dataclasses import dataclass
from typing import Any

from bootloader import policy, reasons
from bootloader.image import cose, ota
from bootloader.image.manifest import Manifest
from bootloader.image.reader import ImageReader, Sink
from hanboot.errors import Refused
from hanboot.explain import reasons as explain
from hanboot.image.ota_file import Image, fitting_device
from hanboot.trust.keys import PublicKey

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Decision:
    """What a device decides. offset: as `bootloader.reasons.Refused` counts it."""

    reason: int
    offset: int = -1


def decide(
    octets: bytes,
    device: policy.DeviceFacts,
    running: policy.Firmware | None,
    manufacturer: PublicKey | None,
    supplier: PublicKey | None,
) -> Decision:
    """The decision on a whole file, reached in the order of a device that receives it.

    Args:
        octets: the file.
        device: what the image must fit.
        running: what it would follow.
        manufacturer: trust anchor; None takes the envelope's signature on trust.
        supplier: trust anchor; None takes a supplier's signature on trust.
    """
    checks = _EarlyChecks(octets, device, running, manufacturer)
    reader = checks.reader
    try:
        reader.feed(octets)
        reader.finish()
        return Decision(_decide_whole(octets, checks, device, running, supplier))
    except reasons.Refused as refused:
        return Decision(refused.reason, refused.offset)


class _EarlyChecks(Sink):
    """What a device decides before it erases anything."""

    def __init__(
        self,
        octets: bytes,
        device: policy.DeviceFacts,
        running: policy.Firmware | None,
        manufacturer: PublicKey | None,
    ) -> None:
        self.proofs = policy.Proofs()
        self._manufacturer = manufacturer
        self.reader = ImageReader(len(octets), self)
        self._octets = octets
        self._device = device
        self._running = running

    def on_header(self, header: ota.Header) -> None:
        reason = policy.judge_header(header, len(self._octets), self._device)
        if reason:
            raise reasons.Refused(reason, _FIELD_OFFSETS.get(reason, -1))

    def on_manifest(self, envelope: cose.Envelope, content: Manifest) -> None:
        header, image_bytes = self.reader.header, self.reader.image_bytes
        assert header is not None
        # a device knows the running image by its envelope
        image = self._octets[ota.HEADER_BYTES : ota.HEADER_BYTES + image_bytes]
        image_hash = hashlib.sha256(image).digest()
        reason = policy.judge_manifest(
            header, content, image_bytes, image_hash, self._running, self._device
        )
        if reason:
            raise reasons.Refused(reason)
        key = self._manufacturer
        self.proofs.signer_known = key is None or key.kid == envelope.kid
        self.proofs.manufacturer_valid = key is None or key.is_signature(
            cose.to_be_signed(bytes(envelope.content)), bytes(envelope.signature)
        )
        reason = policy.judge_signature(self.proofs)
        if reason:
            raise reasons.Refused(reason)


# where in the OTA Header a refusal points to
_FIELD_OFFSETS = {
    reasons.MANUFACTURER_CODE: 10,
    reasons.IMAGE_TYPE: 12,
    reasons.SIZE_MISMATCH: 52,
    reasons.HARDWARE_VERSION: 56,
}


def _decide_whole(
    octets: bytes,
    checks: _EarlyChecks,
    device: policy.DeviceFacts,
    running: policy.Firmware | None,
    supplier: PublicKey | None,
) -> int:
    reader, proofs = checks.reader, checks.proofs
    header, manifest = reader.header, reader.manifest
    assert header is not None
    assert manifest is not None
    proofs.padding_is_zero = reader.padding_is_zero
    proofs.payload_hash_matches = reader.payload_hash() == manifest.payload_hash
    if proofs.payload_hash_matches:
        proofs.supplier_valid = None
        if reader.trailer is not None:
            signature = bytes(ota.parse_trailer(reader.trailer).signature)
            image = octets[ota.HEADER_BYTES : -ota.TRAILER_BYTES]
            proofs.supplier_valid = supplier is None or supplier.is_signature(image, signature)
    return policy.decide(
        header,
        manifest,
        reader.total_bytes,
        reader.image_bytes,
        reader.image_hash(),
        proofs,
        running,
        device,
    )


# --- verification of a file alone


@dataclass(frozen=True)
class Verified:
    """What was found. Of each signature: "valid", "not checked" or "none"."""

    manufacturer_signature: str
    supplier_signature: str

    def as_json(self, image: Image) -> dict[str, Any]:
        return {
            "verified": True,
            "manufacturer_signature": self.manufacturer_signature,
            "supplier_signature": self.supplier_signature,
            "file_version": image.header.file_version,
            "file_version_hex": f"{image.header.file_version:08X}",
            "hash": image.image_hash.hex(),
        }


def verify(
    image: Image,
    manufacturer: PublicKey | None,
    supplier: PublicKey | None,
    *,
    supplier_required: bool = True,
) -> Verified:
    """Checks that a device which the image is made for could take it, signatures included.

    Args:
        image: an image that is not ours has nothing but a supplier's signature to check.
        manufacturer: whose signature the envelope must carry; None does not check it.
        supplier: whose signature the trailer must carry; None does not check it.
        supplier_required: with `supplier`, refuse an image without a trailer.

    Raises:
        Refused: with the reason.
    """
    required = supplier is not None and supplier_required
    if image.manifest is None:
        decision = _decide_foreign(image, manufacturer, supplier, required)
    else:
        device = fitting_device(
            image.header, len(image.octets), policy.ESME if required else policy.PPMID
        )
        running = _latest_predecessor(image.manifest)
        decision = decide(image.octets, device, running, manufacturer, supplier)
    if decision.reason:
        raise _refused(image, decision)
    return Verified(
        "none" if image.envelope is None else "valid" if manufacturer else "not checked",
        "none" if image.trailer is None else "valid" if supplier else "not checked",
    )


def _latest_predecessor(manifest: Manifest) -> policy.Firmware | None:
    """What must run for an image to be taken, if anything can."""
    if not manifest.predecessors:
        return None
    version, digest, _ = max(manifest.predecessors, key=lambda entry: entry[0])
    return policy.Firmware(version, digest or bytes(32))


def _decide_foreign(
    image: Image, manufacturer: PublicKey | None, supplier: PublicKey | None, required: bool
) -> Decision:
    if manufacturer:
        return Decision(reasons.ENVELOPE, 0)
    device = fitting_device(image.header, len(image.octets))
    reason = policy.judge_header(image.header, len(image.octets), device)
    if reason:
        return Decision(reason, _FIELD_OFFSETS.get(reason, -1))
    if image.trailer is None:
        return Decision(reasons.SUPPLIER_MISSING if required else reasons.ACCEPTED)
    signature = bytes(image.trailer.signature)
    if supplier and not supplier.is_signature(image.manufacturer_image, signature):
        return Decision(reasons.SUPPLIER_SIGNATURE)
    return Decision(reasons.ACCEPTED)


def _refused(image: Image, decision: Decision) -> Refused:
    words = explain.explain(decision.reason)
    why, remedy = words.meaning, words.remedy
    where = explain.place(decision.reason, decision.offset)
    if decision.reason in (reasons.BELOW_MINIMUM_BASE, reasons.NOT_A_PREDECESSOR):
        why = "no firmware can ever be followed by it: its own rules exclude every predecessor"
        remedy = "name a predecessor that is not below the minimum base version"
    elif decision.reason == reasons.HARDWARE_VERSION:
        why = f"{where}: the range of hardware versions is empty"
    elif decision.reason == reasons.MANUFACTURER_SIGNATURE and not image.is_signed:
        why, remedy = "it is not signed yet", "put the signature in: hanboot image attach"
    elif where:
        why = f"{where}: {why}"
    return Refused(
        f"{image.name} does not verify: {words.name}",
        why,
        remedy,
        reason=decision.reason,
        offset=decision.offset,
    )


def check_validity(key: PublicKey, name: str, at_time: datetime.datetime | None) -> None:
    """Judges by a certificate's validity.

    Args:
        key: from a certificate, or nothing is checked.
        name: what to call it.
        at_time: the instant to judge by; None is now, and only warns: most test certificates of
            the field have expired, and a signature does not become wrong by that.

    Raises:
        Refused: the certificate was not valid at `at_time`.
    """
    if key.valid is None:
        return
    first, last = key.valid
    moment = at_time or datetime.datetime.now(datetime.timezone.utc)
    if first <= moment <= last:
        return
    period = f"it is valid from {first:%Y-%m-%d} to {last:%Y-%m-%d}"
    if at_time:
        raise Refused(
            f"the certificate {name} was not valid on {at_time:%Y-%m-%d}",
            period,
            "give the certificate of that time, or another --at-time",
        )
    state = "has expired" if moment > last else "is not valid yet"
    _log.warning("the certificate %s %s: %s", name, state, period)
