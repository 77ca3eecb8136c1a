"""Whether a port leads to the board that it led to before, whatever runs on it meanwhile.

Firmware, MicroPython's prompt and a ROM loader each name the chip in their own way; the serial of a
hanboot device follows from any of them (`serial` of boards/common/*_chip.py).
"""

from __future__ import annotations

from hanboot.device.refusal import AnotherDevice

_SERIAL_BYTES = 8
_MAC_BYTES = 6


def eui64(chip_id: bytes) -> bytes | None:
    """The serial that hanboot has on a chip with this `machine.unique_id()`; None without one."""
    if not chip_id:
        return None
    if len(chip_id) == _MAC_BYTES:
        # IEEE, 'Guidelines for use of EUI'
        return chip_id[:3] + b"\xff\xfe" + chip_id[3:]
    return chip_id.ljust(_SERIAL_BYTES, b"\0")[:_SERIAL_BYTES]


def check_same(port: str, meant: bytes | None, found: bytes | None) -> None:
    """Both serials must be one; one that is not known is no evidence of either.

    Raises:
        AnotherDevice: they differ.
    """
    if meant is not None and found is not None and meant != found:
        raise AnotherDevice(port, meant, found)
