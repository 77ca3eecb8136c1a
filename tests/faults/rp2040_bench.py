"""An emulated RP2040, its client and its supply, for on_rp2040.py.

Before each erase and program the supply is asked whether power fails there: it may let the process
fork, so that the child's power fails and the parent's does not.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bootloader.image import cbor
from bootloader.link import frame, smp
from hanboot import rp2040_chip
from hanboot.image import Image

_REPLY_MS = 20_000  # of the chip's time
_SETTLE_MS = 20_000
_CHUNK_BYTES = 512
_RESTARTS_MOST = 8

_HAN, _IMAGE, _OS = 65, 1, 0


class PowerLostError(Exception):
    pass


class _Chip(rp2040_chip.Chip):
    bench: Bench

    def _left(self, before: bytes, after: bytes) -> bytes | None:
        return self.bench.at_operation(before, after)

    def cells(self) -> bytes:
        return bytes(self._mcu.flash[: rp2040_chip.FLASH_BYTES])

    def move_to(self, flash: Path) -> None:
        """Writes to another file from here on."""
        os.close(self._file)
        self._file = os.open(flash, os.O_RDWR)


class Bench:
    """A board, and what is done with it.

    Attributes:
        flash: the board's, a file.
        phase: what is being done.
        supply: asked at each operation (before, after of what it changes), also while a child
            recovers; returns what power leaves of it, None if there is no cut.
        texts: what the console said besides frames, since the last start.
    """

    def __init__(self, flash: Path, supply: Callable[[bytes, bytes], bytes | None]) -> None:
        self.flash = flash
        self.supply = supply
        self.phase = "provision"
        self.texts: list[str] = []
        self._sequence = 0

    def start(self, cause: str = "power") -> None:
        self._output = bytearray()
        self._frames = frame.FrameReader()
        self.texts = []
        self.chip = _Chip(self.flash, bytes(8), cause, self._output.extend)
        self.chip.bench = self

    def restart(self, cause: str = "power") -> None:
        self.chip.close()
        self.start(cause)

    def at_operation(self, before: bytes, after: bytes) -> bytes | None:
        return self.supply(before, after)

    def move_to(self, flash: Path, cells: bytes) -> None:
        """Goes on with a flash of its own, which holds `cells`."""
        flash.write_bytes(cells)
        self.chip.move_to(flash)
        self.flash = flash

    # --- the client

    def run_until(self, deadline_ms: float) -> bytes | None:
        """The next message of the device; None if it ends or lets that time pass."""
        end_ms = self.chip.time_ms + deadline_ms
        while self.chip.ended is None and self.chip.time_ms < end_ms:
            self.chip.run()
            if self._output:
                octets = bytes(self._output)
                self._output.clear()
                messages = []
                for found in self._frames.feed(octets):
                    if isinstance(found, str):
                        self.texts.append(found)
                    else:
                        messages.append(bytes(found))
                if messages:
                    return messages[-1]
        if self.chip.ended == "power":
            raise PowerLostError
        return None

    def request(self, operation: int, group: int, command: int, body: object) -> dict[str, Any]:
        self._sequence = self._sequence + 1 & 0xFF
        message = smp.encode(1, operation, group, self._sequence, command, body)
        self.chip.send(b"\n" + frame.encode(message))
        while True:
            reply = self.run_until(_REPLY_MS)
            assert reply is not None, f"{self.phase}: no answer to {group}, {command}"
            if reply[6] == self._sequence:
                fields = cbor.decode(reply[smp.HEADER_BYTES :], False)
                assert isinstance(fields, dict)
                assert "err" not in fields, f"{self.phase}: {fields}"
                return fields

    def identity(self) -> dict[str, Any]:
        return self.request(smp.READ, _HAN, 0, {})

    def roles(self) -> set[int]:
        """Roles whose trust anchor cell is held."""
        return {cell["role"] for cell in self.request(smp.READ, _HAN, 4, {})["cells"]}

    def provision(self, head: bytes, table: bytes) -> None:
        self.request(smp.WRITE, _HAN, 4, {"head": head})
        for at in range(0, len(table), _CHUNK_BYTES):
            piece = table[at : at + _CHUNK_BYTES]
            self.request(smp.WRITE, _HAN, 5, {"off": at, "data": piece})
        self.request(smp.WRITE, _HAN, 6, {})

    def upgrade(self, image: Image) -> None:
        self.phase = "receive"
        at = 0
        while at < len(image.octets):
            fields: dict[object, object] = {"off": at, "data": image.octets[at : at + _CHUNK_BYTES]}
            if not at:
                fields |= {"len": len(image.octets), "sha": image.image_hash}
            at = self.request(smp.WRITE, _IMAGE, 1, fields)["off"]
        self.phase = "finalise"
        while self.request(smp.READ, _HAN, 3, {})["state"] != "idle":
            pass
        self.phase = "activate"
        self.request(smp.WRITE, _IMAGE, 0, {"hash": image.image_hash, "confirm": False})
        self.request(smp.WRITE, _OS, 5, {})
        while self.chip.ended is None:
            self.run_until(_REPLY_MS)
        self.phase = "first boot"
        self.restart("reset")
        self.settle()

    def settle(self) -> dict[str, Any]:
        """Runs on until nothing is on trial, over as many restarts as it takes."""
        for _ in range(_RESTARTS_MOST):
            end_ms = self.chip.time_ms + _SETTLE_MS
            while self.chip.ended is None and self.chip.time_ms < end_ms:
                identity = self.identity()
                if not any(slot["state"] == "trial" for slot in identity["slots"]):
                    return identity
                self.run_until(200)
            assert self.chip.ended is not None, "the device does not settle"
            self.restart(self.chip.ended)
        raise AssertionError("restarts without end")

    def wait_shown(self, start: str) -> str:
        """The first line on the display that begins so."""
        while True:
            for text in self.texts:
                if text.startswith(start):
                    return text
            assert self.chip.time_ms < _SETTLE_MS, f"{start!r} is not shown: {self.texts}"
            assert self.run_until(100) is None
