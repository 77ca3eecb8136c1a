"""Plays one cell on a device and holds it against the decision function and the oracle."""

from __future__ import annotations

import time
from dataclasses import dataclass

from hanboot.device import upgrade
from hanboot.device.client import Device
from hanboot.device.records import Identity
from hanboot.device.refusal import DeviceRefused, Reverted
from hanboot.device.upgrade import UpgradeOutcome
from hanboot.errors import LinkError, NoDevice
from hanboot.explain.reasons import explain
from hanboot.explain.versions import device_type_text
from hanboot.image import verify
from hanboot.matrix import oracle
from hanboot.matrix.cells import MatrixCell, NamedImage, Situation
from hanboot.matrix.reading import Trust
from hanbootloader import policy

NO_ANSWER = "no answer"


@dataclass(frozen=True)
class Place:
    """Where a row is played: `state` is what the oracle holds of the device there."""

    situation: Situation
    state: oracle.State


def state_of(identity: Identity) -> oracle.State:
    """A device's own properties; what it runs and its counter are the oracle's to know."""
    return oracle.State(
        identity.manufacturer_code,
        identity.image_type,
        identity.hardware_version,
        device_type_text(identity.device_type),
        identity.slot_bytes,
    )


def expected(place: Place, release: NamedImage, trust: Trust) -> str:
    """The oracle's reason."""
    return oracle.verdict(place.state, trust.offer(release.image))


def decided(identity: Identity, place: Place, release: NamedImage, trust: Trust) -> str:
    """The decision's reason, over what the device reports of itself.

    Args:
        place: its running release lends the image that the device has in flash.
    """
    slot = identity.slot("confirmed") or identity.slot("damaged")
    running, image = None, None
    if slot and slot.firmware and slot.firmware.image_hash:
        image_hash = slot.firmware.image_hash
        running = policy.RunningFirmware(
            slot.firmware.file_version, image_hash, slot.state == "damaged"
        )
        release_there = place.situation.running
        if release_there and release_there.image.image_hash == image_hash:
            image = release_there.image.manufacturer_image
    decision = verify.decide(
        release.image.octets, identity.facts, running, trust.manufacturer, trust.supplier, image
    )
    return explain(decision.reason).name


def play(
    device: Device, place: Place, release: NamedImage, trust: Trust, activate: bool
) -> MatrixCell:
    """Offers `release`, and with `activate` starts it if it is accepted.

    A device that breaks off in the middle makes a fault of the cell.
    """
    started = time.monotonic()
    wanted = expected(place, release, trust)
    reason, decision, trial = NO_ANSWER, NO_ANSWER, ""
    outcome: UpgradeOutcome | None = None
    faults: list[str] = []
    try:
        before = device.identity()
        decision = decided(before, place, release, trust)
        faults += _differences("before the offer", before, place.state)
        reason = offer(device, release)
        after = before
        if reason == oracle.ACCEPTED:
            outcome = UpgradeOutcome.NOT_ACTIVATED
            if activate:
                outcome, trial = start(device, release)
        after = device.identity()
        state = place.state
        if outcome == UpgradeOutcome.CONFIRMED and trust.offer(release.image).rules:
            state = oracle.confirm(state, trust.offer(release.image))
            faults += _ways_back(after, release)
        faults += _differences("afterwards", after, state)
    except (LinkError, NoDevice) as error:
        faults.append(str(error))
    if not reason == decision == wanted:
        faults.insert(0, f"device: {reason}; decision function: {decision}; oracle: {wanted}")
    seconds = time.monotonic() - started
    return MatrixCell(
        situation=place.situation,
        offered=release,
        device=reason,
        decision=decision,
        oracle=wanted,
        outcome=outcome,
        trial_reason=trial,
        faults=tuple(faults),
        seconds=seconds,
    )


def offer(device: Device, release: NamedImage) -> str:
    """The device's reason for or against `release`."""
    try:
        upgrade.stage(device, release.image.octets)
    except DeviceRefused as refused:
        return _reason_of(refused)
    return oracle.ACCEPTED


def start(device: Device, release: NamedImage) -> tuple[UpgradeOutcome, str]:
    """Activates what was accepted: the outcome, and the reason if it is not confirmed."""
    try:
        upgrade.start(device, release.image.image_hash)
    except Reverted as reverted:
        return UpgradeOutcome.REVERTED, _reason_of(reverted)
    except DeviceRefused as refused:
        return UpgradeOutcome.NOT_ACTIVATED, _reason_of(refused)
    return UpgradeOutcome.CONFIRMED, ""


def _reason_of(refused: DeviceRefused) -> str:
    reason = refused.verdict.reason
    if not reason:
        raise LinkError(
            "the device refused without a reason", refused.why, "look at hanboot verdict"
        )
    return explain(reason).name


def _differences(when: str, identity: Identity, state: oracle.State) -> list[str]:
    """Where the device is not in the state in which it must be."""
    faults = []
    confirmed = identity.confirmed
    found = confirmed.image_hash if confirmed else None
    wanted = state.confirmed.image_hash if state.confirmed else None
    if found != wanted:
        faults.append(f"{when} {_short(found)} is confirmed, not {_short(wanted)}")
    running = identity.running
    started = running.firmware.image_hash if running and running.firmware else None
    if started != wanted:
        faults.append(f"{when} {_short(started)} runs, not {_short(wanted)}")
    if identity.security_counter != state.security_counter:
        faults.append(
            f"{when} the device's counter is {identity.security_counter}, "
            f"not {state.security_counter}"
        )
    return faults


def _ways_back(identity: Identity, release: NamedImage) -> list[str]:
    manifest = release.image.manifest
    if manifest and manifest.point_of_no_return and identity.slot("previous"):
        return ["behind a point of no return the image before it is still there"]
    return []


def _short(image_hash: bytes | None) -> str:
    return f"{image_hash.hex()[:16]}…" if image_hash else "nothing"
