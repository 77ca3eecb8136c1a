"""A device's verdict in three lines: what happened, why, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hanboot.explain.fields import place_of
from hanboot.explain.reasons import Explanation, explain
from hanboot.explain.versions import hardware_text, version_text
from hanbootloader import policy, reasons


class _Firmware(Protocol):
    """A firmware as a verdict names it."""

    @property
    def file_version(self) -> int: ...
    @property
    def image_hash(self) -> bytes | None: ...


class _Model(Protocol):
    """What an image is made for, or what a device is."""

    @property
    def manufacturer_code(self) -> int: ...
    @property
    def image_type(self) -> int: ...
    @property
    def hardware(self) -> tuple[int, int]: ...


class _Verdict(Protocol):
    """A device's word on an image, see `hanboot.device.records.Verdict`."""

    @property
    def reason(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def offered(self) -> _Firmware: ...
    @property
    def running(self) -> _Firmware | None: ...
    @property
    def minimum_base_version(self) -> int: ...
    @property
    def accepts(self) -> Sequence[_Firmware]: ...
    @property
    def accepts_total(self) -> int: ...
    @property
    def kind(self) -> str | None: ...
    @property
    def offered_model(self) -> _Model | None: ...
    @property
    def device_model(self) -> _Model | None: ...


def firmware_text(firmware: _Firmware) -> str:
    """A firmware's version, with the beginning of its hash where that is known."""
    digest = firmware.image_hash
    return version_text(firmware.file_version) + (
        f" with hash {digest.hex()[:16]}…" if digest else ""
    )


def _image_text(offered: _Firmware) -> str:
    # an activation names a hash, and what is not held has no version
    if offered.image_hash and not offered.file_version:
        return f"the image with hash {offered.image_hash.hex()[:16]}…"
    return version_text(offered.file_version)


_HAPPENED = {
    "reverted": "reverted",
    "fell back": "found damaged, and the one before it runs",
    "damaged": "found damaged",
    "not activated": "not activated",
    "not started": "not started",
}


def verdict_lines(verdict: _Verdict) -> tuple[str, str, str]:
    """What happened, why, and what to do about it: one line each."""
    words = explain(verdict.reason)
    offered = verdict.offered
    # zeros: whichever is held was to be activated
    named = offered.file_version or any(offered.image_hash or b"")
    if verdict.reason == reasons.ACCEPTED:
        if not named:
            return (
                "the device refused",
                "it gave no reason",
                "hanboot status shows what it runs and holds",
            )
        return f"{version_text(offered.file_version)} was accepted", words.meaning, words.remedy
    happened = _HAPPENED.get(verdict.kind or "", "refused")
    subject = f"{_image_text(offered)} was {happened}" if named else happened
    return f"{subject}: {words.name}", _why(verdict, words), _remedy(verdict, words)


def _why(verdict: _Verdict, words: Explanation) -> str:
    if verdict.reason in policy.PATHWAY:
        running = "no application runs"
        if verdict.running is not None:
            running = f"{firmware_text(verdict.running)} runs"
        if verdict.reason == reasons.BELOW_MINIMUM_BASE:
            minimum = version_text(verdict.minimum_base_version)
            return f"{running}, and the image needs at least {minimum}"
        if verdict.reason == reasons.NO_LONGER_ALLOWED:
            return f"{running}: {words.meaning}"
        if verdict.running is None:
            return f"{running}, and the image may only follow firmware that it names"
        return f"{running}, which the image does not name as firmware that it may follow"
    sides = _both_sides(verdict)
    if sides:
        return f"{words.meaning}: {sides}"
    where = place_of(verdict.reason, verdict.offset)
    return f"{where}: {words.meaning}" if where else words.meaning


def _both_sides(verdict: _Verdict) -> str:
    """What the image is made for, and what the device is; "" where one is not known."""
    offered, device = verdict.offered_model, verdict.device_model
    if offered is None or device is None:
        return ""
    if verdict.reason == reasons.MANUFACTURER_CODE:
        theirs, own = (f"0x{m.manufacturer_code:04X}" for m in (offered, device))
        return f"manufacturer code {theirs}, the device's is {own}"
    if verdict.reason == reasons.IMAGE_TYPE:
        theirs, own = (f"0x{m.image_type:04X}" for m in (offered, device))
        return f"image type {theirs}, the device's is {own}"
    if verdict.reason == reasons.HARDWARE_VERSION:
        lowest, highest = map(hardware_text, offered.hardware)
        return f"it is for {lowest} to {highest}, the device is {hardware_text(device.hardware[0])}"
    return ""


def _remedy(verdict: _Verdict, words: Explanation) -> str:
    if verdict.reason not in policy.PATHWAY:
        return words.remedy
    if not verdict.accepts:
        if verdict.running is None:
            return words.remedy
        return "the image names no firmware that it may follow: take another release"
    accepted = " or ".join(firmware_text(firmware) for firmware in verdict.accepts)
    more = verdict.accepts_total - len(verdict.accepts)
    if verdict.running is not None and more <= 0:
        newest = max(firmware.file_version for firmware in verdict.accepts)
        # as a rule no way leads back to it; a registry knows
        if newest < verdict.running.file_version:
            return f"take a later release: this one is for devices that run {accepted}"
    return f"install {accepted}{f' (or one of {more} more)' if more > 0 else ''} first"
