"""Which hanboot board is here, where no option names one.

Boards with the USB id of MicroPython or of hanboot's own firmware are asked who they are, and so
are boards that run on this machine in `build/boards`. A generic USB bridge is never opened: what
hangs on it may take a request for something else.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hanboot.device.client import Device
from hanboot.errors import HanbootError, WrongUsage
from hanboot.link import usb, virtual

#: Where `hanboot board run` keeps the state of boards.
_STATES = Path("build/boards")


def only_board() -> str:
    """The port of the one hanboot board that is here.

    Raises:
        WrongUsage: there is none, or more than one; the error lists them.
    """
    found = list(_answering())
    if len(found) == 1:
        return found[0]
    if found:
        raise WrongUsage(
            f"--port is missing, and {len(found)} hanboot boards are here",
            ", ".join(found),
            "say which with --port (or HANBOOT_PORT, or port in hanboot.toml)",
        )
    raise WrongUsage(
        "--port is missing, and no hanboot board is here",
        f"none answers on USB, and none runs in {_STATES}",
        "name one with --port (or HANBOOT_PORT, or port in hanboot.toml); hanboot board list shows "
        "what is plugged in",
    )


def _answering() -> Iterator[str]:
    for port in _candidates():
        try:
            with Device(port) as device:
                if device.probe():
                    yield port
        except HanbootError:
            # in use, or gone meanwhile
            continue


def _candidates() -> Iterator[str]:
    for port in usb.attached():
        if (port.vid, port.pid) == usb.MICROPYTHON_RP2:
            yield port.name
    if _STATES.is_dir():
        for folder in sorted(_STATES.iterdir()):
            if virtual.is_running(folder):
                yield f"{virtual.PREFIX}{folder}"
