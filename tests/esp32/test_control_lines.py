"""DTR and RTS of a bridge are left as they are: they may reset the board behind it."""

from __future__ import annotations

import os
import termios
from collections.abc import Iterator

import pytest

from hanboot.link import serial as link
from hanboot.link import usb
from hanboot.link.serial import SerialTransport
from hanboot.link.usb import UsbPort


@pytest.fixture
def port() -> Iterator[str]:
    master, slave = os.openpty()
    yield os.ttyname(slave)
    os.close(master)
    os.close(slave)


def _hangs_up(port: str) -> bool:
    """Whether the system drops both when the port is closed."""
    descriptor = os.open(port, os.O_RDWR | os.O_NOCTTY)
    try:
        return bool(termios.tcgetattr(descriptor)[2] & termios.HUPCL)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(
    ("ids", "hangs_up"), [((0x10C4, 0xEA60), False), (usb.MICROPYTHON_RP2, True)]
)
def test_closing(
    port: str, ids: tuple[int, int], hangs_up: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    descriptor = os.open(port, os.O_RDWR | os.O_NOCTTY)
    attributes = termios.tcgetattr(descriptor)
    attributes[2] |= termios.HUPCL
    termios.tcsetattr(descriptor, termios.TCSANOW, attributes)
    os.close(descriptor)
    monkeypatch.setattr(usb, "attached", lambda: [UsbPort(port, *ids, None, "a board")])
    monkeypatch.setattr(link, "_USB_PORTS", ("/dev/pts/",))
    with SerialTransport(port):
        pass
    assert _hangs_up(port) == hangs_up
