"""Would a device take this image? Asked of the device's own admission."""

from __future__ import annotations

import datetime
import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hanboot.errors import CheckFailed
from hanboot.explain.fields import place_of
from hanboot.explain.reasons import explain
from hanboot.image.ota_file import Image, fitting_device
from hanboot.trust.keys import PublicKey
from hanbootloader import policy, reasons
from hanbootloader.admission import Admission, Keys, Recipient, Target
from hanbootloader.image import cose, ota
from hanbootloader.image.manifest import Manifest

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Decision:
    """What a device decides. offset: as `hanbootloader.reasons.Refused` counts it."""

    reason: int
    offset: int = -1


def decide(
    octets: bytes,
    device: policy.DeviceFacts,
    running: policy.RunningFirmware | None,
    manufacturer: PublicKey | None,
    supplier: PublicKey | None,
    running_image: bytes | None = None,
) -> Decision:
    """The decision on a whole file, by the admission that a device that receives it goes through.

    Args:
        octets: the file.
        device: what the image must fit.
        running: what it would follow.
        manufacturer: trust anchor; None takes the envelope's signature on trust.
        supplier: trust anchor; None takes a supplier's signature on trust.
        running_image: the Manufacturer Image of what runs, by whose envelope a device knows it
            again; None where it is not at hand, so that only an exact copy is known.
    """
    recipient = _Recipient(device, running, running_image or _exact_copy(octets, running))
    try:
        admission = Admission(len(octets), recipient, _Keys(manufacturer, supplier), Target())
        for _ in admission.feed_steps(memoryview(octets)):
            pass
        for _ in admission.decide_steps():  # type: ignore[no-untyped-call]
            pass
    except reasons.Refused as refused:
        return Decision(refused.reason, refused.offset)
    return Decision(reasons.ACCEPTED)


def _exact_copy(octets: bytes, running: policy.RunningFirmware | None) -> bytes | None:
    """The Manufacturer Image of what runs, if it is the one that is offered."""
    for end in (len(octets), -ota.TRAILER_BYTES):
        image = octets[ota.HEADER_BYTES : end]
        if running and hashlib.sha256(image).digest() == running.image_hash:
            return image
    return None


@dataclass(frozen=True)
class _Recipient(Recipient):
    """A device as an admission asks for it."""

    device: policy.DeviceFacts
    confirmed: policy.RunningFirmware | None
    image: bytes | None

    def facts(self) -> policy.DeviceFacts:
        return self.device

    def running(self) -> policy.RunningFirmware | None:
        return self.confirmed

    def running_image(self) -> memoryview | None:
        return None if self.image is None else memoryview(self.image)


@dataclass(frozen=True)
class _Keys(Keys):
    """Keys of the host's own library; None takes a signature on trust."""

    manufacturer: PublicKey | None
    supplier: PublicKey | None

    def manufacturer_steps(
        self, envelope: cose.Envelope, result: policy.VerificationResult
    ) -> Iterator[None]:
        key = self.manufacturer
        result.signer_known = key is None or key.kid == envelope.kid
        if result.signer_known:
            result.manufacturer_valid = key is None or key.is_signature_of_hash(
                envelope.digest(), bytes(envelope.signature)
            )
        yield

    def supplier_steps(
        self,
        image_hash: bytes,
        signature: bytes | memoryview | None,
        result: policy.VerificationResult,
    ) -> Iterator[None]:
        key = self.supplier
        result.supplier_valid = None
        if signature is not None:
            result.supplier_valid = key is None or key.is_signature_of_hash(
                image_hash, bytes(signature)
            )
        yield


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
        CheckFailed: with the reason.
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
    if decision.reason == reasons.SUPPLIER_SIGNATURE and _is_delivered(
        image, manufacturer, supplier
    ):
        raise CheckFailed(
            f"{image.name} carries the manufacturer's signature, not a supplier's",
            "it is over OTA Header and Manufacturer Image, as in delivery option 2; a supplier's "
            "is over the Manufacturer Image alone (GBCS 11.2.3)",
            "have the supplier sign it: hanboot image sign --replace",
            reason=decision.reason,
        )
    if decision.reason:
        raise _refused(image, decision)
    return Verified(
        "none" if image.envelope is None else "valid" if manufacturer else "not checked",
        "none" if image.trailer is None else "valid" if supplier else "not checked",
    )


def _is_delivered(image: Image, *keys: PublicKey | None) -> bool:
    """Whether the trailer carries a manufacturer's signature (SEC Appendix AB) by one of `keys`."""
    if image.trailer is None:
        return False
    signed = image.octets[: ota.HEADER_BYTES] + image.manufacturer_image
    signature = bytes(image.trailer.signature)
    return any(key.is_signature(signed, signature) for key in keys if key)


def check_delivered(image: Image, manufacturer: PublicKey) -> None:
    """Checks the manufacturer's signature of a delivery in GBCS format.

    Raises:
        CheckFailed: the trailer does not carry it.
    """
    if _is_delivered(image, manufacturer):
        return
    if image.trailer is None:
        raise CheckFailed(
            f"{image.name} carries no signature to replace",
            "it has no trailer (GBCS 11.2.3); a PPMID's image gets none",
            "leave --replace out to sign it for a device that wants a supplier's signature",
        )
    is_alone = manufacturer.is_signature(image.manufacturer_image, bytes(image.trailer.signature))
    raise CheckFailed(
        f"{image.name} does not carry this manufacturer's signature",
        "it is over the Manufacturer Image alone, as a supplier's"
        if is_alone
        else f"it is not by {manufacturer.kid.hex()} over OTA Header and Manufacturer Image",
        "check the key and fetch the delivery again; nothing was signed",
        reason=reasons.MANUFACTURER_SIGNATURE,
    )


def _latest_predecessor(manifest: Manifest) -> policy.RunningFirmware | None:
    """What must run for an image to be taken, if anything can."""
    if not manifest.predecessors:
        return None
    version, digest, _ = max(manifest.predecessors, key=lambda entry: entry[0])
    return policy.RunningFirmware(version, digest or bytes(32))


def _decide_foreign(
    image: Image, manufacturer: PublicKey | None, supplier: PublicKey | None, required: bool
) -> Decision:
    if manufacturer and not _is_delivered(image, manufacturer):
        return Decision(reasons.ENVELOPE, 0)
    device = fitting_device(image.header, len(image.octets))
    reason = policy.check_header(image.header, len(image.octets), device)
    if reason:
        return Decision(reason, policy.FIELD_OFFSETS.get(reason, -1))
    if image.trailer is None:
        return Decision(reasons.SUPPLIER_MISSING if required else reasons.ACCEPTED)
    signature = bytes(image.trailer.signature)
    if supplier and not supplier.is_signature(image.manufacturer_image, signature):
        return Decision(reasons.SUPPLIER_SIGNATURE)
    return Decision(reasons.ACCEPTED)


def _refused(image: Image, decision: Decision) -> CheckFailed:
    words = explain(decision.reason)
    why, remedy = words.meaning, words.remedy
    where = place_of(decision.reason, decision.offset)
    if decision.reason in (reasons.BELOW_MINIMUM_BASE, reasons.NOT_A_PREDECESSOR):
        why = "no firmware can ever be followed by it: its own rules exclude every predecessor"
        remedy = "name a predecessor that is not below the minimum base version"
    elif decision.reason == reasons.HARDWARE_VERSION:
        why = f"{where}: the range of hardware versions is empty"
    elif decision.reason == reasons.MANUFACTURER_SIGNATURE and not image.is_signed:
        why, remedy = "it is not signed yet", "put the signature in: hanboot image attach"
    elif where:
        why = f"{where}: {why}"
    return CheckFailed(
        f"{image.name} does not verify: {words.name}",
        why,
        remedy,
        reason=decision.reason,
        offset=decision.offset,
    )


def check_validity(key: PublicKey, name: str, at_time: datetime.datetime | None) -> None:
    """Checks a certificate's validity.

    Args:
        key: from a certificate, or nothing is checked.
        name: what to call it.
        at_time: the instant to check at; None is now, and only warns: most test certificates of
            the field have expired, and a signature does not become wrong by that.

    Raises:
        CheckFailed: the certificate was not valid at `at_time`.
    """
    if key.valid is None:
        return
    first, last = key.valid
    moment = at_time or datetime.datetime.now(datetime.UTC)
    if first <= moment <= last:
        return
    period = f"it is valid from {first:%Y-%m-%d} to {last:%Y-%m-%d}"
    if at_time:
        raise CheckFailed(
            f"the certificate {name} was not valid on {at_time:%Y-%m-%d}",
            period,
            "give the certificate of that time, or another --at-time",
        )
    state = "has expired" if moment > last else "is not valid yet"
    _log.warning("the certificate %s %s: %s", name, state, period)
