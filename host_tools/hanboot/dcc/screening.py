"""11.1 and 11.4: whether an image may go out, and to which of the devices.

The image first, as SECMP0007 describes the DSP: its hash is computed again and must be on the CPL,
with the status Active. Then device by device, each in the first list that it belongs to.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hanboot.dcc.parties import Assignment, certificates_of, find_assignments
from hanboot.dcc.refusals import RequestRefused
from hanboot.dcc.schema import TASK
from hanboot.delivery.delivery import SIGNED_TYPES, UNSIGNED_TYPES
from hanboot.duis import codes
from hanboot.errors import BadFile
from hanboot.image import ota_file
from hanboot.image.ota_file import Image
from hanboot.inventory.devices import DeviceRecord, find_devices
from hanboot.inventory.gate import GateRefused, ListedEntry, check_fit, check_listed
from hanboot.registry.entry import Entry
from hanboot.registry.storage.store import Registry
from hanboot.trust.smki.certificate import SUPPLIER, Certificate

#: Device types of each service. IHDs were left out of SECMP0007; ours go as PPMIDs do.
TYPES = {"11.1": SIGNED_TYPES, "11.4": UNSIGNED_TYPES}

#: States of devices that firmware goes to. Nothing else would end a suspension.
TAKES_FIRMWARE = ("Commissioned", "Suspended")

_IN_PROGRESS = ("waiting", "passed")


@dataclass(frozen=True)
class Screened:
    """What came of it.

    Attributes:
        image: to distribute.
        accepted: devices that get it, with the entry that lists it for them.
        left_out: devices that do not, by list of `responses.WARNING_LISTS`.
    """

    image: Image
    accepted: dict[str, ListedEntry]
    left_out: dict[str, list[str]] = dataclasses.field(default_factory=dict)


def read_image(octets: bytes, reference: str) -> Image:
    """
    Raises:
        RequestRefused: it is no image, or not of the layout of this service.
    """
    layout: ota_file.Layout = "signed" if reference == "11.1" else "unsigned"
    try:
        image = ota_file.load(octets, layout)
    except BadFile as bad:
        raise RequestRefused(codes.WRONG_LAYOUT[reference], bad.what, bad.why) from None
    if (image.trailer is not None) != (reference == "11.1"):
        has = "has a" if image.trailer else "lacks the"
        raise RequestRefused(
            codes.WRONG_LAYOUT[reference],
            f"the image is not one for {reference}",
            f"it {has} supplier's signature",
        )
    return image


def signers_of(connection: Connection, supplier: str) -> list[Certificate]:
    """Certificates of a supplier for what devices check; those for XML are none of them."""
    return [
        one
        for one in certificates_of(connection, supplier)
        if one.role == SUPPLIER and "signature" in one.usages
    ]


def check_supplier(connection: Connection, image: Image, supplier: str) -> None:
    """Whether the image carries the originator's signature: a device takes no other.

    Raises:
        RequestRefused: it does not.
    """
    if image.trailer is None:
        return
    signature = bytes(image.trailer.signature)
    signers = signers_of(connection, supplier)
    if not any(one.key.is_signature(image.manufacturer_image, signature) for one in signers):
        raise RequestRefused(
            codes.WRONG_LAYOUT["11.1"],
            "the image does not carry the originator's signature",
            f"it verifies with no certificate of {supplier}",
            "sign it: hanboot image sign",
        )


def screen(
    registry: Registry,
    connection: Connection,
    reference: str,
    image: Image,
    supplier: str,
    devices: Sequence[str],
    stated_hash: bytes | None = None,
) -> Screened:
    """
    Args:
        registry: the CPL.
        connection: to the same database.
        reference: "11.1" or "11.4".
        image: that is to go out.
        supplier: the originator.
        devices: that it is to go to.
        stated_hash: Manufacturer Image Hash that was submitted with it.

    Raises:
        RequestRefused: the image may not go out at all.
    """
    if stated_hash is not None and stated_hash != image.image_hash:
        raise RequestRefused(
            codes.IMAGE_DIFFERS[reference],
            "the image is not the one that was announced",
            f"announced {stated_hash.hex()}, computed {image.image_hash.hex()}",
        )
    try:
        listed = check_listed(registry, image)
    except GateRefused as refused:
        differs = refused.code == "header-differs"
        table = codes.IMAGE_DIFFERS if differs else codes.NOT_LISTED
        raise RequestRefused(table[reference], refused.what, refused.why) from None
    check_supplier(connection, image, supplier)

    known = find_devices(connection, devices)
    assigned = find_assignments(connection, devices)
    busy = _in_progress(connection, devices)
    screened = Screened(image, {})
    for device_id in devices:
        found = _place(
            known.get(device_id), assigned.get(device_id), supplier, listed, image, reference
        )
        if isinstance(found, str):
            screened.left_out.setdefault(found, []).append(device_id)
        elif device_id in busy:
            screened.left_out.setdefault("OtherRequestInProgressList", []).append(device_id)
        else:
            screened.accepted[device_id] = found
    return screened


def _place(
    device: DeviceRecord | None,
    assignment: Assignment | None,
    supplier: str,
    listed: Sequence[ListedEntry],
    image: Image,
    reference: str,
) -> ListedEntry | str:
    """The entry for a device, or the list of those that are left out for the same cause."""
    # another party's device is as if there were none: nothing of it is disclosed
    if device is None or assignment is None or assignment.supplier != supplier:
        return "InvalidDeviceIDList"
    if device.state not in TAKES_FIRMWARE:
        return "NotCommissionedDeviceIDList"
    try:
        entry = check_fit(listed, image, device.model, device.device_type)
    except GateRefused:
        return "NotApplicableFirmwareDeviceIDList"
    if device.device_type not in TYPES[reference]:
        return "NotApplicableFirmwareDeviceIDList"
    wanted = entry.gbcs_version if isinstance(entry, Entry) else None
    if wanted and assignment.gbcs_version and wanted != assignment.gbcs_version:
        return "InvalidGBCSVersionList"
    return entry


def _in_progress(connection: Connection, devices: Sequence[str]) -> set[str]:
    found: set[str] = set()
    at_once = 500
    for start in range(0, len(devices), at_once):
        query = sa.select(TASK.c.device_id).where(
            TASK.c.device_id.in_(devices[start : start + at_once]),
            TASK.c.image.is_not(None),
            TASK.c.state.in_(_IN_PROGRESS),
        )
        found.update(connection.execute(query).scalars())
    return found
