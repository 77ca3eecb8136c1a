"""What the DSP answers: acknowledgements, responses, device alerts and DCC alerts."""

from __future__ import annotations

import base64
import datetime
from collections.abc import Mapping, Sequence

from hanboot.duis.building import Part, date_time, device_list, document
from hanboot.duis.identifiers import RequestID
from hanboot.duis.parsing import Element
from hanboot.trust.smki.certificate import eui_text

SUCCESS = "I0"
ACKNOWLEDGED = "I99"

#: Lists of a warning to 11.1 or 11.4, in the schema's order.
WARNING_LISTS = (
    "InvalidDeviceIDList",
    "NotCommissionedDeviceIDList",
    "NotApplicableFirmwareDeviceIDList",
    "OtherRequestInProgressList",
    "InvalidGBCSVersionList",
)

#: FirmwareTransferAlert's TransferResponseCode, by the response code of CCS08 (GBCS 11.7)
TRANSFER_CODES = (
    "FileTransferSuccess",
    "FirmwareImageDiscarded",
    "HardwareVersionMismatch",
    "FileTransferFailure",
)
TRANSFERRED, DISCARDED = TRANSFER_CODES[:2]


def _header(
    request_id: RequestID | None,
    response_id: RequestID | None,
    code: str,
    at: datetime.datetime,
) -> list[Part]:
    header: list[Part] = []
    if request_id:
        header.append(("RequestID", str(request_id)))
    if response_id:
        header.append(("ResponseID", str(response_id)))
    return [*header, ("ResponseCode", code), ("ResponseDateTime", date_time(at))]


def response(
    request_id: RequestID,
    reference: str,
    code: str,
    at: datetime.datetime,
    content: Part | None = None,
    *,
    from_device: bool = False,
) -> Element:
    """An answer to a request.

    Args:
        request_id: of the request.
        reference: its Service Reference.
        code: response code, e.g. "I0".
        at: when it is given.
        content: what it brings, e.g. of `warning`.
        from_device: whether a device's answer, or a pre-command for it, is in it.
    """
    message: list[Part] = [
        ("ServiceReference", reference),
        ("ServiceReferenceVariant", reference),
        *([content] if content else []),
    ]
    header = _header(request_id, request_id.reply if from_device else None, code, at)
    return document("Response", header, ("ResponseMessage", message))


# --- what a response brings


def pre_command(gbcs_version: str, octets: bytes) -> Part:
    """For the supplier to sign; `octets` end with the empty signature block."""
    payload = base64.b64encode(octets).decode()
    return ("PreCommand", [("GBCSVersion", gbcs_version), ("GBCSPayload", payload)])


def gbcs_payload(octets: bytes) -> Part:
    """What a device answered, or a command that was sent."""
    return ("GBCSPayload", base64.b64encode(octets).decode())


def local_command(octets: bytes) -> Part:
    """A command for delivery by the user itself (command variants 2, 3, 6 and 7)."""
    return ("LocalCommand", [("GBCSPayload", base64.b64encode(octets).decode())])


def warning(reference: str, lists: Mapping[str, Sequence[bytes]]) -> Part:
    """The devices of a distribution that are left out, each by its cause in `WARNING_LISTS`."""
    element = "DSPUpdatePPMIDFirmwareWarning" if reference == "11.4" else "DSPUpdateFirmwareWarning"
    parts: list[Part] = [
        (name, device_list(lists[name])) for name in WARNING_LISTS if lists.get(name)
    ]
    return (element, parts)


def inventory(devices: Sequence[Sequence[Part]]) -> Part:
    """The answer to 8.2: of each device its elements, in the schema's order."""
    return ("DSPInventory", [("Device", device) for device in devices])


def future_dated_alert(alert_code: int, octets: bytes) -> Part:
    """The outcome of a future-dated activation. A CS06 command has one instruction."""
    return (
        "FutureDatedDeviceAlertMessage",
        [
            ("FutureDatedAlertCode", f"{alert_code:04X}"),
            ("GBCSPayload", base64.b64encode(octets).decode()),
            ("InstructionNumber", "1"),
            ("TotalCommandInstructions", "1"),
        ],
    )


# --- alerts


def device_alert(
    response_id: RequestID, alert_code: int, octets: bytes, at: datetime.datetime
) -> Element:
    """A device's alert to the user: device:user:counter of the alert."""
    message: list[Part] = [
        ("AlertCode", f"{alert_code:04X}"),
        ("GBCSPayload", base64.b64encode(octets).decode()),
    ]
    header = _header(None, response_id, SUCCESS, at)
    return document("Response", header, ("DeviceAlertMessage", message))


def dcc_alert(
    response_id: RequestID, alert_code: str, alert: Part, at: datetime.datetime
) -> Element:
    """An alert of the DCC to the user, e.g. of `ppmid_alert`."""
    message: list[Part] = [("DCCAlertCode", alert_code), ("DCCAlert", [alert])]
    header = _header(None, response_id, SUCCESS, at)
    return document("Response", header, ("DCCAlertMessage", message))


def ppmid_alert(
    device: bytes, alert_code: int, at: datetime.datetime, version: int, success: bool
) -> Part:
    """A CS09, as the user gets it."""
    result = "ActivationSuccess" if success else "ActivationFailure"
    return (
        "PPMIDAlert",
        [
            ("DeviceID", eui_text(device)),
            ("DeviceAlertCode", f"{alert_code:04X}"),
            ("Timestamp", date_time(at)),
            (
                "PPMIDFirmwareUpgradeAlert",
                [("FirmwareVersion", f"{version:08X}"), ("ActivateImageResultCode", result)],
            ),
        ],
    )


def hub_alert(
    hub: bytes,
    alert_code: int,
    at: datetime.datetime,
    target: bytes,
    version: int,
    response_code: int,
    request_id: RequestID | None = None,
) -> Part:
    """A CCS08, as the user gets it."""
    transfer: list[Part] = [
        *([("UpdateFirmwareRequestID", str(request_id))] if request_id else []),
        ("OtherDeviceID", eui_text(target)),
        ("FirmwareVersion", f"{version:08X}"),
        ("TransferResponseCode", TRANSFER_CODES[response_code]),
    ]
    return (
        "CommsHubAlert",
        [
            ("CommsHubDeviceID", eui_text(hub)),
            ("AlertCode", f"{alert_code:04X}"),
            ("TimeStamp", date_time(at)),
            ("FirmwareTransferAlert", transfer),
        ],
    )


def hub_delivery(
    request_id: RequestID,
    hub: bytes,
    target: bytes,
    version: int,
    at: datetime.datetime,
    success: bool,
) -> Part:
    """Whether an image reached its target's Communications Hub.

    Args:
        request_id: of the distribution.
    """
    return (
        "CSPFirmwareDeliveryStatus",
        [
            ("UpdateFirmwareRequestID", str(request_id)),
            ("CommsHubDeviceID", eui_text(hub)),
            ("TargetDeviceID", eui_text(target)),
            ("FirmwareVersion", f"{version:08X}"),
            ("TimeStamp", date_time(at)),
            ("CommsHubTransferStatus", "Success" if success else "Failure"),
        ],
    )


def distribution_failure(request_id: RequestID, devices: Sequence[bytes]) -> Part:
    """An image did not reach devices."""
    return (
        "FirmwareDistributionFailure",
        [("UpdateFirmwareRequestID", str(request_id)), ("MeterIDs", device_list(devices))],
    )


def status_change(device: bytes, is_suspended: bool) -> Part:
    """A device was suspended, or its suspension has ended."""
    change = "DeviceSuspended" if is_suspended else "DeviceRestored"
    return (
        "DeviceStatusChangeEvent",
        [("DeviceID", eui_text(device)), ("DeviceStatusChange", [(change, [])])],
    )


def version_mismatch(device: bytes, device_type: str, inventory: int, device_version: int) -> Part:
    """A device runs another version than the inventory has."""
    return (
        "FirmwareVersionMismatch",
        [
            ("DeviceID", eui_text(device)),
            ("DeviceType", device_type),
            ("FirmwareVersionSMI", f"{inventory:08X}"),
            ("FirmwareVersionDevice", f"{device_version:08X}"),
        ],
    )
