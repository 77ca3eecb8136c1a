"""The gate: what has to hold before an image is sent to a device.

As SECMP0007 describes it of the DSP: compute the Manufacturer Image Hash again, find it on the CPL
with the status Active, see that device type and model fit, and only then send. The same gate stands
before a local update, offline, with a signed snapshot in the place of the CPL; a switch bans local
updates altogether.

The gate does not ask about pathways: the device itself refuses what may not follow what it runs.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Protocol

from hanboot.device.records import Identity
from hanboot.errors import CheckFailed
from hanboot.explain.versions import device_type_text
from hanboot.image.ota_file import Image
from hanboot.inventory.devices import DeviceRecord, device_id
from hanboot.registry.entry import Model, device_model
from hanboot.registry.exchange.snapshot import Snapshot
from hanboot.registry.pathways.graph import today
from hanboot.registry.storage.store import Registry


class ListedEntry(Protocol):
    """An entry, as far as a gate looks."""

    @property
    def cpl_entry_id(self) -> str: ...
    @property
    def device_type(self) -> str: ...
    @property
    def manufacturer_code(self) -> int: ...
    @property
    def device_model(self) -> int: ...
    @property
    def firmware_version(self) -> int: ...
    def status_on(self, day: datetime.date) -> str: ...


class GateRefused(CheckFailed):
    """An image may not go to a device. code: why, for records and programs."""

    def __init__(self, code: str, what: str, why: str, what_to_do: str) -> None:
        self.code = code
        super().__init__(what, why, what_to_do)


def check_local(cpl: Registry | Snapshot) -> None:
    """Whether local updates are allowed at all.

    Raises:
        GateRefused: they are banned.
    """
    switch = cpl.local_updates if isinstance(cpl, Snapshot) else cpl.setting("local_updates")
    if switch != "allowed":
        raise GateRefused(
            "local-updates-banned",
            "local updates are banned",
            "the owner of the registry decided so, as SECMP0007 does",
            "send it through the DCC, or with a permit of the DSP: hanboot dcc submit --permit; "
            "the owner can allow them: hanboot registry settings --local-updates allowed",
        )


def check_listed(
    cpl: Registry | Snapshot, image: Image, day: datetime.date | None = None
) -> list[ListedEntry]:
    """The Active entries with the image's hash.

    Raises:
        GateRefused: there is none.
    """
    # computed from the octets, whatever else is said about them
    digest = image.image_hash
    listed: Sequence[ListedEntry] = cpl.by_hash(digest)
    if not listed:
        raise GateRefused(
            "not-on-cpl",
            f"{image.name} is not on the CPL",
            f"no entry has its Manufacturer Image Hash {digest.hex()}",
            "check that it is the very image that was submitted",
        )
    moment = day or today()
    active = [entry for entry in listed if entry.status_on(moment) == "Active"]
    if not active:
        states = ", ".join(f"{e.cpl_entry_id} is {e.status_on(moment)}" for e in listed)
        raise GateRefused(
            "not-active",
            f"{image.name} may not be distributed",
            states,
            "take a release that is Active on the CPL",
        )
    header = image.header
    same = [
        entry
        for entry in active
        if entry.firmware_version == header.file_version
        and entry.manufacturer_code == header.manufacturer_code
    ]
    if not same:
        raise GateRefused(
            "header-differs",
            f"{image.name} is not what the CPL says of it",
            f"its OTA Header says {header.manufacturer_code:04X} version "
            f"{header.file_version:08X}, {active[0].cpl_entry_id} says "
            f"{active[0].manufacturer_code:04X} version {active[0].firmware_version:08X}",
            "fetch the image again: no signature covers its header",
        )
    return same


def check_fit(
    listed: Sequence[ListedEntry], image: Image, model: Model, device_type: str
) -> ListedEntry:
    """The entry among `listed` that is for a device.

    Raises:
        GateRefused: none is.
    """
    for entry in listed:
        is_model = Model(entry.manufacturer_code, entry.device_model) == model
        if is_model and entry.device_type == device_type:
            return entry
    offered = ", ".join(
        f"{e.device_type} {Model(e.manufacturer_code, e.device_model)}" for e in listed
    )
    raise GateRefused(
        "does-not-fit",
        f"{image.name} does not fit the device",
        f"the device is {device_type} {model}, the CPL lists the image for {offered}",
        "check which device it is, and which image is for it",
    )


def check_inventory(held: DeviceRecord | None, identity: Identity) -> DeviceRecord:
    """The device as the inventory holds it, which must be the device that answers.

    Raises:
        GateRefused: it is not there, not commissioned, or another model.
    """
    number = device_id(identity.serial)
    if held is None:
        raise GateRefused(
            "not-in-inventory",
            f"the device {number} is not in the inventory",
            "firmware goes to devices of the inventory only",
            "check the port; hanboot inventory add enters a device",
        )
    if held.state != "Commissioned":
        raise GateRefused(
            "not-commissioned",
            f"the device {number} is {held.state}",
            "firmware goes to commissioned devices only",
            "commission it first",
        )
    model, device_type = identity_model(identity), device_type_text(identity.device_type)
    if (held.model, held.device_type) != (model, device_type):
        raise GateRefused(
            "inventory-differs",
            f"the device {number} is not what the inventory holds",
            f"it is {device_type} {model}, the inventory has {held.device_type} {held.model}",
            "find out which device it is, and correct the inventory",
        )
    return held


def identity_model(identity: Identity) -> Model:
    return Model(
        identity.manufacturer_code, device_model(identity.image_type, identity.hardware_version)
    )
