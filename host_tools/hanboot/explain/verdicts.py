"""A device's verdict in three lines: what happened, why, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hanboot.explain.fields import place_of
from hanboot.explain.reasons import Explanation, explain
from hanboot.explain.versions import version_text
from hanbootloader import policy, reasons


class _Firmware(Protocol):
    """A firmware as a verdict names it."""

    @property
    def file_version(self) -> int: ...
    @property
    def image_hash(self) -> bytes | None: ...


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


def firmware_text(firmware: _Firmware) -> str:
    """A firmware's version, with the beginning of its hash where that is known."""
    digest = firmware.image_hash
    return version_text(firmware.file_version) + (
        f" with hash {digest.hex()[:16]}…" if digest else ""
    )


def verdict_lines(verdict: _Verdict) -> tuple[str, str, str]:
    """What happened, why, and what to do about it: one line each."""
    words = explain(verdict.reason)
    offered = verdict.offered
    named = offered.file_version or offered.image_hash
    if verdict.reason == reasons.ACCEPTED:
        if not named:
            return (
                "the device refused",
                "it gave no reason",
                "hanboot status shows what it runs and holds",
            )
        return f"{version_text(offered.file_version)} was accepted", words.meaning, words.remedy
    subject = f"{version_text(offered.file_version)} was refused" if named else "refused"
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
    where = place_of(verdict.reason, verdict.offset)
    return f"{where}: {words.meaning}" if where else words.meaning


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
