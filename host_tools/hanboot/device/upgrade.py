"""Upload, verify, activate, reset and confirm: one image, or a path of them.

The steps of a path are the caller's: files in order (`remaining` drops those behind the device),
or the steps of a plan. What is seen of them goes to a `Watcher`.
"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from hanboot.device.client import Progress, hash_in, no_progress
from hanboot.device.records import FirmwareId, Identity, Verdict
from hanboot.errors import LinkError


class UpgradeOutcome(enum.StrEnum):
    """How an image that was accepted ended."""

    CONFIRMED = "confirmed"
    REVERTED = "reverted"
    NOT_ACTIVATED = "not activated"


class UpgradeTarget(Protocol):
    """What an upgrade asks of a device; `hanboot.device.client.Device` is one."""

    def identity(self) -> Identity: ...
    def upload(self, octets: bytes, progress: Progress = ...) -> None: ...
    def wait_verified(self) -> Verdict: ...
    def activate(self, image_hash: bytes) -> None: ...
    def reset(self) -> None: ...
    def wait_outcome(self, wanted: bytes) -> Identity: ...


@dataclass(frozen=True, kw_only=True)
class Step:
    """One image of a path. name: what to call it; octets: the whole OTA Upgrade Image."""

    name: str
    octets: bytes


class Watcher:
    """Sees an upgrade go by; does nothing by itself."""

    def before(self, step: Step, number: int, count: int) -> None:
        """Before a step is sent; what it raises ends the path."""

    def sending(self, step: Step) -> AbstractContextManager[Progress]:
        """Around the transfer of a step."""
        return contextlib.nullcontext(no_progress)

    def staged(self, step: Step) -> None:
        """The device has accepted it, and it is about to be started on trial."""

    def confirmed(self, step: Step, firmware: FirmwareId) -> None:
        """It runs, and its own self-test has passed."""


def stage(device: UpgradeTarget, octets: bytes, progress: Progress = no_progress) -> Verdict:
    """Sends an image and waits for the verdict.

    Raises:
        DeviceRefused: it is not accepted.
        LinkError: the link broke, or the device was reset.
    """
    device.upload(octets, progress)
    return device.wait_verified()


def start(device: UpgradeTarget, image_hash: bytes) -> Identity:
    """Starts the staged image and waits until it has confirmed itself.

    Raises:
        Reverted: its trial failed.
        DeviceRefused: it may not be activated.
        LinkError: the link broke, or neither happened in time.
    """
    device.activate(image_hash)
    device.reset()
    return device.wait_outcome(image_hash)


def upgrade(device: UpgradeTarget, octets: bytes, progress: Progress = no_progress) -> Identity:
    """One image from upload to confirmation: what the device is then.

    Raises:
        DeviceRefused: it is not accepted, or was reverted.
        LinkError: the link broke.
    """
    return start(device, _hash_of(stage(device, octets, progress)))


def follow(device: UpgradeTarget, path: Sequence[Step], watcher: Watcher) -> list[FirmwareId]:
    """Takes a device along a path of images: what it confirmed, in order.

    Raises:
        DeviceRefused, LinkError: at the step where it ends; the device runs the one before.
    """
    done = []
    for number, step in enumerate(path, 1):
        watcher.before(step, number, len(path))
        with watcher.sending(step) as progress:
            verdict = stage(device, step.octets, progress)
        watcher.staged(step)
        start(device, _hash_of(verdict))
        watcher.confirmed(step, verdict.offered)
        done.append(verdict.offered)
    return done


def remaining(confirmed: FirmwareId | None, path: Sequence[Step]) -> Sequence[Step]:
    """What is left of a path for a device on which `confirmed` runs."""
    if confirmed is None or confirmed.image_hash is None:
        return path
    hashes = [hash_in(step.octets) for step in path]
    if confirmed.image_hash not in hashes:
        return path
    return path[hashes.index(confirmed.image_hash) + 1 :]


def _hash_of(verdict: Verdict) -> bytes:
    if verdict.offered.image_hash is None:
        raise LinkError(
            "the device does not name the image that it accepted",
            "its verdict has no Manufacturer Image Hash",
            "check that host tools and device fit together: hanboot status",
        )
    return verdict.offered.image_hash
