"""An image on its way to a device: what the registry's owner allows, and what came of it.

Every command that sends an image to a device does so inside `sending`, whatever else it is for.
The CPL is asked by the hash of the octets that are to be sent; nothing overrides that. A ban of
local updates is lifted for one image and one device by a permit of the DSP, or by an `Override`;
either stands in the history of the registry before the first octet is sent.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator
from dataclasses import dataclass, field

from hanboot.device.records import Identity
from hanboot.device.refusal import DeviceRefused
from hanboot.errors import HanbootError
from hanboot.explain.reasons import explain
from hanboot.explain.versions import device_type_text
from hanboot.image.ota_file import Image
from hanboot.inventory.devices import Distribution, Inventory, device_id
from hanboot.inventory.gate.checks import (
    GateRefused,
    ListedEntry,
    check_fit,
    check_listed,
    check_local,
    identity_model,
)
from hanboot.inventory.gate.permit import Permit, check_permit
from hanboot.registry.storage.history import Attribution, now
from hanboot.registry.storage.store import Registry


@dataclass(frozen=True)
class Override:
    """Who lifts a ban, and why."""

    author: str
    reason: str


@dataclass(frozen=True)
class Permits:
    """Permits of the DSP, one for each image that is to be sent."""

    permits: tuple[Permit, ...]

    def for_image(self, image: Image) -> Permit:
        """The one for an image; the first, where none is: it says for which it is."""
        named = (one for one in self.permits if one.image_hash == image.image_hash)
        return next(named, self.permits[0])


@dataclass
class Sending:
    """An image that may be sent.

    Attributes:
        entry: of the CPL.
        change_set: number of the one that lifts a ban; None where nothing is banned.
        outcome: what is recorded if the body ends without an error.
        reason: name of a device's reason, where it refused without an error.
    """

    entry: ListedEntry
    change_set: int | None
    outcome: str = "activated"
    reason: str | None = None

    def staged(self) -> None:
        """It was accepted, and is not started by this command."""
        self.outcome = "staged"

    def refused(self, reason: str) -> None:
        self.outcome, self.reason = "refused", reason

    def failed(self) -> None:
        self.outcome = "failed"


@contextlib.contextmanager
def sending(
    registry: Registry,
    image: Image,
    identity: Identity,
    command: str,
    lift: Override | Permits | None = None,
    day: datetime.date | None = None,
) -> Iterator[Sending]:
    """Around everything that sends an image to a device; what came of it is recorded.

    Args:
        identity: of the device.
        command: that sends it, for the record.
        lift: lifts a ban of local updates, and nothing else.
        day: on which the status of entries counts; None is today.

    Raises:
        GateRefused: it may not be sent; nothing was. That is recorded, too.
    """
    record = _Record(registry, image, identity, command)
    try:
        entry = check_listed(registry, image, day)
        record.entry = check_fit(
            entry, image, identity_model(identity), device_type_text(identity.device_type)
        )
        record.change_set = _lift_ban(registry, image, identity, lift)
        sent = Sending(record.entry, record.change_set)
        yield sent
    except GateRefused as refused:
        record.write("refused", name=refused.code, detail=str(refused))
        raise
    except DeviceRefused as refused:
        record.write("refused", refused.verdict.reason, detail=str(refused))
        raise
    except HanbootError as error:
        record.write("failed", name="link", detail=str(error))
        raise
    except BaseException:
        record.write("failed", name="stopped")
        raise
    record.write(sent.outcome, name=sent.reason)


def _lift_ban(
    registry: Registry, image: Image, identity: Identity, lift: Override | Permits | None
) -> int | None:
    """The change set that lifts a ban; None if there is no ban."""
    try:
        check_local(registry)
    except GateRefused:
        if lift is None:
            raise
    else:
        return None
    number = device_id(identity.serial)
    if isinstance(lift, Permits):
        permit = lift.for_image(image)
        check_permit(permit, registry.permits_from(), number, image.image_hash)
        kind, author = "permit", permit.party
        reason = f"a permit of the DSP, good until {permit.as_json()['valid_until']}"
    else:
        kind, author, reason = "override", lift.author, lift.reason
    with registry.changing(Attribution(author, reason, channel=kind)) as writer:
        writer.record(
            f"{kind} {number}",
            None,
            {
                "lifts": "local-updates-banned",
                "image_hash": image.image_hash.hex(),
                "file_version": f"{image.header.file_version:08X}",
            },
        )
    return writer.change_set


@dataclass
class _Record:
    """Writes what came of it into the inventory."""

    registry: Registry
    image: Image
    identity: Identity
    command: str
    entry: ListedEntry | None = field(default=None, init=False)
    change_set: int | None = field(default=None, init=False)

    def write(
        self,
        outcome: str,
        reason: int | None = None,
        name: str | None = None,
        detail: str | None = None,
    ) -> None:
        made = Distribution(
            now(),
            device_id(self.identity.serial),
            self.image.header.file_version,
            self.image.image_hash,
            self.entry.cpl_entry_id if self.entry else None,
            outcome,
            reason,
            explain(reason).name if reason else name,
            detail,
            self.command,
            self.change_set,
        )
        Inventory(self.registry.database).record(made)
