"""A manufacturer's own board, as docs/guide/tier-product.md has it: copied out of the checkout into
a folder with spaces, with a name and a manufacturer code of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import small_release
from rig import ROOT

from hanboot.boards import flashing
from hanboot.boards.rp2040 import Rp2040Board
from hanboot.device.client import Device
from hanboot.device.refusal import DeviceRefused
from hanboot.device.upgrade import upgrade
from hanboot.explain.reasons import Reason
from hanboot.image.ota_file import Image

from .conftest import GOOD, Maker, provision_keys

pytestmark = [pytest.mark.slow, pytest.mark.long]

_PAGE = (ROOT / "docs" / "guide" / "tier-product.md").read_text(encoding="utf-8")
_SECTION = _PAGE.partition("## A board of your own\n")[2].partition("\n## ")[0]
_CODE = 0x10AC


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The UF2 that the commands of the page leave; HOME is a folder of the test's."""
    home = tmp_path_factory.mktemp("home of the maker")
    script = re.findall(r"^```sh\n(.*?)^```$", _SECTION, re.S | re.M)[0]
    subprocess.run(
        ["bash", "-euc", script],
        cwd=ROOT,
        # the caller's make would hand on its options
        env={k: v for k, v in os.environ.items() if k != "MAKEFLAGS"} | {"HOME": str(home)},
        check=True,
    )
    named = re.search(r"`(build/[^`]*\.uf2)`", _SECTION)
    assert named
    built = ROOT / named[1]
    kept = shutil.copy(built, home / "own.uf2")
    # a path with spaces is built elsewhere, and leads there
    shutil.rmtree(built.with_suffix("").resolve())
    shutil.rmtree(built.parent)
    return kept


def test_it_takes_the_maker_s_images_and_no_others(
    own: Path, maker: Maker, v1: Image, tmp_path: Path
) -> None:
    assert flashing.load(own, "ppmid").text == "PPMID product"
    small_release.write(tmp_path / "app", "1.0", 0x01000000, GOOD, manufacturer_code=_CODE)
    image = small_release.build(tmp_path / "app", maker.key)
    state = tmp_path / "a board"
    with Rp2040Board(state, image=own), Device(f"virtual:{state}") as device:
        identity = device.identity()
        shown = re.findall(r"^```text\n(.*?)^```$", _SECTION, re.S | re.M)[0]
        assert f"board    {identity.board}\n" in shown
        assert f"manufacturer {identity.manufacturer_code:04X}, image type 0005" in shown
        provision_keys(device, maker)
        with pytest.raises(DeviceRefused) as refused:
            device.upload(v1.octets)
        assert refused.value.verdict.reason is Reason.MANUFACTURER_CODE
        upgrade(device, image.octets)
        running = device.identity().running
        assert running is not None
        assert running.firmware is not None
        assert running.firmware.image_hash == image.image_hash
