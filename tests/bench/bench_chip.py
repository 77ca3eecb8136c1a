"""Measures the firmware on an emulated RP2040, by the chip's own clock.

Two runs. One is of firmware that is only measured (`firmware/`): our P-256 beside mbedTLS's, and
the memory in use under a collector that runs often. The other is of the product as it is: from
blank flash over three upgrades and two refusals, everything on the line and in the flash counted.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import bench_firmware
import small_release
from chip_board import LINE_115200, ChipBoard, ChipDevice, Operation
from heap_probe import COLLECT_BYTES, HeapProbe

from hanboot.boards import rp2040
from hanboot.device.client import Device
from hanboot.device.provisioning import development_keys, provision
from hanboot.device.refusal import DeviceRefused
from hanboot.device.upgrade import upgrade
from hanboot.image.ota_file import Image, load
from hanboot.image.sign import sign
from hanboot.trust import keys
from hanboot.trust.keys import PrivateKey
from hanbootloader.reasons import ACCEPTED, NOT_A_PREDECESSOR

# boards/rp2040_han/board.py: first octet behind the firmware, and the regions behind that
_FIRST = 512 * 1024
_SECTOR_BYTES = 4096
_PAGE_BYTES = 256
_JOURNAL = range(_FIRST + 16 * _SECTOR_BYTES, _FIRST + 20 * _SECTOR_BYTES)
_SLOTS = range(_FIRST + 20 * _SECTOR_BYTES, _FIRST + 276 * _SECTOR_BYTES)

_START_MS = 300  # until the console answers
_QUIET_MS = 1500  # without an operation of the flash: nothing more is being written
_ANSWER_MS = 60_000

#: The first thing it does is to say so.
_APPLICATION = """
import asyncio

async def main(services):
    services.show(("first line",))
    services.confirm()
    while True:
        await asyncio.sleep_ms(50)
"""


@dataclass
class Maker:
    """Makes images of a size that is wanted, for a device with the keys that go with them."""

    folder: Path
    manufacturer: PrivateKey = field(default_factory=keys.generate)
    supplier: PrivateKey = field(default_factory=keys.generate)

    def image(
        self, version: int, payload_kib: int, follows: Sequence[Image] = (), signed: bool = False
    ) -> Image:
        """An image with a payload of that size, to within some octets.

        Args:
            version: the first octet of the File Version.
            payload_kib: size of the payload in KiB.
            follows: its predecessors.
            signed: with the supplier's signature behind it, as well.
        """
        folder = self.folder / f"{version}-{payload_kib}"
        small_release.write(folder, f"{version}.0", version << 24, _APPLICATION)
        filler = folder / "filler.py"
        filler.write_text("DATA = b''")
        missing = payload_kib * 1024 - _payload_bytes(self._build(folder, follows))
        # lengths are written in as few octets as they need
        filler.write_text(f"DATA = {os.urandom(missing - 16)!r}")
        image = self._build(folder, follows)
        assert 0 <= payload_kib * 1024 - _payload_bytes(image) < 16
        return load(sign(image, self.supplier)) if signed else image

    def _build(self, folder: Path, follows: Sequence[Image]) -> Image:
        return small_release.build(folder, self.manufacturer, follows)

    def provision(self, device: Device) -> None:
        provision(device, development_keys(self.manufacturer.public, self.supplier.public))


def _payload_bytes(image: Image) -> int:
    assert image.manifest is not None
    return image.manifest.payload_bytes


# --- firmware that is only measured


def prepare() -> None:
    """Builds what is measured; once, before everything else here."""
    bench_firmware.build(bench_firmware.UF2)


def arithmetic(folder: Path) -> dict[str, float]:
    """P-256 by ours and by mbedTLS, and SHA-256, in one start of one firmware."""
    found = _times_ms(folder, "arithmetic")
    return {
        "p256_ms": found["p256"],
        "p256_mbedtls_ms": found["p256_mbedtls"],
        "p256_ratio_mbedtls": found["p256"] / found["p256_mbedtls"],
        "sha256_ms_per_kib": found["sha256_16k"] / 16,
    }


def private(folder: Path) -> dict[str, float]:
    """What a device does with its own keys: sign, agree on a secret, make a MAC."""
    found = _times_ms(folder, "private")
    return {
        "sign_ms": found["sign"],
        "agree_ms": found["agree"],
        "private_test_ms": found["self_test_and_sign"] - found["sign"],
        "gmac_ms": found["gmac_145"],
    }


def _times_ms(folder: Path, what: str) -> dict[str, float]:
    """Name -> milliseconds, of what the firmware measures for this word."""
    board = ChipBoard(folder / f"{what}.bin", bench_firmware.UF2)
    board.run_for(_START_MS)
    board.to_chip.put(f"{what}\n".encode(), board.chip.time_ms)
    board.wait_text("bench end", _ANSWER_MS)
    board.close()
    found = {}
    for _, line in board.texts:
        name, *times_us = line.removeprefix("bench ").split()
        if times_us:
            found[name] = statistics.median(int(time_us) for time_us in times_us) / 1000
    return found


def heap_peak(folder: Path, payload_kib: int) -> int:
    """Octets of heap in use, above those in use while the application idles, at the worst moment
    of receiving and verifying an image of that size.

    An upper bound: what was in use after a collection, and all that is allocated until the next.
    """
    maker = Maker(folder)
    first = maker.image(1, 4)
    board = ChipBoard(folder / f"heap-{payload_kib}.bin", bench_firmware.UF2)
    board.on_start = lambda: board.to_chip.put(b"heap\n", 0.0)
    board.on_start()
    device = ChipDevice(board)
    maker.provision(device)
    upgrade(device, first.octets)
    # confirmed, at rest, and having answered once
    device.reset()
    device.identity()
    probe = HeapProbe(board)
    idle = probe.idle(device.progress)
    device.upload(maker.image(2, payload_kib, (first,), signed=True).octets, probe.look)
    device.wait_verified()
    busy = probe.peak
    board.close()
    return busy + COLLECT_BYTES - idle


# --- the product


def _boot_ms(board: ChipBoard, device: ChipDevice) -> float:
    """From reset to the first line of a confirmed application."""
    device.reset()
    return board.wait_reset_text("first line", _ANSWER_MS)


def _quiet_ms(board: ChipBoard) -> float:
    """Runs until the flash is at rest; when its last operation began."""
    while board.chip.time_ms - board.operations[-1].time_ms < _QUIET_MS:
        board.step()
    return board.operations[-1].time_ms


def product(folder: Path) -> dict[str, float]:
    """One device's life, from blank flash to its third application."""
    maker = Maker(folder)
    small = maker.image(1, 4)
    middle = maker.image(2, 64, (small,))
    large = maker.image(3, 256, (middle,), signed=True)
    found: dict[str, float] = {}
    board = ChipBoard(folder / "product.bin", rp2040.firmware("ppmid"))
    device = ChipDevice(board)
    maker.provision(device)
    upgrade(device, small.octets)
    found["boot_ms_4k"] = _boot_ms(board, device)

    board.set_rate(LINE_115200)
    began, began_ms = len(board.operations), board.chip.time_ms
    sent = device.smp.octets_sent
    device.upload(middle.octets)
    found["line_efficiency"] = _payload_bytes(middle) / (device.smp.octets_sent - sent)
    took_ms = board.chip.time_ms - began_ms
    found["line_use"] = (device.smp.octets_sent - sent) / (took_ms * LINE_115200)
    board.set_rate(None)
    device.wait_verified()
    device.activate(middle.image_hash)
    device.reset()
    device.wait_outcome(middle.image_hash)
    wear = [_wear(board.operations[began:], middle.image_bytes)]
    found["boot_ms_64k"] = _boot_ms(board, device)

    for kib in (16, 511):
        sent = device.smp.octets_sent
        try:
            device.upload(maker.image(9, kib, (large,)).octets)
        except DeviceRefused as refusal:
            reason = refusal.verdict.reason
        else:
            reason = ACCEPTED
        assert reason == NOT_A_PREDECESSOR, f"refused with reason {reason}"
        # with the question for the verdict
        octets = device.smp.octets_sent - sent
        found["refusal_octets"] = max(found.get("refusal_octets", 0), octets)

    began = len(board.operations)
    device.upload(large.octets)
    found["verdict_ms_256k"] = _quiet_ms(board) - board.taken_ms
    device.wait_verified()
    device.activate(large.image_hash)
    device.reset()
    device.wait_outcome(large.image_hash)
    wear.append(_wear(board.operations[began:], large.image_bytes))
    found |= {name: max(upgrade[name] for upgrade in wear) for name in wear[0]}
    found["boot_ms_256k"] = _boot_ms(board, device)
    board.close()
    return found


def _wear(operations: list[Operation], image_bytes: int) -> dict[str, float]:
    """What an upgrade, from its first octet to its confirmation, costs the flash."""
    erases = [op for op in operations if op.what == "erase"]
    in_slots = sum(op.octets for op in erases if op.start in _SLOTS) // _SECTOR_BYTES
    return {
        "erases_per_slot_sector": in_slots / -(-image_bytes // _SECTOR_BYTES),
        "journal_erases": sum(1 for op in erases if op.start in _JOURNAL),
        "programs_per_page": sum(1 for op in operations if op.what == "program")
        / -(-image_bytes // _PAGE_BYTES),
    }
