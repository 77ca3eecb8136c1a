"""From what `--port` says to an open serial port.

A port is a path, a pyserial URL (`socket://…`, `rfc2217://…`), `usb:VID:PID[:SERIAL]`: a board by
its USB id (hanboot.usb), or `virtual:DIR`: the board whose state lies in DIR, and which runs here.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import time
from pathlib import Path
from typing import Any

import serial

from hanboot.errors import NoDevice
from hanboot.link import usb
from hanboot.link.deadline import Deadline

BAUD = 115200
_READ_S = 0.02
_LOCK_S = 0.5
VIRTUAL = "virtual:"

#: A running virtual board leaves the path of its console in the one, and keeps the other locked.
PORT_FILE = "port"
LOCK_FILE = "lock"
#: What board a state folder holds: {"board", "role", "serial"}.
SETTINGS_FILE = "board.json"

#: An emulated chip is slower than the chip it plays by about this factor.
_EMULATED_PATIENCE = 15.0


def resolve(port: str) -> str:
    """The path or URL behind `port`.

    Raises:
        NoDevice: no board runs on that folder, or none has that USB id, or several have.
    """
    if port.startswith(usb.PREFIX):
        return usb.resolve(port)
    if not port.startswith(VIRTUAL):
        return port
    folder = Path(port[len(VIRTUAL) :])
    if is_running(folder):
        with contextlib.suppress(OSError):
            return (folder / PORT_FILE).read_text().strip()
    raise NoDevice(
        f"no virtual board runs on {folder}",
        "nobody has its state open" if folder.exists() else "there is no such folder",
        f"start one: hanboot board run virtual --state {folder}",
    )


def is_running(folder: Path) -> bool:
    """Whether a board runs on this state folder."""
    try:
        with (folder / LOCK_FILE).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    # nobody holds it: a port file that is left over may name somebody else's terminal by now
    return False


def patience(port: str) -> float:
    """By what factor to wait longer than for a real device."""
    if not port.startswith(VIRTUAL):
        return 1.0
    try:
        settings = json.loads((Path(port[len(VIRTUAL) :]) / SETTINGS_FILE).read_text())
    except (OSError, ValueError):
        return 1.0
    return _EMULATED_PATIENCE if settings.get("board") == "rp2040" else 1.0


def open_port(port: str) -> serial.Serial:
    """Opens `port` for this process alone, with short reads.

    Raises:
        NoDevice: missing, in use, or not to be opened.
    """
    address = resolve(port)
    local = "://" not in address
    # an exclusive lock: two programs on one line take each other's replies
    options: dict[str, Any] = {"exclusive": True} if local else {}
    deadline = Deadline(_LOCK_S)
    while True:
        try:
            return serial.serial_for_url(address, baudrate=BAUD, timeout=_READ_S, **options)
        except (serial.SerialException, ValueError, OSError) as error:
            if deadline.passed or not _is_in_use(error):
                raise _no_device(port, address, error) from None
        # whoever closed it may hold it for a moment: a child that is just being started
        time.sleep(_READ_S)


def _is_in_use(error: Exception) -> bool:
    text = str(error)
    return "exclusively lock" in text or "busy" in text.lower()


def _no_device(port: str, address: str, error: Exception) -> NoDevice:
    text = str(error)
    if _is_in_use(error):
        return NoDevice(f"{port} is in use", text, "close the program that holds it, and try again")
    if port.startswith(VIRTUAL):
        folder = port[len(VIRTUAL) :]
        return NoDevice(
            f"the virtual board on {folder} has stopped",
            f"{address} is gone",
            f"start it again: hanboot board run virtual --state {folder}",
        )
    if "Permission" in text:
        remedy = "add yourself to the port's group (often dialout), and log in again"
    else:
        remedy = "check the cable and the name: hanboot board list shows what is there"
    return NoDevice(f"cannot open {port}", text, remedy)
