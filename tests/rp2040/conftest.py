"""The firmware of boards/rp2040_han on an emulated chip, and small applications to put on it."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import small_release
from rig import ROOT

from hanboot.boards import rp2040
from hanboot.device.client import Device
from hanboot.device.provisioning import development_keys, provision
from hanboot.device.upgrade import upgrade
from hanboot.image.ota_file import Image
from hanboot.trust import keys
from hanboot.trust.keys import PrivateKey

BUILD = ROOT / "boards" / "rp2040_han" / "build.py"

#: An application that passes its self-test at once. Its first start leaves a note in the data
#: region, and every start shows what the note says.
GOOD = """
import asyncio

async def main(services):
    try:
        note = open(services.data + "/note").read()
    except OSError:
        note = "written by " + services.label
        with open(services.data + "/note", "w") as file:
            file.write(note)
    services.confirm()
    services.show((services.label, note))
    while True:
        await asyncio.sleep_ms(50)
"""

#: One that sleeps where nothing can wake it. (A busy loop would take the emulator minutes.)
HANGS = """
import time

async def main(services):
    time.sleep(3600)
"""


@dataclass
class Maker:
    """A manufacturer who builds and signs applications.

    Attributes:
        folder: for the sources.
        key: the manufacturer's.
    """

    folder: Path
    key: PrivateKey

    def build(
        self,
        label: str,
        source: str = GOOD,
        follows: tuple[Image, ...] = (),
        signer: PrivateKey | None = None,
    ) -> Image:
        """An image; its version is what `label` begins with, e.g. "1.0 hangs"."""
        folder = self.folder / label.replace(" ", "-")
        major, minor = label.split()[0].split(".")
        version = int(major) << 24 | int(minor) << 16
        small_release.write(folder, label, version, textwrap.dedent(source))
        return small_release.build(folder, self.key, follows, signer)


def _build_once(tmp_path_factory: pytest.TempPathFactory, variant: str) -> Path:
    """The UF2 of a PPMID; one build for all workers, before any of them reads it."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    built = folder / f"{variant}-is-built"
    with built.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not built.exists():
            subprocess.run([sys.executable, str(BUILD), "--variant", variant], check=True)
            built.touch()
    return rp2040.firmware("ppmid", variant)


@pytest.fixture(scope="session")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _build_once(tmp_path_factory, "product")


@pytest.fixture(scope="session")
def development(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Development firmware, which has the tunnel of the Home Area Network."""
    return _build_once(tmp_path_factory, "development")


@pytest.fixture(scope="session")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    return Maker(tmp_path_factory.mktemp("releases"), keys.generate())


@pytest.fixture(scope="session")
def v1(maker: Maker) -> Image:
    return maker.build("1.0")


@pytest.fixture(scope="session")
def v2(maker: Maker, v1: Image) -> Image:
    return maker.build("2.0", follows=(v1,))


def provision_keys(device: Device, maker: Maker) -> None:
    provision(device, development_keys(maker.key.public))


@pytest.fixture(scope="session")
def installed(
    firmware: Path, maker: Maker, v1: Image, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """State of a board that runs 1.0; to be copied, not used."""
    state = tmp_path_factory.mktemp("installed")
    with rp2040.Rp2040Board(state), Device(f"virtual:{state}") as device:
        provision_keys(device, maker)
        upgrade(device, v1.octets)
    return state


@pytest.fixture
def state(installed: Path, tmp_path: Path) -> Path:
    """State of a board of one's own that runs 1.0."""
    shutil.copytree(installed, tmp_path / "state")
    return tmp_path / "state"


@pytest.fixture
def smpmgr() -> Callable[..., str]:
    program = Path(sys.executable).with_name("smpmgr")
    if not program.exists():
        pytest.skip("smpmgr needs Python 3.11")

    def run(port: str, *arguments: str) -> str:
        command = [str(program), "--port", port, "--timeout", "60", "--line-buffers", "8"]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
