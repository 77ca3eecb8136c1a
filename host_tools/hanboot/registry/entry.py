"""A CPL entry with what the FIR says about it.

The Central Products List names each firmware of each device model once, under a CPL Entry ID. The
Firmware Information Repository adds what MP231 asks manufacturers for: which earlier entries it
may follow. Firmware identity is (File Version, Manufacturer Image Hash): the list holds equal
versions with different hashes.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, get_args

from hanbootloader.image.manifest import KIND_ROMFS, Manifest
from hanbootloader.policy import RunningFirmware

#: What MP231 covers, and IHD for our own use; CH is a Communications Hub of either SMETS.
DeviceType = Literal["ESME", "GSME", "HCALCS", "SAPC", "PPMID", "CH", "IHD"]
DEVICE_TYPES: tuple[DeviceType, ...] = get_args(DeviceType)

#: CPLStatus of the DUIS schema.
Status = Literal["Active", "Cancelled", "Expired", "Withdrawn"]
STATUSES: tuple[Status, ...] = get_args(Status)

#: How a device joins the HAN, MP231.
JoinOption = Literal[
    "2.4 GHz Only",
    "Sub-GHz Only",
    "Multi MAC Selection - Auto",
    "Multi MAC Selection - Manual",
    "Multi MAC Selection - Either",
    "Dual Band",
]
JOIN_OPTIONS: tuple[JoinOption, ...] = get_args(JoinOption)

#: What the CPL's optional field took before MP231; entries from then keep it.
OldBand = Literal["Single Band", "Single Band (2.4 GHz)", "Single Band (Sub-GHz)"]
OLD_BANDS: tuple[OldBand, ...] = get_args(OldBand)

BANDS: tuple[JoinOption | OldBand, ...] = (*JOIN_OPTIONS, *OLD_BANDS)

#: SECMP0009: fixes are 'non-commercially released', enhancements agreed with a supplier are not.
ReleaseKind = Literal["non-commercial", "commercial"]
RELEASE_KINDS: tuple[ReleaseKind, ...] = get_args(ReleaseKind)


class Model(NamedTuple):
    """A device model: DUIS DeviceManufacturer and DeviceModel.

    Attributes:
        manufacturer_code: OTA Manufacturer code.
        device_model: OTA Image type in the high 16 bits, hardware version in the low.
    """

    manufacturer_code: int
    device_model: int

    def __str__(self) -> str:
        return f"{self.manufacturer_code:04X} {self.device_model:08X}"

    @property
    def image_type(self) -> int:
        return self.device_model >> 16

    @property
    def hardware_version(self) -> int:
        return self.device_model & 0xFFFF


def device_model(image_type: int, hardware_version: int) -> int:
    """DUIS DeviceModel, as a number."""
    return image_type << 16 | hardware_version


@dataclass(frozen=True)
class Entry:
    """One entry of the registry.

    Attributes:
        cpl_entry_id: unique, one to one with the firmware of a model.
        device_type: what it is.
        manufacturer_code, device_model: see `Model`.
        firmware_version: OTA File Version.
        firmware_version_text: the same as it was given; hexadecimal and BCD have the same digits.
        image_hash: Manufacturer Image Hash, SHA-256.
        status: of the listing, from `status_since` on; `status_on` knows about the dates.
        manufacturer_code_text, device_model_text: as they were given, where SMETS1 has fewer
            digits; None where they are in full.
        common_name: what people call the firmware.
        certificate: of Commercial Product Assurance (CPA).
        listed_on, expires_on: first day, and last day of the assurance certificate.
        renewal_on: day on which the certificate is to be renewed; changes no status.
        join_option: mandatory for new entries of MP231's device types; an old band in others.
        predecessors: CPL Entry IDs that it may follow; () is 'N/A', a first version; None is
            'not stated'.
        minimum_base_version, security_counter, point_of_no_return: what a hanboot image of it
            says beyond MP231; `submission` fills them in.
        free_text: the CPL's own free-text field.
        other_fields: what a file said under headings that are none of ours, see
            `fields.other_fields_text`.
        zigbee_vendor, zigbee_stack, zigbee_certificate: for the SSC only; kept apart, see
            `storage.ssc`, and None where that was not asked for.
    """

    cpl_entry_id: str
    device_type: DeviceType
    manufacturer_code: int
    device_model: int
    firmware_version: int
    firmware_version_text: str
    image_hash: bytes
    status: Status
    manufacturer: str | None = None
    model_name: str | None = None
    smets_version: str | None = None
    gbcs_version: str | None = None
    common_name: str | None = None
    manufacturer_code_text: str | None = None
    device_model_text: str | None = None
    certificate: str | None = None
    free_text: str | None = None
    other_fields: str | None = None
    listed_on: datetime.date | None = None
    status_since: datetime.date | None = None
    expires_on: datetime.date | None = None
    renewal_on: datetime.date | None = None
    join_option: JoinOption | OldBand | None = None
    predecessors: tuple[str, ...] | None = None
    contact: str | None = None
    release_notes: str | None = None
    release_kind: ReleaseKind | None = None
    minimum_base_version: int | None = None
    security_counter: int | None = None
    point_of_no_return: bool | None = None
    zigbee_vendor: str | None = None
    zigbee_stack: str | None = None
    zigbee_certificate: str | None = None

    @property
    def model(self) -> Model:
        return Model(self.manufacturer_code, self.device_model)

    @property
    def identity(self) -> tuple[int, bytes]:
        """What a device that runs it reports."""
        return self.firmware_version, self.image_hash

    @cached_property
    def firmware(self) -> RunningFirmware:
        """The identity, as the decision takes it."""
        return RunningFirmware(self.firmware_version, self.image_hash)

    @property
    def counter(self) -> int:
        """The security counter of a device that has confirmed it."""
        return self.security_counter or 0

    @property
    def version_text(self) -> str:
        return f"{self.firmware_version:08X}"

    def status_on(self, day: datetime.date) -> Status | Literal["Not yet listed"]:
        """The status of the listing on a day."""
        if self.listed_on and day < self.listed_on:
            return "Not yet listed"
        is_active = self.status == "Active" or (self.status_since and day < self.status_since)
        if not is_active:
            return self.status
        # a certificate ends by itself
        return "Expired" if self.expires_on and day > self.expires_on else "Active"

    def is_active(self, day: datetime.date) -> bool:
        """Whether it may be distributed on a day."""
        return self.status_on(day) == "Active"

    def manifest(self, predecessors: tuple[tuple[int, bytes | None, str | None], ...]) -> Manifest:
        """What its image must say for the decision; `predecessors` as in a manifest.

        The payload is not the registry's affair, and the decision on a pathway does not look.
        """
        hardware_version = self.model.hardware_version
        return Manifest(
            self.manufacturer_code,
            self.model.image_type,
            self.firmware_version,
            (hardware_version, hardware_version),
            KIND_ROMFS,
            1,
            bytes(32),
            predecessors,
            self.minimum_base_version or 0,
            self.counter,
            bool(self.point_of_no_return),
            self.cpl_entry_id,
        )


def name(entry: Entry) -> str:
    """An entry for people: its ID and version."""
    return f"{entry.cpl_entry_id} ({entry.version_text})"
