"""An image through the gate to a device: sent, activated, recorded.

What the device decides is recorded as it says it: the firmware that it confirmed, or the reason of
its refusal. A link that breaks is recorded too, for then it is not known what the device holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hanboot.device.client import Progress, no_progress
from hanboot.device.records import FirmwareId, Identity
from hanboot.device.refusal import DeviceRefused
from hanboot.device.upgrade import UpgradeTarget, upgrade
from hanboot.errors import HanbootError
from hanboot.explain.reasons import explain
from hanboot.explain.versions import device_type_text
from hanboot.image.ota_file import Image
from hanboot.inventory import gate
from hanboot.inventory.devices import Distribution, Inventory, device_id
from hanboot.inventory.gate import GateRefused, ListedEntry
from hanboot.inventory.reports import FirmwareReport
from hanboot.registry.pathways.remedy import way_to_refused
from hanboot.registry.storage.history import now
from hanboot.registry.storage.store import Registry
from hanbootloader import reasons


@dataclass(frozen=True)
class DistributionResult:
    """What came of it.

    Attributes:
        distribution: the record.
        before, after: what the device ran.
        error: why it was not activated; None if it was.
    """

    distribution: Distribution
    before: FirmwareId | None
    after: FirmwareId | None
    error: HanbootError | None

    @classmethod
    def without_device(cls, image: Image, error: HanbootError) -> DistributionResult:
        """No device answered, so there is nothing to record."""
        code, reason = _reason(error)
        sent = Distribution(
            now(),
            "",
            image.header.file_version,
            image.image_hash,
            None,
            "failed",
            code,
            reason,
            str(error),
        )
        return cls(sent, None, None, error)

    def as_json(self) -> dict[str, Any]:
        return self.distribution.as_json() | {
            "before": self.before.as_json() if self.before else None,
            "after": self.after.as_json() if self.after else None,
        }


def distribute(
    target: UpgradeTarget,
    image: Image,
    listed: list[ListedEntry],
    inventory: Inventory | None,
    on_report: Callable[[FirmwareReport], None] = lambda report: None,
    check_local: Callable[[str], None] = lambda device: None,
    progress: Progress = no_progress,
    clock: Callable[[], str] = now,
) -> DistributionResult:
    """Brings an image to one device, if the gate and the device let it.

    Args:
        listed: what `gate.check_listed` found.
        inventory: where the device must be, and what is updated; None offline.
        on_report: called with the device's new firmware, for an inventory that is elsewhere.
        check_local: called with the device's ID before anything is sent; raises `GateRefused` where
            it may not be updated locally.
    """
    identity = target.identity()
    before = _firmware(identity)
    number = device_id(identity.serial)
    model, device_type = gate.identity_model(identity), device_type_text(identity.device_type)
    entry: ListedEntry | None = None

    def record(outcome: str, error: HanbootError | None = None) -> Distribution:
        code, reason = _reason(error)
        made = Distribution(
            clock(),
            number,
            image.header.file_version,
            image.image_hash,
            entry.cpl_entry_id if entry else None,
            outcome,
            code,
            reason,
            str(error) if error else None,
            "distribute",
        )
        if inventory is not None:
            inventory.record(made)
        return made

    try:
        if inventory is not None:
            gate.check_inventory(inventory.find([number]).get(number), identity)
        entry = gate.check_fit(listed, image, model, device_type)
        check_local(number)
        confirmed = upgrade(target, image.octets, progress)
    except GateRefused as error:
        return DistributionResult(record("refused", error), before, before, error)
    except DeviceRefused as refused:
        better = _with_way(refused, target, inventory)
        return DistributionResult(record("refused", better), before, before, better)
    except HanbootError as error:
        return DistributionResult(record("failed", error), before, None, error)
    made = record("activated")
    on_report(
        FirmwareReport(
            number,
            made.at,
            model,
            device_type,
            image.header.file_version,
            image.image_hash,
            "local",
        )
    )
    return DistributionResult(made, before, _firmware(confirmed), None)


def _with_way(
    refused: DeviceRefused, target: UpgradeTarget, inventory: Inventory | None
) -> DeviceRefused:
    """The refusal with the way that the registry knows, if it knows one."""
    if inventory is None:
        return refused
    registry = Registry(inventory.database)
    way = way_to_refused(registry, target.identity(), refused.verdict)
    return DeviceRefused(refused.verdict, way.text) if way else refused


def _firmware(identity: Identity) -> FirmwareId | None:
    return identity.running.firmware if identity.running else None


def _reason(error: HanbootError | None) -> tuple[int | None, str | None]:
    """The device's reason code and its name, or the gate's."""
    if isinstance(error, DeviceRefused):
        code = error.verdict.reason
        return code, explain(code).name if code != reasons.ACCEPTED else "no-reason"
    if isinstance(error, GateRefused):
        return None, error.code
    if error is not None:
        return None, "link"
    return None, None
