"""Boards on USB: their serial ports, found by USB id and never guessed.

`usb:VID:PID` or `usb:VID:PID:SERIAL` names a port wherever it is plugged in, in hex digits as
`hanboot board list` prints them. /dev/serial/by-id works, too: it is a path.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hanboot.errors import NoDevice, WrongUsage

PREFIX = "usb:"
_NAME = re.compile(r"usb:([0-9a-f]{4}):([0-9a-f]{4})(?::(.+))?", re.IGNORECASE)
_BY_ID = Path("/dev/serial/by-id")
_BY_PATH = Path("/dev/serial/by-path")

#: MicroPython on an RP2040 (mpconfigport.h), and our firmware as long as a manufacturer has not
#: put an id of their own into mpconfigboard.h.
MICROPYTHON_RP2 = (0x2E8A, 0x0005)

#: USB-to-UART bridges of common boards. Their ids say nothing of the board behind them, and DTR and
#: RTS may be wired to its reset.
BRIDGES = {
    (0x10C4, 0xEA60): "CP210x",
    (0x1A86, 0x7523): "CH340",
    (0x1A86, 0x55D4): "CH9102",
    (0x0403, 0x6001): "FT232",
}


@dataclass(frozen=True, order=True)
class UsbPort:
    """A serial port with the USB device behind it. device: its path."""

    device: str
    vid: int
    pid: int
    serial: str | None
    description: str

    @property
    def name(self) -> str:
        """What `--port` takes for this very device."""
        serial = f":{self.serial}" if self.serial else ""
        return f"{PREFIX}{self.vid:04x}:{self.pid:04x}{serial}"

    @property
    def line(self) -> str:
        return f"{self.name} at {self.device}"

    @property
    def is_bridge(self) -> bool:
        return (self.vid, self.pid) in BRIDGES


def attached() -> list[UsbPort]:
    """All serial ports that USB devices give, in the order of their paths."""
    # imported late: most commands name their port
    from serial.tools import list_ports

    return sorted(
        UsbPort(port.device, port.vid, port.pid, port.serial_number, port.description)
        for port in list_ports.comports()
        if port.vid is not None and port.pid is not None
    )


def by_id(device: str) -> Path | None:
    """The link in /dev/serial/by-id that leads to `device`, where the system keeps them."""
    return _link(_BY_ID, device)


def by_path(device: str) -> Path | None:
    """The link in /dev/serial/by-path: the same for whatever is plugged in there."""
    return _link(_BY_PATH, device)


def _link(folder: Path, device: str) -> Path | None:
    if not folder.is_dir():
        return None
    real = Path(device).resolve()
    return next((link for link in sorted(folder.iterdir()) if link.resolve() == real), None)


def resolve(name: str) -> str:
    """The path of the one port that `name` fits.

    Raises:
        WrongUsage: `name` is no `usb:VID:PID[:SERIAL]`.
        NoDevice: none fits, or more than one.
    """
    found = _NAME.fullmatch(name)
    if not found:
        raise WrongUsage(
            f"{name} names no USB device",
            "it must be usb:VID:PID or usb:VID:PID:SERIAL, with four hex digits each",
            "hanboot board list shows the names of what is plugged in",
        )
    wanted = (int(found[1], 16), int(found[2], 16))
    fitting = [port for port in attached() if (port.vid, port.pid) == wanted]
    if found[3] is not None:
        fitting = [port for port in fitting if (port.serial or "").lower() == found[3].lower()]
    return the_only(fitting, name).device


def the_only(fitting: Sequence[UsbPort], what: str) -> UsbPort:
    """The port, if it is one.

    Raises:
        NoDevice: there is none, or more than one; the error lists them.
    """
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        there = ", ".join(port.line for port in attached())
        raise NoDevice(
            f"no board on USB is {what}",
            f"plugged in: {there}" if there else "no USB serial port is there",
            "check the cable (some only charge) and the name: hanboot board list",
        )
    serials = {port.serial for port in fitting if port.serial}
    is_told_apart = len(serials) == len(fitting)
    raise NoDevice(
        f"{len(fitting)} boards are {what}",
        ", ".join(port.line for port in fitting),
        "say which with --port usb:VID:PID:SERIAL, or unplug the others"
        if is_told_apart
        else f"they have no serial numbers of their own: give a path from {_BY_PATH}, "
        "or unplug the others",
    )
