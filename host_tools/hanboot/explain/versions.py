"""Versions and device types in words."""

from __future__ import annotations

from hanbootloader import policy


def version_text(file_version: int) -> str:
    """A File Version as the registry writes it and octet by octet: "01010000 (1.1.0.0)"."""
    octets = file_version.to_bytes(4, "big")
    return f"{file_version:08X} ({'.'.join(str(octet) for octet in octets)})"


def hardware_text(hardware_version: int) -> str:
    """A hardware version with version and revision apart: "0x0102 (1.2)"."""
    return f"0x{hardware_version:04X} ({hardware_version >> 8}.{hardware_version & 0xFF})"


_DEVICE_TYPES = {
    policy.GSME: "GSME",
    policy.ESME: "ESME",
    policy.HCALCS: "HCALCS",
    policy.PPMID: "PPMID",
    policy.IHD: "IHD",
}


def device_type_text(number: int) -> str:
    """The name of a device type, as GBCS numbers them."""
    return _DEVICE_TYPES.get(number, f"device type {number}")
