"""What a device is and runs, as planning takes it; read from `hanboot status --json`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from hanboot.device.records import Identity
from hanboot.errors import BadFile
from hanboot.explain.versions import device_type_text
from hanboot.registry.entry import Model, device_model

_HASH_BYTES = 32


@dataclass(frozen=True)
class DeviceState:
    """A device before an upgrade.

    Attributes:
        model: what it is.
        device_type: as the registry names types; None if that is not known.
        running: (version, hash or None where only the version is known); None if no application.
        security_counter: of the last confirmed image that raised it.
        text: the device's firmware for people.
    """

    model: Model
    device_type: str | None
    running: tuple[int, bytes | None] | None
    security_counter: int
    text: str


def state_of(identity: Identity) -> DeviceState:
    """The state of a device that was asked."""
    slot = identity.running
    firmware = slot.firmware if slot else None
    running = (firmware.file_version, firmware.image_hash) if firmware else None
    return DeviceState(
        Model(
            identity.manufacturer_code,
            device_model(identity.image_type, identity.hardware_version),
        ),
        device_type_text(identity.device_type),
        running,
        identity.security_counter,
        _text(running),
    )


def parse_state(octets: bytes, source: str) -> DeviceState:
    """Reads what `hanboot status --json` printed.

    Needed are manufacturer_code, image_type, hardware_version and running: null, or a table with
    file_version and, if it is known, hash. Numbers may be numbers or texts of hex digits.

    Raises:
        BadFile: it is something else; names what is missing or wrong.
    """
    try:
        document = json.loads(octets)
        if not isinstance(document, dict):
            raise ValueError("it is not a table of names and values")
    except (ValueError, RecursionError) as error:
        raise _unusable(source, f"it is no JSON: {error}") from None
    if "running" not in document:
        raise _unusable(source, "running is missing")
    running = document["running"]
    if running is not None and not isinstance(running, dict):
        raise _unusable(source, "running must be null, or a table with file_version and hash")
    counter = document.get("security_counter", 0)
    if not isinstance(counter, int) or isinstance(counter, bool) or counter < 0:
        raise _unusable(source, "security_counter must be a whole number")
    device_type = document.get("device_type")
    firmware = _firmware(running, source) if running is not None else None
    return DeviceState(
        Model(
            _code(document, "manufacturer_code", 4, source),
            device_model(
                _code(document, "image_type", 4, source),
                _code(document, "hardware_version", 4, source),
            ),
        ),
        device_type if isinstance(device_type, str) else None,
        firmware,
        counter,
        _text(firmware),
    )


def _firmware(running: dict[str, Any], source: str) -> tuple[int, bytes | None]:
    version = _code(running, "file_version", 8, source)
    digest = running.get("hash")
    if digest is None:
        return version, None
    if not isinstance(digest, str) or not re.fullmatch(r"[0-9A-Fa-f]{64}", digest):
        raise _unusable(source, "running.hash must be 64 hex digits, or null")
    return version, bytes.fromhex(digest)


def _code(table: dict[str, Any], key: str, digits: int, source: str) -> int:
    value = table.get(key)
    if isinstance(value, str) and re.fullmatch(rf"(?:0x)?[0-9A-Fa-f]{{{digits}}}", value):
        return int(value, 16)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if is_number and 0 <= value < 16**digits:  # type: ignore[operator]
        return value  # type: ignore[return-value]
    raise _unusable(source, f"{key} must be a number of at most {digits} hex digits, not {value!r}")


def _text(running: tuple[int, bytes | None] | None) -> str:
    if running is None:
        return "no application"
    version, digest = running
    return f"{version:08X}" + (f" with hash {digest.hex()[:16]}…" if digest else "")


def _unusable(source: str, why: str) -> BadFile:
    return BadFile(
        f"{source} is no device state", why, "hanboot status --json prints one; - reads it"
    )
