"""Serial ports: a path, a pyserial URL, a board by its USB id, or a board that runs here.

`--port` says `/dev/ttyACM0`, `socket://HOST:PORT`, `rfc2217://HOST:PORT`, `usb:VID:PID[:SERIAL]`
(`hanboot.link.usb`) or `virtual:DIR` (`hanboot.link.virtual`).
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from hanboot.errors import LinkError, WrongUsage
from hanboot.link import usb, virtual
from hanboot.link.deadline import Clock, Deadline
from hanboot.link.port_errors import is_in_use, no_device, why_of
from hanboot.link.transport import Lost, Transport

if TYPE_CHECKING:
    import serial

BAUD = 115200

#: pyserial has more: spy:// writes to any file that its URL names, alt:// and cp2110:// load code.
_SCHEMES = ("socket", "rfc2217")

#: What ports on USB are called (Linux, macOS).
_USB_PORTS = ("/dev/ttyUSB", "/dev/ttyACM", "/dev/cu.", "/dev/tty.")

_READ_S = 0.02
_LOCK_S = 0.5
#: Longest that the other end may take nothing: well above what a full message needs on the line.
_WRITE_S = 2.0


class SerialTransport(Transport):
    """The serial port that `--port` names; what it leads to is looked up whenever it is opened.

    Args:
        port: as `--port` takes it.
        baud: speed of a real line.

    Raises:
        WrongUsage: `port` is a URL of a scheme that is not allowed.
    """

    def __init__(self, port: str, baud: int = BAUD) -> None:
        _check_scheme(port)
        self.name = port
        self.patience = patience(port)
        self.clock = clock(port)
        self._baud = baud
        self._line: serial.Serial | None = None

    def open(self) -> None:
        self.close()
        self._line = _open(self.name, self._baud)

    def close(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            # a port that has gone fails to close, too
            try:
                line.close()
            except (OSError, ValueError):
                return

    def read(self) -> bytes:
        line = self._opened()
        try:
            return bytes(line.read(max(1, line.in_waiting)))
        # SerialException is an OSError; pyserial raises TypeError on a port that another thread
        # of its own has closed
        except (OSError, TypeError) as error:
            raise Lost(self.name, why_of(error)) from None

    def write(self, octets: bytes) -> None:
        import serial

        line = self._opened()
        try:
            line.write(octets)
        except serial.SerialTimeoutException:
            raise LinkError(
                f"{self.name} takes no octets",
                f"nothing was read at its other end for {_WRITE_S * self.patience:g} s",
                "reset the board, and close or continue the program that should read it",
            ) from None
        except (OSError, TypeError) as error:
            raise Lost(self.name, why_of(error)) from None

    def _opened(self) -> serial.Serial:
        if self._line is None:
            raise Lost(self.name, "it is closed")
        return self._line


def resolve(port: str) -> str:
    """The path or URL behind `port`.

    Raises:
        NoDevice: no board runs on that folder, or none has that USB id, or several have.
        WrongUsage: a URL of a scheme that is not allowed.
    """
    _check_scheme(port)
    if port.startswith(usb.PREFIX):
        return usb.resolve(port)
    folder = virtual.folder_of(port)
    return virtual.resolve(folder) if folder else port


def patience(port: str) -> float:
    """By what factor to wait longer than for a real device."""
    folder = virtual.folder_of(port)
    return virtual.patience(folder) if folder else 1.0


def clock(port: str) -> Clock:
    """What to count waits for the board at `port` by."""
    folder = virtual.folder_of(port)
    return virtual.clock(folder) if folder else time.monotonic


def deadline_for(port: str, seconds: float) -> Deadline:
    """`seconds` of a real device's, for the board at `port`."""
    return Deadline(seconds * patience(port), clock(port))


def check_free(port: str) -> None:
    """Raises `NoDevice` unless `port` can be opened now."""
    with SerialTransport(port):
        pass


def _check_scheme(port: str) -> None:
    scheme, separator, _ = port.partition("://")
    if separator and scheme.lower() not in _SCHEMES:
        raise WrongUsage(
            f"ports of the kind {scheme}:// are not allowed",
            f"{port} is not one of {', '.join(f'{known}://' for known in _SCHEMES)}",
            "give a path, usb:VID:PID, virtual:DIR, or a URL of these",
        )


def _open(port: str, baud: int) -> serial.Serial:
    import serial

    address = resolve(port)
    # an exclusive lock: two programs on one line take each other's replies
    options: dict[str, Any] = {"exclusive": True} if "://" not in address else {}
    deadline = Deadline(_LOCK_S)
    while True:
        try:
            line = serial.serial_for_url(
                address,
                baudrate=baud,
                timeout=_READ_S,
                write_timeout=_WRITE_S * patience(port),
                **options,
            )
            if _is_bridge(address):
                _keep_control_lines(line)
            return line
        except (ValueError, OSError) as error:
            if deadline.passed or not is_in_use(error):
                raise no_device(port, address, error) from None
        # the program that closed it may hold it for a moment: a child that is just being started
        time.sleep(_READ_S)


def _is_bridge(address: str) -> bool:
    """Whether a USB-to-UART bridge is behind the port."""
    real = os.path.realpath(address)
    # not asked for terminals and sockets: looking at all ports takes its time
    return real.startswith(_USB_PORTS) and any(
        there.device == real and there.is_bridge for there in usb.attached()
    )


def _keep_control_lines(line: serial.Serial) -> None:
    """Has the system leave DTR and RTS asserted when the port is closed.

    Behind a bridge they may be wired to the board's reset. Opening asserts both at once, which runs
    the chip; dropping them one after the other at the end, and asserting them again at the next
    start, may reset it in between.
    """
    import termios

    attributes = termios.tcgetattr(line.fileno())
    attributes[2] &= ~termios.HUPCL
    termios.tcsetattr(line.fileno(), termios.TCSANOW, attributes)
