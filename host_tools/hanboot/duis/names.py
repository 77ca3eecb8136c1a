"""Names, numbers and limits of DUIS, as its schema V5.4 has them."""

from __future__ import annotations

from dataclasses import dataclass

SR = "http://www.dccinterface.co.uk/ServiceUserGateway"
DS = "http://www.w3.org/2000/09/xmldsig#"

SCHEMA_VERSION = "5.4"

#: facet of FirmwareImage
IMAGE_MAX_BYTES = 10_240_000
#: facet of DeviceIDList, 1,199,999 characters: identifiers of 23, with commas between
DEVICES_MAX = 50_000

#: The largest document that can be valid: an image in base64 with line breaks, a device list, and
#: what is around them.
DOCUMENT_MAX_BYTES = 16_000_000
#: Deeper and more than in any document of these services; an inventory of 17 devices has 400.
DEPTH_MAX = 32
ELEMENTS_MAX = 5_000
ATTRIBUTES_MAX = 1_000

# command variants (comment on the schema's type CommandVariant)
SEND = (1, 2, 3)
PRE_COMMAND = 4
SIGNED_PRE_COMMAND = (5, 6, 7)
DCC_ONLY = 8


@dataclass(frozen=True)
class FirmwareService:
    """A Service Request of the firmware services.

    Attributes:
        reference: Service Reference, and its variant, which is the same for all of these.
        element: the body's element.
        variants: command variants that it can have.
        title: in words.
    """

    reference: str
    element: str
    variants: tuple[int, ...]
    title: str


SERVICES = {
    "8.2": FirmwareService("8.2", "ReadInventory", (DCC_ONLY,), "Read Inventory"),
    "11.1": FirmwareService("11.1", "UpdateFirmware", (DCC_ONLY,), "Update Firmware"),
    "11.2": FirmwareService("11.2", "ReadFirmwareVersion", SEND, "Read Firmware Version"),
    "11.3": FirmwareService("11.3", "ActivateFirmware", (PRE_COMMAND,), "Activate Firmware"),
    "11.4": FirmwareService("11.4", "UpdatePPMIDFirmware", (DCC_ONLY,), "Update PPMID Firmware"),
}


def sr(name: str) -> str:
    return f"{{{SR}}}{name}"


def ds(name: str) -> str:
    return f"{{{DS}}}{name}"
