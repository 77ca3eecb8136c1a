"""What a distribution to 50,000 devices costs the service, on SQLite, with hubs that only take.

    python tests/bench/bench_chain.py

Stops in the middle and goes on, as after a kill. Nothing here is asserted but that each device gets
the image once. Leaves build/bench-chain.json: name -> what, value, unit.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from hanboot.dcc.schema import ASSIGNMENT
from hanboot.duis import requests
from hanboot.inventory.devices import Device, Inventory
from hanboot.registry.storage.history import Attribution
from hanboot.trust.smki import lab
from hanboot.trust.smki.certificate import eui_text

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "chain"))

import dsp  # noqa: E402

OUT = ROOT / "build" / "bench-chain.json"
DEVICES = 50_000
_IMAGE_BYTES = 200_000
_STOP_AFTER = 20_000


class _Killed(BaseException):
    """Ends the service in the middle of its work."""


class _CountingHub(dsp.FakeHub):
    """Takes images and forgets them; stops the service once."""

    def __init__(self) -> None:
        super().__init__()
        self.devices: list[str] = []

    def offer(self, device_id: str, image: bytes, layout: str, once: str) -> None:
        if len(self.devices) == _STOP_AFTER and self.devices[-1] != device_id:
            self.devices.append(device_id)
            raise _Killed
        self.devices.append(device_id)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _timed(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def measure(folder: Path) -> dict[str, tuple[str, float, str]]:
    """name: (what, value, unit)."""
    lab.new(folder / "pki")
    made = dsp.Dsp(folder, folder / "pki")
    devices = [(0x00DB100000000000 + n).to_bytes(8, "big") for n in range(DEVICES)]
    image = dsp.image_of(bytes(_IMAGE_BYTES))
    _fill(made, [eui_text(device) for device in devices], image)
    asked = requests.update_ppmid_firmware(made.request_id(dsp.BROKER), image, devices)
    octets = made.signed(asked)
    before = _peak_mb()
    answer_s = _timed(lambda: made.service.answer(octets))
    hub = made.hub = _CountingHub()
    dispatch_s = _timed(lambda: _until_killed(made))
    made.close()
    made.open()
    dispatch_s += _timed(made.dispatcher.work)
    # a piece that was under way at the kill is handed over again, and the hub holds it once
    assert len(set(hub.devices)) == DEVICES
    return {
        "request_octets": ("request for 50,000 devices", len(octets), "octets"),
        "answer_s": ("screened, written down and answered", answer_s, "s CPU"),
        "dispatch_s": ("all images handed to hubs, over a kill", dispatch_s, "s CPU"),
        "handed_twice": ("of them, handed over again", len(hub.devices) - DEVICES, ""),
        "memory_mb": ("memory beyond what there was before", _peak_mb() - before, "MB"),
    }


def _until_killed(made: dsp.Dsp) -> None:
    try:
        made.dispatcher.work()
    except _Killed:
        return
    raise AssertionError("it was never stopped")


def _fill(made: dsp.Dsp, devices: list[str], image: object) -> None:
    database = made.registry.database
    Inventory(database).add(
        Device(device, "PPMID", dsp.CODE, dsp.MODEL, dsp.OLD) for device in devices
    )
    rows = [
        {"device_id": device, "supplier": dsp.SUPPLIER, "hub": f"/hub/{number}"}
        for number, device in enumerate(devices)
    ]
    with database.writing() as connection:
        for start in range(0, len(rows), 1000):
            connection.execute(sa.insert(ASSIGNMENT), rows[start : start + 1000])
    with made.registry.changing(Attribution("bench", "to measure")) as changing:
        changing.add([made.entry("E-9", "PPMID", image)])  # type: ignore[arg-type]


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder))
    OUT.parent.mkdir(parents=True, exist_ok=True)
    figures = {
        name: {"what": what, "value": value, "unit": unit}
        for name, (what, value, unit) in found.items()
    }
    OUT.write_text(json.dumps(figures, indent=2) + "\n")
    for name, (what, value, unit) in found.items():
        print(f"{name:16} {what:44} {value:12.4g} {unit}".rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
