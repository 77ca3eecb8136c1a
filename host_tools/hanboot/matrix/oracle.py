"""What must come out, written from the prose of docs/reference/decisions.md alone.

It shares nothing with the decision that it checks: no code, no constants, not even numbers of
reasons, only their names. Reasons that a readable image on a provisioned device without a trial
cannot meet are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

ACCEPTED = "accepted"

_TRAILER_BYTES = 66  # GBCS 11.2.3
_WITHOUT_SUPPLIER = ("PPMID", "IHD")  # SR 11.4


@dataclass(frozen=True)
class Confirmed:
    """The firmware that is confirmed.

    Attributes:
        damaged: it verifies no longer.
        envelope: at the front of its image, by which an arriving copy is known; None if unknown.
    """

    file_version: int
    image_hash: bytes
    damaged: bool = False
    envelope: bytes | None = None


@dataclass(frozen=True)
class State:
    """A device. confirmed: None where no application is."""

    manufacturer_code: int
    image_type: int
    hardware_version: int
    device_type: str
    slot_bytes: int
    security_counter: int = 0
    confirmed: Confirmed | None = None


@dataclass(frozen=True)
class ManifestRules:
    """What a manifest says, beside what the OTA Header must repeat."""

    predecessors: tuple[tuple[int, bytes | None], ...]
    minimum_base_version: int
    security_counter: int
    point_of_no_return: bool


@dataclass(frozen=True)
class OfferedImage:
    """An image that can be read, and what was found of its octets.

    Attributes:
        model: manufacturer code, image type, File Version, hardware range of the OTA Header.
        signed_model: the same of the manifest; None if the image is not ours.
        rules: of the manifest; None if the image is not ours.
        envelope: at the front of the image; None if the image is not ours.
        signer_known: the envelope names the manufacturer's key.
        supplier_signature: right or wrong; None where there is no trailer.
    """

    model: tuple[int, int, int, tuple[int, int]]
    signed_model: tuple[int, int, int, tuple[int, int]] | None
    rules: ManifestRules | None
    image_bytes: int
    image_hash: bytes
    envelope: bytes | None = None
    signer_known: bool = True
    manufacturer_signature: bool = True
    padding_is_zero: bool = True
    payload_hash_matches: bool = True
    supplier_signature: bool | None = None


def verdict(state: State, offer: OfferedImage) -> str:
    """Name of the reason that a device in `state` must give."""
    # 5: the header does not tell whether the last 66 octets are a trailer
    trailer = 0 if offer.supplier_signature is None else _TRAILER_BYTES
    if offer.image_bytes + trailer - _TRAILER_BYTES > state.slot_bytes:
        return "too-large"
    # 6
    manufacturer_code, image_type, _, (lowest, highest) = offer.model
    if manufacturer_code != state.manufacturer_code:
        return "manufacturer-code"
    if image_type != state.image_type:
        return "image-type"
    if state.hardware_version < lowest or state.hardware_version > highest:
        return "hardware-version"
    # 7
    if offer.rules is None:
        return "envelope"
    # 9
    if offer.model != offer.signed_model:
        return "header-mismatch"
    if offer.image_bytes > state.slot_bytes:
        return "too-large"
    # 10 to 13, before the hash of the whole is known; 15; 10 to 13 once more, when it is; 18 to 20
    return (
        _pathway_by_envelope(state, offer, offer.rules)
        or _signature(offer)
        or _pathway_by_hash(state, offer, offer.rules)
        or _contents(state, offer)
        or ACCEPTED
    )


def _pathway_by_envelope(state: State, offer: OfferedImage, rules: ManifestRules) -> str:
    runs = state.confirmed
    if runs and _is_same(runs, offer):
        return "" if runs.damaged else "already-running"
    # 'Going back': what has the version of a damaged image may be that image
    if runs and runs.damaged and runs.file_version == offer.model[2]:
        return ""
    return _order(state, rules)


def _is_same(runs: Confirmed, offer: OfferedImage) -> bool:
    """What is signed alike is the same image, whatever became of its octets on the way."""
    if runs.envelope is None:
        return runs.image_hash == offer.image_hash
    return runs.envelope == offer.envelope


def _pathway_by_hash(state: State, offer: OfferedImage, rules: ManifestRules) -> str:
    runs = state.confirmed
    if runs and runs.image_hash == offer.image_hash:
        # 'Going back': a damaged image is taken once more
        return "" if runs.damaged else "already-running"
    return _order(state, rules)


def _order(state: State, rules: ManifestRules) -> str:
    runs = state.confirmed
    if (runs.file_version if runs else 0) < rules.minimum_base_version:
        return "below-minimum-base"
    if not (_is_named(runs, rules) if runs else rules.predecessors == ()):
        return "not-a-predecessor"
    if rules.security_counter < state.security_counter:
        return "security-counter"
    return ""


def _is_named(runs: Confirmed, rules: ManifestRules) -> bool:
    return any(
        version == runs.file_version and digest in (None, runs.image_hash)
        for version, digest in rules.predecessors
    )


def _signature(offer: OfferedImage) -> str:
    # 15
    if not offer.signer_known:
        return "unknown-signer"
    if not offer.manufacturer_signature:
        return "manufacturer-signature"
    return ""


def _contents(state: State, offer: OfferedImage) -> str:
    # 18
    if not offer.padding_is_zero:
        return "padding"
    if not offer.payload_hash_matches:
        return "payload-hash"
    # 19, 20
    if offer.supplier_signature is None and state.device_type not in _WITHOUT_SUPPLIER:
        return "supplier-missing"
    if offer.supplier_signature is False:
        return "supplier-signature"
    return ""


def confirm(state: State, offer: OfferedImage) -> State:
    """The device after the image was confirmed: its counter has risen to the image's."""
    assert offer.rules is not None
    return replace(
        state,
        security_counter=max(state.security_counter, offer.rules.security_counter),
        confirmed=Confirmed(offer.model[2], offer.image_hash, envelope=offer.envelope),
    )
