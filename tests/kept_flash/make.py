"""Makes the flash images of this folder again, by the command line of the checkout to be kept.

    git worktree add ELSEWHERE feaa8b5
    make -C ELSEWHERE setup firmware
    python3 tests/kept_flash/make.py ELSEWHERE

Keys stay as they are if they are there. Everything else is made anew: signatures, serial numbers
and so the archive's octets differ from run to run, what it holds does not.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ARCHIVE = HERE / "kept_flash.tar.xz"
KEYS = ("development-manufacturer", "development-supplier")

FIRMWARE_BYTES = 512 * 1024  # an RP2040's first part of flash, written anew at every start
LINES_MOST = 1000  # of the display, until an answer at the console

#: Fails at every start, until it is reverted.
CRASHES = 'async def main(services):\n    raise ValueError("on purpose")\n'

#: Confirms itself.
CONFIRMS = """\
import asyncio


async def main(services):
    services.confirm()
    while True:
        await asyncio.sleep_ms(50)
"""

RELEASE = """\
[image]
manufacturer_code = 0xFFF0
image_type = 0x0005
file_version = {version:#010x}
label = "{label}"
hardware = [0x0100, 0x01FF]
security_counter = 1

[application]
sources = ["."]
entry = "app"
"""


class Maker:
    """The checkout whose flash images are kept, and the folder they are made in."""

    def __init__(self, checkout: Path, folder: Path) -> None:
        self._checkout = checkout
        self._hanboot = str(checkout / ".venv" / "bin" / "hanboot")
        self._folder = folder

    def hanboot(self, *arguments: object, code: int = 0) -> Any:
        """Runs a command; its JSON document."""
        command = [self._hanboot, *(str(argument) for argument in arguments), "--json"]
        ran = subprocess.run(command, cwd=self._checkout, capture_output=True, text=True)
        assert ran.returncode == code, f"{command}: {ran.returncode}\n{ran.stdout}{ran.stderr}"
        return json.loads(ran.stdout)

    # --- images

    def image(self, name: str, source: Path, *follows: Path) -> Path:
        """The signed image of the release in `source`."""
        target = self._folder / f"{name}.ota"
        options: list[object] = ["--manufacturer-key", HERE / f"{KEYS[0]}.pem"]
        options += ["--supplier-key", HERE / f"{KEYS[1]}.pem"]
        for image in follows:
            options += ["--predecessor", image]
        self.hanboot("image", "build", source, "-o", target, *options)
        return target

    def ppmid(self, label: str, *follows: Path) -> Path:
        """The image of a release in firmware/ppmid."""
        return self.image(label, self._checkout / "firmware" / "ppmid" / label, *follows)

    def own(self, label: str, version: int, application: str, *follows: Path) -> Path:
        """The image of a small release of this script's own."""
        source = self._folder / f"source-{label}"
        source.mkdir()
        (source / "RELEASE.toml").write_text(RELEASE.format(version=version, label=label))
        (source / "app.py").write_text(application)
        image = self.image(label, source, *follows)
        shutil.rmtree(source)
        return image

    # --- boards

    def state(self, name: str, source: str | None = None) -> Path:
        """A state folder: new, or a copy of that of `source`."""
        state = self._folder / name
        if source:
            shutil.copytree(self._folder / source, state)
        return state

    @contextlib.contextmanager
    def running(self, state: Path, board: str = "virtual") -> Iterator[subprocess.Popen[str]]:
        """A board on `state`; its console's lines are the process's."""
        command = [self._hanboot, "board", "run", board, "--state", str(state)]
        process = subprocess.Popen(command, cwd=self._checkout, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        process.stdout.readline()  # the port: it can be opened
        try:
            yield process
        finally:
            process.terminate()
            process.wait()

    def provision(self, state: Path) -> None:
        self.hanboot(
            *("board", "provision", "--port", f"virtual:{state}"),
            *("--manufacturer-public-key", HERE / f"{KEYS[0]}.pub.pem"),
            *("--supplier-public-key", HERE / f"{KEYS[1]}.pub.pem"),
        )

    def on(self, state: Path, *arguments: object, code: int = 0) -> Any:
        """A command to the board on `state`."""
        return self.hanboot(*arguments, "--port", f"virtual:{state}", code=code)

    def top_up(self, state: Path, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        port = (state / "port").read_text().strip()
        with open(port, "wb", buffering=0) as console:
            console.write(b"top-up 10.00\r\n")
        lines = itertools.islice(process.stdout, LINES_MOST)
        assert any("Balance" in line for line in lines)

    def keep(self, state: Path) -> None:
        """Leaves beside the flash what the device reported of itself."""
        reported = {
            command: self.on(state, command) for command in ("status", "verdict", "history")
        }
        for texts in (reported["verdict"], reported["status"]["verdict"]):
            # words may change
            del texts["detail"]["meaning"], texts["detail"]["remedy"]
        (state / "reported.json").write_text(json.dumps(reported, indent=1) + "\n")


def make(maker: Maker) -> None:
    v100 = maker.ppmid("1.0.0")
    v110 = maker.ppmid("1.1.0", v100)
    v200 = maker.ppmid("2.0.0", v110)
    crashes = maker.own("2.0.0-crashes", 0x02000001, CRASHES, v110)
    v210 = maker.own("2.1.0", 0x02010000, CONFIRMS, v200)

    upgraded = maker.state("upgraded")
    with maker.running(upgraded) as process:
        maker.provision(upgraded)
        maker.on(upgraded, "upgrade", v100)
        maker.top_up(upgraded, process)
        maker.on(upgraded, "upgrade", v110)
        maker.keep(upgraded)

    staged = maker.state("staged", "upgraded")
    with maker.running(staged):
        maker.on(staged, "upload", v200)
        maker.keep(staged)

    pending = maker.state("pending", "staged")
    with maker.running(pending):
        maker.on(pending, "activate", "--no-reset")
        maker.keep(pending)

    reverted = maker.state("reverted", "upgraded")
    with maker.running(reverted):
        maker.on(reverted, "upgrade", crashes, code=1)
        maker.keep(reverted)

    refused = maker.state("refused", "upgraded")
    with maker.running(refused):
        maker.on(refused, "upload", v210, code=1)
        maker.keep(refused)

    chip = maker.state("rp2040")
    with maker.running(chip, "rp2040"):
        maker.provision(chip)
        maker.on(chip, "upgrade", v100)
        maker.on(chip, "upgrade", v110)
        maker.keep(chip)
    with (chip / "flash.bin").open("r+b") as flash:
        flash.write(b"\xff" * FIRMWARE_BYTES)


def _without_owner(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    return entry


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes the kept flash images again.")
    parser.add_argument("checkout", type=Path, help="with .venv and build/rp2040_han")
    checkout = parser.parse_args().checkout.resolve()
    with tempfile.TemporaryDirectory(prefix="kept-flash-") as scratch:
        maker = Maker(checkout, Path(scratch))
        for name in KEYS:
            if not (HERE / f"{name}.pem").exists():
                maker.hanboot("keys", "new", HERE / name)
        make(maker)
        left_over = {"lock", "port"}
        with tarfile.open(ARCHIVE, "w:xz", preset=9) as archive:
            for path in sorted(Path(scratch).rglob("*")):
                if path.is_file() and path.name not in left_over:
                    archive.add(path, str(path.relative_to(scratch)), filter=_without_owner)
    print(f"{ARCHIVE}: {ARCHIVE.stat().st_size} octets", file=sys.stderr)


if __name__ == "__main__":
    main()
