"""What an ESP32 prints by itself: before Python runs, in a panic, and in download mode."""

from __future__ import annotations

import os
import threading
import tty

import pytest
from command_line import assert_error, hanboot

from hanboot.device.client import Device
from hanboot.link.smp import NoAnswer, Retries
from hanbootloader.link import frame, smp

#: From its ROM, the second-stage bootloader, and a panic.
BOOT = (
    b"ets Jul 29 2019 12:21:46\r\n\r\n"
    b"rst:0xf (BROWNOUT_RST),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\nconfigsip: 0, SPIWP:0xee\r\n"
    b"load:0x3fff0030,len:4892\r\nentry 0x400805b0\r\n"
    b"\x1b[0;31mE (34) esp_core_dump: no partition\x1b[0m\r\n"
)
PANIC = (
    b"\r\nGuru Meditation Error: Core  1 panic'ed (LoadProhibited). Exception was unhandled.\r\n"
    b"Core  1 register dump:\r\nPC      : 0x400d1a2c  PS      : 0x00060630\r\n\r\n"
    b"Backtrace: 0x400d1a29:0x3ffb5c10 |<-CORRUPTED\r\n\r\n\r\nELF file SHA256: 0\r\n\r\n"
)
DOWNLOAD = b"rst:0x1 (POWERON_RESET),boot:0x3 (DOWNLOAD_BOOT)\r\nwaiting for download\r\n"


def _frames(*pieces: bytes) -> list[bytes]:
    reader = frame.FrameReader()
    found = []
    for piece in pieces:
        found += [bytes(each) for each in reader.feed(piece) if not isinstance(each, str)]
    return found


MESSAGE = smp.encode(1, smp.READ + 1, 65, 7, 0, {"text": "x" * 300})
LINES = frame.encode(MESSAGE).splitlines(keepends=True)


@pytest.mark.parametrize("text", [BOOT, PANIC, DOWNLOAD], ids=["boot", "panic", "download"])
@pytest.mark.parametrize("at", range(len(LINES) + 1))
def test_text_between_the_lines_of_a_reply(text: bytes, at: int) -> None:
    assert len(LINES) == 4
    assert _frames(*LINES[:at], text, *LINES[at:]) == [MESSAGE]


@pytest.mark.parametrize("text", [BOOT, PANIC], ids=["boot", "panic"])
@pytest.mark.parametrize("at", [0, 1, 64, 126])
def test_text_in_the_middle_of_a_line_costs_that_reply(text: bytes, at: int) -> None:
    """It is asked for again, and the next one is read."""
    broken = LINES[0][:at] + text + LINES[0][at:]
    assert _frames(broken, *LINES[1:], *LINES)[-1] == MESSAGE


def test_a_board_in_download_mode() -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    stop = threading.Event()

    def speak() -> None:
        while not stop.wait(0.1):
            os.write(master, DOWNLOAD)

    thread = threading.Thread(target=speak)
    thread.start()
    try:
        patience = Retries(tries=2, reply_s=0.3)
        with (
            Device(os.ttyname(slave), retries=patience) as device,
            pytest.raises(NoAnswer, match="is in download mode"),
        ):
            device.identity()
        ran = hanboot("status", "--port", os.ttyname(slave))
        assert_error(ran, 4, "is in download mode", "press its EN")
    finally:
        stop.set()
        thread.join()
        os.close(master)
        os.close(slave)
