"""A board with stock MicroPython at a pseudo terminal: stock_chip.py, and its supply."""

from __future__ import annotations

import contextlib
import fcntl
import os
import selectors
import signal
import subprocess
import termios
import threading
import tty
from collections.abc import Callable
from pathlib import Path

from rig import wait_for

from hanboot.boards import device_code, prompt
from hanboot.boards.esp32 import table
from hanboot.boards.esp32.chips import TABLE_AT
from hanboot.boards.esp32.model import FLASH_BYTES, MODEL
from hanboot.boards.watchdog import ProcessWatchdog
from hanboot.device.client import Device
from hanboot.link.deadline import Clock
from hanboot.link.process_clock import ProcessClock

# ports/esp32/partitions-4MiB.csv of MicroPython.
_STOCK_TABLE = table.PartitionTable(
    (
        table.PartitionRow("nvs", 1, 2, 0x9000, 0x6000),
        table.PartitionRow("phy_init", 1, 1, 0xF000, 0x1000),
        table.PartitionRow("factory", 0, 0, 0x10000, 0x1F0000),
        table.PartitionRow("vfs", 1, 0x81, 0x200000, 0x200000),
    )
)

_CHIP = Path(__file__).with_name("stock_chip.py")
_CAUSES = {64: "reset", -signal.SIGALRM: "watchdog"}
_BOOTLOADER_EXIT = 65
_LOOK_S = 0.05


def stock_flash() -> bytes:
    """Flash of an ESP32 with the table that MicroPython comes with, and nothing in its file
    system."""
    octets = bytearray(b"\xff" * FLASH_BYTES)
    encoded = _STOCK_TABLE.encode()
    octets[TABLE_AT : TABLE_AT + len(encoded)] = encoded
    return bytes(octets)


class StockBoard:
    """Plugged in while it is entered; its flash stays in `flash`.

    Two terminals: the host opens the one, and the other is the process's own, where Ctrl-C
    interrupts as it does on a board.

    Args:
        flash: file; made, erased, if it is not there.
        kilobytes: of its file system.
        is_esp32: whether it is an ESP32; its flash has a partition table then.
        on_bootloader: called once machine.bootloader() has run; the board stays silent then.
    """

    def __init__(
        self,
        flash: Path,
        kilobytes: int = 1408,
        on_bootloader: Callable[[], object] = lambda: None,
        is_esp32: bool = False,
    ) -> None:
        self._flash = flash
        self._on_bootloader = on_bootloader
        self._is_esp32 = is_esp32
        if not flash.exists():
            flash.write_bytes(b"\xff" * (kilobytes * 1024))
        self._unplugged = threading.Event()
        self._speaks = threading.Event()
        self.starts = 0
        self._process: subprocess.Popen[bytes] | None = None
        #: Causes of the resets since it was plugged in.
        self.resets: list[str] = []

    def __enter__(self) -> StockBoard:
        self._host, host_side = os.openpty()
        self._chip, self._chip_side = os.openpty()
        for side in (host_side, self._chip_side):
            tty.setraw(side)
        attributes = termios.tcgetattr(self._chip_side)
        attributes[3] |= termios.ISIG
        termios.tcsetattr(self._chip_side, termios.TCSANOW, attributes)
        self.port = os.ttyname(host_side)
        self._descriptors = [self._host, host_side, self._chip, self._chip_side]
        self._clock_before, prompt.clock = prompt.clock, self._clock
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        # before that, Ctrl-C would end the process
        self._speaks.wait()
        return self

    def __exit__(self, *_: object) -> None:
        prompt.clock = self._clock_before
        self.unplug()

    def _clock(self, port: str) -> Clock:
        """What a prompt counts its waits by: here the time that this board gets."""
        if port != self.port:
            return self._clock_before(port)
        return self._process_clock()

    def _process_clock(self) -> Clock:
        return ProcessClock(lambda: self._process and self._process.pid)

    def credit(self, line: str) -> float:
        """Types `line`; the credit that the application answers, in pounds."""
        texts: list[str] = []
        with Device(self.port, texts.append) as device:
            device.smp.type_line(line)
            answered = wait_for(
                lambda: device.smp.texts(0.1) or [t for t in texts if t.startswith("Balance")],
                "credit",
            )
        return float(answered[0].split()[1])

    def unplug(self) -> None:
        """Now: the port is gone."""
        self._unplugged.set()
        self._thread.join()

    def _run(self) -> None:
        self._watchdog = ProcessWatchdog(self._flash, self._process_clock)
        process = self._start()
        ways = {self._host: self._chip, self._chip: self._host}
        with selectors.DefaultSelector() as selector:
            for descriptor in ways:
                selector.register(descriptor, selectors.EVENT_READ)
            while not self._unplugged.is_set():
                for key, _ in selector.select(_LOOK_S):
                    if key.fd == self._chip:
                        self._speaks.set()
                    with contextlib.suppress(OSError):
                        os.write(ways[key.fd], os.read(key.fd, 256))
                if self._watchdog.bites():
                    process.send_signal(signal.SIGALRM)
                code = process.poll()
                if code in _CAUSES:
                    self.resets.append(_CAUSES[code])
                    process = self._start(_CAUSES[code])
                elif code == _BOOTLOADER_EXIT:
                    self._on_bootloader()
                    break
        self._unplugged.wait()
        process.kill()
        process.wait()
        for descriptor in self._descriptors:
            os.close(descriptor)

    def _start(self, cause: str = "power") -> subprocess.Popen[bytes]:
        self.starts += 1
        self._watchdog.start()
        program = [str(device_code.micropython()), "-X", "heapsize=512k", str(_CHIP)]
        chip = ["esp32", cause] if self._is_esp32 else ["other"]
        self._process = subprocess.Popen(
            [*program, str(self._flash), *chip],
            stdin=self._chip_side,
            stdout=self._chip_side,
            stderr=self._chip_side,
            env={"MICROPYPATH": f"{MODEL}:{device_code.VIRTUAL}:.frozen"},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        return self._process
