"""The example releases as a whole: what their RELEASE.toml says fits together, and each starts from
a ROMFS on MicroPython with the heap of a board."""

import ast
import subprocess
import tomllib
from pathlib import Path

import pytest
from mpremote.romfs import make_romfs

ROOT = Path(__file__).parents[2]
MICROPYTHON = ROOT / ".toolchain/bin/micropython"
RELEASES = {
    f"{file.parent.parent.name}/{file.parent.name}": tomllib.loads(file.read_text())
    for file in sorted(ROOT.glob("firmware/*/*/RELEASE.toml"))
}

#: module names of each application; nothing that the release does not use
MODULES = {
    "ppmid/1.0.0": "app appliance credit_record meter prepayment record1 records units"
    " update_lines",
    "ppmid/1.1.0": "app appliance credit_record meter migration prepayment record1 record2 records"
    " units update_lines",
    "ppmid/2.0.0": "app appliance credit_record days_left meter prepayment record2 records units"
    " update_lines",
    # made as large as a real release: an upload of it takes several messages
    "ppmid/2.1.0-faulty": "app appliance credit_record meter prepayment record2 records units"
    " update_lines",
    "ppmid/2.1.0-hangs": "app",
    "ihd/1.0.0": "app appliance data_region meter records units update_lines usage",
    "ihd/1.1.0": "app appliance carbon data_region meter records target units update_lines usage",
    "ihd/1.2.0": "app appliance carbon data_region meter records target units update_lines usage"
    " week",
    "hcalcs/1.0.0": "app appliance load_switch meter records schedule units update_lines",
    "hcalcs/1.1.0": "app appliance boost load_switch meter records schedule units update_lines",
}

#: what the display shows after the trial's self-test and two half-hours of the night
DISPLAYS = {
    "ppmid/1.0.0": ("PPMID 1.0.0", "Balance -0.02", "No credit record: new account"),
    "ppmid/1.1.0": ("PPMID 1.1.0", "Balance -0.02", "No credit record: new account"),
    "ppmid/2.0.0": (
        "PPMID 2.0.0",
        "Balance -0.02",
        "No credit record: new account",
        "Days left: known tomorrow",
    ),
    "ihd/1.0.0": ("IHD 1.0.0", "Today 0.1 kWh", "Cost 0.03", "Tariff 24.50 p/kWh"),
    "ihd/1.1.0": (
        "IHD 1.1.0",
        "Today 0.1 kWh",
        "Cost 0.03",
        "Tariff 24.50 p/kWh",
        "Carbon 0.02 kg",
    ),
    "ihd/1.2.0": (
        "IHD 1.2.0",
        "Today 0.1 kWh",
        "Cost 0.03",
        "Tariff 24.50 p/kWh",
        "Carbon 0.02 kg",
        "Week: known tomorrow",
    ),
    "hcalcs/1.0.0": ("HCALCS 1.0.0", "Load is off", "No schedule: the load stays off"),
    "hcalcs/1.1.0": ("HCALCS 1.1.0", "Load is off", "No schedule: the load stays off"),
}

#: heap that an application may hold beside the bootloader, of the virtual board's 192 KiB
MAX_HEAP_BYTES = 24 * 1024

START = """
import asyncio, gc, sys, vfs

class Flash:
    def __init__(self): self.octets = bytearray(32 * 512)
    def readblocks(self, n, buf, off=0):
        buf[:] = memoryview(self.octets)[n * 512 + off :][: len(buf)]
    def writeblocks(self, n, buf, off=0):
        memoryview(self.octets)[n * 512 + off :][: len(buf)] = buf
    def ioctl(self, op, arg): return {4: 32, 5: 512}.get(op, 0)

class Services:
    file_version, label, data, on_trial, shown = 0, %(label)r, "/data", True, ()
    def confirm(self): self.on_trial = False
    def update(self): return "idle", 0, 0
    def verdict(self): return None
    def readline(self): return None
    def say(self, text): pass
    def show(self, lines): self.shown = lines

flash = Flash()
vfs.VfsLfs2.mkfs(flash)
vfs.mount(vfs.VfsLfs2(flash), "/data")
with open(%(romfs)r, "rb") as file:
    romfs = file.read()
vfs.mount(vfs.VfsRom(memoryview(romfs)), "/app")
sys.path[:] = [".frozen", "/app"]
services = Services()

async def start():
    gc.collect()
    before = gc.mem_alloc()
    import app, meter
    task = asyncio.create_task(app.main(services, meter.Feed(200)))
    await asyncio.sleep_ms(550)
    gc.collect()
    print(repr((services.on_trial, task.done(), services.shown, gc.mem_alloc() - before)))

asyncio.run(start())
"""


def sources(name: str) -> dict[str, Path]:
    """Module name -> file, the first of the release's folders that has it."""
    found: dict[str, Path] = {}
    for source in RELEASES[name]["application"]["sources"]:
        for file in sorted((ROOT / "firmware" / name / source).glob("*.py")):
            found.setdefault(file.stem, file)
    return found


def test_releases() -> None:
    assert sorted(RELEASES) == sorted(MODULES)


@pytest.mark.parametrize("name", RELEASES)
def test_release_toml(name: str) -> None:
    image = RELEASES[name]["image"]
    version = image["file_version"]
    label = f"{version >> 24}.{version >> 16 & 0xFF}.{version >> 8 & 0xFF}"
    assert image["label"] == name.split("/")[1]
    assert image["label"].split("-")[0] == label
    assert (
        image["image_type"]
        == {"ppmid": 0x0005, "ihd": 0x0006, "hcalcs": 0x0004}[name.split("/")[0]]
    )
    assert len(image["header_string"]) <= 32


@pytest.mark.parametrize("name", RELEASES)
def test_predecessors_are_releases(name: str) -> None:
    siblings = [
        other["image"]
        for path, other in RELEASES.items()
        if path.split("/")[0] == name.split("/")[0]
    ]
    known = {(image["file_version"], image.get("cpl_entry_id")) for image in siblings}
    image = RELEASES[name]["image"]
    for predecessor in RELEASES[name].get("predecessors", []):
        assert (predecessor["file_version"], predecessor["cpl_entry_id"]) in known
        assert image.get("minimum_base_version", 0) <= predecessor["file_version"]
        assert predecessor["file_version"] < image["file_version"]


@pytest.mark.parametrize("name", RELEASES)
def test_modules(name: str) -> None:
    assert sorted(sources(name)) == sorted(MODULES[name].split())


@pytest.mark.parametrize("name", DISPLAYS)
def test_starts_from_romfs(name: str, tmp_path: Path) -> None:
    application = tmp_path / "app"
    application.mkdir()
    for module, file in sources(name).items():
        (application / f"{module}.py").write_bytes(file.read_bytes())
    romfs = tmp_path / "app.romfs"
    romfs.write_bytes(make_romfs(str(application), mpy_cross=True))

    script = START % {"romfs": str(romfs), "label": RELEASES[name]["image"]["label"]}
    ended = subprocess.run(
        [MICROPYTHON, "-X", "heapsize=192k", "-c", script],
        capture_output=True,
        text=True,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    on_trial, done, shown, heap_bytes = ast.literal_eval(ended.stdout)
    assert (on_trial, done) == (False, False)
    assert shown == DISPLAYS[name]
    assert heap_bytes < MAX_HEAP_BYTES
    print(f"{name}: {romfs.stat().st_size} octets, {heap_bytes} octets of heap")
