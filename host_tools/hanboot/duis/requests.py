"""Service Requests 8.2 and 11.1 to 11.4, built from what they ask for."""

from __future__ import annotations

import base64
import datetime
from collections.abc import Sequence

from hanboot.duis.building import Part, date_time, device_list, request
from hanboot.duis.identifiers import RequestID
from hanboot.duis.names import DEVICES_MAX, IMAGE_MAX_BYTES, PRE_COMMAND, SERVICES
from hanboot.duis.parsing import Element
from hanboot.errors import WrongUsage
from hanboot.gbcs.codec import Decoded
from hanboot.image.ota_file import Image

#: DUIS's "never": an activation with this time cancels one (GBCS has another, 99991231235959Z)
CANCELLED = "3000-12-31T00:00:00.00Z"


def read_inventory(request_id: RequestID, by: str, value: str) -> Element:
    """Service Request 8.2.

    Args:
        request_id: target is the Access Control Broker.
        by: "DeviceID", "MPxN" or "UPRN".
        value: the identifier.
    """
    service = SERVICES["8.2"]
    return request(service, request_id, service.variants[0], (service.element, [(by, value)]))


def update_firmware(request_id: RequestID, image: Image, devices: Sequence[bytes]) -> Element:
    """Service Request 11.1: distributes an image with a supplier's signature.

    Raises:
        WrongUsage: the image has no such signature, or a limit is exceeded.
    """
    if image.trailer is None:
        raise WrongUsage(
            f"{image.name} cannot go out with Service Request 11.1",
            "it has no supplier's signature (GBCS 11.2.3), which these devices demand",
            "have the supplier sign it, or take 11.4 for a PPMID",
        )
    return _update("11.1", request_id, image, devices)


def update_ppmid_firmware(request_id: RequestID, image: Image, devices: Sequence[bytes]) -> Element:
    """Service Request 11.4: distributes an image to PPMIDs, which activate it.

    Raises:
        WrongUsage: the image has a supplier's signature, or a limit is exceeded.
    """
    if image.trailer is not None:
        raise WrongUsage(
            f"{image.name} cannot go out with Service Request 11.4",
            "it ends with a supplier's signature; the image of a PPMID is header and "
            "Manufacturer Image alone",
            "give the image as it was built, or take 11.1 for a meter or an HCALCS",
        )
    return _update("11.4", request_id, image, devices)


def _update(
    reference: str, request_id: RequestID, image: Image, devices: Sequence[bytes]
) -> Element:
    service = SERVICES[reference]
    if len(image.octets) > IMAGE_MAX_BYTES:
        raise _limit(f"{image.name} has {len(image.octets)} octets", f"{IMAGE_MAX_BYTES}")
    if not 1 <= len(devices) <= DEVICES_MAX:
        raise _limit(f"{len(devices)} devices are named", f"1 to {DEVICES_MAX}")
    if len(set(devices)) != len(devices):
        raise WrongUsage(
            "a device is named twice",
            f"{len(devices) - len(set(devices))} of {len(devices)} are repetitions",
            "name each device once",
        )
    body: Part = (
        service.element,
        [
            ("FirmwareImage", base64.b64encode(image.octets).decode()),
            ("FirmwareVersion", f"{image.header.file_version:08X}"),
            ("DeviceIDList", device_list(devices)),
        ],
    )
    return request(service, request_id, service.variants[0], body)


def _limit(why: str, most: str) -> WrongUsage:
    return WrongUsage(
        "the request would be refused by its schema",
        f"{why}, and it takes {most}",
        "split it over several requests, or make the image smaller",
    )


def read_firmware_version(
    request_id: RequestID, variant: int, execution: datetime.datetime | None = None
) -> Element:
    """Service Request 11.2: asks a device for the version that it runs."""
    service = SERVICES["11.2"]
    return request(service, request_id, variant, (service.element, _execution(execution)))


def activate_firmware(
    request_id: RequestID,
    image_hash: bytes,
    execution: datetime.datetime | None = None,
    cancel: bool = False,
) -> Element:
    """Service Request 11.3: asks for the pre-command of an activation.

    Args:
        request_id: target is the device.
        image_hash: Manufacturer Image Hash of what is to be activated.
        execution: when; None is at once.
        cancel: call off what was asked for, in place of `execution`.
    """
    service = SERVICES["11.3"]
    when: list[Part] = [("ExecutionDateTime", CANCELLED)] if cancel else _execution(execution)
    body: Part = (service.element, [*when, ("FirmwareHash", image_hash.hex().upper())])
    return request(service, request_id, PRE_COMMAND, body)


def signed_pre_command(request_id: RequestID, variant: int, command: Decoded) -> Element:
    """Service Request 11.3 once more, with the pre-command that the supplier signed.

    The time is that of the command; the schema lets it be stated outside too, and it is not: what
    is stated twice can differ.
    """
    payload = base64.b64encode(command.message.encode()).decode()
    body: Part = ("SignedPreCommand", [("GBCSPayload", payload)])
    return request(SERVICES["11.3"], request_id, variant, body)


def _execution(execution: datetime.datetime | None) -> list[Part]:
    return [("ExecutionDateTime", date_time(execution))] if execution else []
