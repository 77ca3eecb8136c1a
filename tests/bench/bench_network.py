"""Measures a transfer over the Home Area Network on an emulated RP2040, by the chip's own clock:
64 KiB in blocks of 50 octets through the tunnel of SMP group 66, the hub as fast as the chip.

The firmware is development firmware's modules under a collector that runs often (`firmware/`).
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import bench_firmware
from bench_chip import Maker
from chip_board import ChipBoard
from chip_home import ChipHome, held
from heap_probe import COLLECT_BYTES, LOOK_BYTES, HeapProbe
from home import People

from hanboot.boards import rp2040
from hanboot.hub.ota import Phase, TransferEnd

_START_MS = 20_000
_TRANSFER_S = 600
_PAYLOAD_KIB = 64


def prepare() -> dict[str, float]:
    """Builds what is measured; once, before `network`. Returns what its size alone says."""
    bench_firmware.build(bench_firmware.NETWORK_UF2)
    build = bench_firmware.ROOT / "boards" / "rp2040_han" / "build.py"
    command = [sys.executable, str(build), "--variant", "development"]
    subprocess.run(command, check=True, stdout=sys.stderr)
    report = rp2040.firmware("ppmid", "development").with_suffix(".size.json")
    return {"han_frozen_bytes": float(json.loads(report.read_text())["frozen_bytes"])}


def network(folder: Path) -> dict[str, float]:
    """A transfer, from the notification to the end of its verification."""
    maker = Maker(folder)
    first = maker.image(1, 4)
    image = maker.image(2, _PAYLOAD_KIB, (first,))
    people = People(manufacturer=maker.manufacturer)
    uf2 = bench_firmware.NETWORK_UF2
    board = ChipBoard(folder / "network.bin", uf2, held=held(people, first))
    board.on_start = lambda: board.to_chip.put(b"heap\n", 0.0)
    board.on_start()
    board.wait_text("first line", _START_MS)
    home = ChipHome(board)
    probe = HeapProbe(board, uf2)
    idle = probe.idle(home.device.progress)

    total = len(image.octets)
    seen: list[tuple[float, int, int]] = []  # seconds, frames and octets: the middle's ends

    def is_scheduled() -> bool:
        position = home.state.position
        probe.look(position, total)
        # the middle, where the collector runs as in a product
        if (not seen and position > LOOK_BYTES) or (
            len(seen) == 1 and position >= total - LOOK_BYTES
        ):
            seen.append((board.seconds, home.frames, position))
        return home.state.phase == Phase.SCHEDULED

    home.offer(image)
    assert home.run(is_scheduled, _TRANSFER_S), f"the hub is at {home.state.position} of {total}"
    assert home.state.ended[-1] == TransferEnd.SUCCESS
    (began, frames_before, first_octet), (ended, frames_after, last_octet) = seen
    used = probe.peak + COLLECT_BYTES
    heap_bytes, sent = probe.total, home.state.data_octets
    board.close()
    return {
        "han_heap_peak_64k": used - idle,
        "han_heap_left": heap_bytes - used,
        "han_frames_per_s": (frames_after - frames_before) / (ended - began),
        "han_octets_per_s": (last_octet - first_octet) / (ended - began),
        "han_octets_again": sent - total,
    }
