"""Power cuts on the emulated RP2040: the product's own firmware, cut at chosen flash operations.

A board is provisioned, gets its first application, makes its data region, and is upgraded, over its
USB console as by any client. At every second erase or program the process forks: the child loses
power there, with the operation torn in one of the ways of nor_faults.py; the parent goes on. The
child then starts its chip again and again until the device has settled, and checks

- that its flash holds the state before the operation or the one behind it (read on CPython);
- that it starts what the rules say, told by its identity and by what the application shows;
- that the application finds what it left in the data region;
- that a device cut while it was being provisioned can be provisioned all the same.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import signatures
from faultboard import FaultBoard, Snapshot

from bootloader import boot
from bootloader.image import cbor
from bootloader.link import frame, smp
from bootloader.store import ledger
from bootloader.trust import anchors
from hanboot import keys, provisioning, release, rp2040, rp2040_chip, uf2
from hanboot.image import Image
from nor_faults import Dice, torn

# boards/rp2040_han/board.py, behind the 512 KiB of the firmware
_FIRST = 128
_MAP = {
    "anchors": (_FIRST, 16),
    "journal": (_FIRST + 16, 4),
    "slot0": (_FIRST + 20, 128),
    "slot1": (_FIRST + 148, 128),
    "data": (_FIRST + 276, 108),
}

_PROGRAM_KINDS = ("prefix", "bits", "last-octet", "not-started")
_ERASE_KINDS = ("mixed", "prefix", "bits", "not-started")

_REPLY_MS = 20_000  # of the chip's time
_SETTLE_MS = 20_000
_CHUNK_BYTES = 512
_SECTOR_BYTES = 4096

_HAN, _IMAGE, _OS = 65, 1, 0

_RELEASE = """
[image]
manufacturer_code = 0xFFF0
image_type = 0x0005
file_version = {version:#010x}
label = "{label}"
hardware = [0x0100, 0x01FF]
header_string = "hanboot faults"

[application]
sources = ["."]
entry = "app"
"""

_APPLICATION = """
import asyncio
import os

async def main(services):
    try:
        note = open(services.data + "/note").read()
    except OSError:
        note = "written by " + services.label
        with open(services.data + "/new", "w") as file:
            file.write(note)
        os.rename(services.data + "/new", services.data + "/note")
    services.confirm()
    services.show((services.label, note))
    while True:
        await asyncio.sleep_ms(50)
"""


class PowerLostError(Exception):
    pass


class _Chip(rp2040_chip.Chip):
    """A chip that asks at each erase and program whether power fails there."""

    bench: Bench

    def _left(self, before: bytes, after: bytes) -> bytes | None:
        return self.bench.at_operation(self, before, after)

    def move_to(self, flash: Path) -> None:
        """Goes on with a flash of its own, which holds what the chip's holds."""
        flash.write_bytes(bytes(self._mcu.flash[: rp2040_chip.FLASH_BYTES]))
        os.close(self._file)
        self._file = os.open(flash, os.O_RDWR)

    def cells(self) -> bytes:
        return bytes(self._mcu.flash[: rp2040_chip.FLASH_BYTES])


class Bench:
    """A board, its client, and its supply."""

    def __init__(self, folder: Path, jobs: int, every: int) -> None:
        self.folder = folder
        self.flash = folder / "flash.bin"
        self.phase = "provision"
        self.jobs = jobs
        self.every = every
        self.only: int | None = None
        self.operations = 0
        self.case: str | None = None  # of a child
        self.texts: list[str] = []
        self.children: dict[int, str] = {}
        self.before = self.after = b""
        self._sequence = 0

    # --- the supply

    def start(self, cause: str = "power") -> None:
        self._output = bytearray()
        self._frames = frame.FrameReader()
        self.texts = []
        self.chip = _Chip(self.flash, bytes(8), cause, self._output.extend)
        self.chip.bench = self

    def at_operation(self, chip: _Chip, before: bytes, after: bytes) -> bytes | None:
        if self.case is not None:
            return None
        number = self.operations
        self.operations += 1
        if number % self.every or self.only not in (None, number):
            return None
        kinds = _PROGRAM_KINDS if len(before) == 256 else _ERASE_KINDS
        kind = kinds[number // self.every % len(kinds)]
        case = f"{number}.{kind}"
        while len(self.children) >= self.jobs:
            self.wait_for_child()
        sys.stdout.flush()
        child = os.fork()
        if child:
            self.children[child] = case
            return None
        self.case = case
        self.children = {}
        self.flash = self.folder / f"{case}.bin"
        self.after = chip.cells()
        chip.move_to(self.flash)
        at = self._changed_at(before, after)
        self.before = self.after[:at] + before + self.after[at + len(before) :]
        return torn(kind, before, after, Dice(case)).octets

    def _changed_at(self, before: bytes, after: bytes) -> int:
        # the operation has already reached the chip's cells, but not yet the file
        return int.from_bytes(bytes(self.chip._mcu.ssi._tx_buffer)[1:4], "big") & -len(before)

    def wait_for_child(self) -> None:
        child, status = os.wait()
        case = self.children.pop(child)
        if status:
            (self.folder / f"{case}.json").write_text(
                json.dumps({"case": case, "violation": f"the child ended with {status}"})
            )

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

    def provision(self, cell: tuple[bytes, bytes]) -> None:
        head, table = cell
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
        self.chip.close()
        self.start("reset")
        self.settle()

    def settle(self) -> dict[str, Any]:
        """Runs on until nothing is on trial, over as many restarts as it takes."""
        for _ in range(8):
            end_ms = self.chip.time_ms + _SETTLE_MS
            while self.chip.ended is None and self.chip.time_ms < end_ms:
                identity = self.request(smp.READ, _HAN, 0, {})
                if not any(slot["state"] == "trial" for slot in identity["slots"]):
                    return identity
                self.run_until(200)
            assert self.chip.ended is not None, "the device does not settle"
            cause = self.chip.ended
            self.chip.close()
            self.start(cause)
        raise AssertionError("restarts without end")


# --- a child


def _snapshot(cells: bytes) -> Snapshot:
    return Snapshot(FaultBoard(_MAP, cells).device())


def _expected(cells: bytes) -> tuple[int, bytes | None]:
    """Which slot the rules start, and the hash in it; read on CPython."""
    device = FaultBoard(_MAP, cells).device()
    chosen = boot.choose(device)
    return (-1, None) if chosen is None else (chosen[0], device.ledger.slots[chosen[0]].image_hash)


def _check(bench: Bench, cells: list[tuple[bytes, bytes]], names: dict[bytes, str]) -> None:
    found = bench.flash.read_bytes()
    snapshot = _snapshot(found)
    possible = [_snapshot(bench.before), _snapshot(bench.after)]
    assert snapshot in possible, f"{snapshot!r} is one of {possible!r}"
    index, image_hash = _expected(found)
    bench.chip.close()
    bench.start()
    identity = bench.settle()
    assert identity["started"] == index, f"slot {identity['started']} started, not {index}"
    if image_hash is not None:
        slot = identity["slots"][index]
        assert slot["hash"] == image_hash, "what starts is what should"
        assert slot["state"] == "confirmed", "what starts is confirmed in the end"
        while not any(text.startswith("| written") for text in bench.texts):
            assert bench.run_until(100) is None
            shown = f"the application shows what it found: {bench.texts}"
            assert bench.chip.time_ms < _SETTLE_MS, shown
        assert f"| {names[image_hash]}" in bench.texts, bench.texts
        first = "1.0"
        assert f"| written by {first}" in bench.texts, f"the data region is unharmed: {bench.texts}"
    elif not identity["provisioned"]:
        held = {cell["role"] for cell in bench.request(smp.READ, _HAN, 4, {})["cells"]}
        for role, cell in zip((anchors.SUPPLIER, anchors.MANUFACTURER), cells, strict=True):
            if role not in held:
                bench.provision(cell)
        assert bench.request(smp.READ, _HAN, 0, {})["provisioned"], "it can be provisioned"
    # what it settled on is what another restart finds
    bench.chip.close()
    settled = _snapshot(bench.flash.read_bytes())
    assert _snapshot(bench.flash.read_bytes()) == settled
    if image_hash is not None:
        assert ledger.TRIAL not in settled.states


# --- the whole


def run(jobs: int, every: int = 2, only: int | None = None) -> Iterator[dict[str, Any]]:
    """Runs the campaign; yields {case, phase, violation} for each cut."""
    signatures.remember()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manufacturer, supplier = keys.generate(), keys.generate()
        first = _build(folder, manufacturer, "1.0", ())
        second = _build(folder, manufacturer, "2.0", (first,))
        names = {image.image_hash: label for image, label in ((first, "1.0"), (second, "2.0"))}
        cells = [
            provisioning.encode_cell(
                provisioning.AnchorKey(role, key.public.kid, key.public.point, True, "test")
            )
            for role, key in ((anchors.SUPPLIER, supplier), (anchors.MANUFACTURER, manufacturer))
        ]
        bench = Bench(folder, jobs, every)
        bench.only = only
        bench.flash.write_bytes(_blank())
        try:
            bench.start()
            for cell in cells:
                bench.provision(cell)
            bench.upgrade(first)
            bench.upgrade(second)
        except PowerLostError:
            _end_child(bench, cells, names)
        finally:
            if bench.case is not None:
                os._exit(1)
        while bench.children:
            bench.wait_for_child()
        for path in sorted(folder.glob("*.json"), key=lambda path: int(path.name.split(".")[0])):
            yield json.loads(path.read_text())


def _end_child(bench: Bench, cells: list[tuple[bytes, bytes]], names: dict[bytes, str]) -> None:
    phase, violation = bench.phase, None
    try:
        _check(bench, cells, names)
    except Exception as error:
        violation = f"{type(error).__name__}: {error}"
    (bench.folder / f"{bench.case}.json").write_text(
        json.dumps(
            {"case": bench.case, "phase": phase, "violation": violation, "cpu": sum(os.times()[:2])}
        )
    )
    os._exit(0)


def _blank() -> bytes:
    cells = bytearray(b"\xff" * rp2040_chip.FLASH_BYTES)
    firmware = uf2.load_rp2040(rp2040.firmware("ppmid"), rp2040_chip.FLASH_BYTES)
    for address, octets in firmware.blocks:
        at = address - uf2.RP2040_FLASH_ADDRESS
        cells[at : at + len(octets)] = octets
    assert len(cells) // _SECTOR_BYTES > _FIRST
    return bytes(cells)


def _build(folder: Path, key: keys.PrivateKey, label: str, follows: tuple[Image, ...]) -> Image:
    sources = folder / label
    sources.mkdir()
    version = int(label[0]) << 24
    (sources / "RELEASE.toml").write_text(_RELEASE.format(version=version, label=label))
    (sources / "app.py").write_text(_APPLICATION)
    described = release.with_predecessors(release.load(sources), follows)
    return release.build(described, key.public.kid, key.sign)


def main(arguments: list[str]) -> int:
    every = int(arguments[0]) if arguments else 2
    only = int(arguments[1]) if arguments[1:] else None
    bad = 0
    for found in run(os.cpu_count() or 1, every, only):
        print(found, flush=True)
        bad += found["violation"] is not None
    return int(bad > 0)
