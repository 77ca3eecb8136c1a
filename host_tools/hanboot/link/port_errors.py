"""Why a port cannot be opened, or was lost, in the system's own words and once."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from hanboot.errors import NoDevice
from hanboot.link import virtual

#: pyserial and esptool each put the text of the error before it into their own.
_SYSTEM = re.compile(r"\[Errno -?\d+\] ([^:')]+)|\(\d+, '([^']+)'\)")

_NO_SERIAL_PORT = ("Inappropriate ioctl", "Is a directory")


def why(text: str) -> str:
    """What the system said, of an error's text; the whole of it where it names no such error."""
    found = _SYSTEM.findall(text)
    said = "".join(found[-1]) if found else text
    return " ".join(said.split())


def why_of(error: Exception) -> str:
    """The same, of an exception."""
    return why(str(error)) or type(error).__name__


def is_in_use(error: Exception) -> bool:
    text = str(error)
    return "exclusively lock" in text or "busy" in text.lower()


def no_device(port: str, address: str, error: Exception) -> NoDevice:
    """The error for a port that cannot be opened.

    Args:
        port: as `--port` says it.
        address: path or URL that it leads to.
    """
    if is_in_use(error):
        return NoDevice(
            f"{port} is in use",
            "another program has opened it",
            "close the program that holds it, and try again",
        )
    if folder := virtual.folder_of(port):
        return NoDevice(
            f"the virtual board on {folder} has stopped",
            f"{address} is gone",
            f"start it again: hanboot board run virtual --state {folder}",
        )
    text = why_of(error)
    if "Permission" in text:
        remedy = "add yourself to the port's group (often dialout), and log in again"
    elif "://" in address and not _has_port(address):
        text, remedy = "it names no port of a host", "write it as socket://HOST:PORT"
    elif "://" in address:
        remedy = "check host and port of the address, and that the program there runs"
    elif text.startswith(_NO_SERIAL_PORT):
        text, remedy = "it is no serial port", "hanboot board list shows what is there"
    else:
        remedy = "check the cable and the name: hanboot board list shows what is there"
    return NoDevice(f"cannot open {port}", text, remedy)


def _has_port(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname and parts.port)
    except ValueError:
        return False
