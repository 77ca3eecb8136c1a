"""Fixtures of tests that go from the command line to the device's flash and back: devices, images.

`states` says what board they are on; a folder of tests may have its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from rig import COUNTING, Bench, ReleaseImages, States

from hanboot.demo.bench import KeyPairs
from hanboot.image.ota_file import Image


@pytest.fixture(scope="session")
def firmware(pairs: KeyPairs, tmp_path_factory: pytest.TempPathFactory) -> ReleaseImages:
    return ReleaseImages(pairs, tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="session")
def states(firmware: ReleaseImages, tmp_path_factory: pytest.TempPathFactory) -> States:
    return States(tmp_path_factory.mktemp("devices"), firmware)


@pytest.fixture(scope="session")
def long(firmware: ReleaseImages) -> Image:
    """An image that takes a while to send to a PPMID with 1.0.0."""
    before = firmware.image("ppmid/1.0.0")
    return firmware.own("takes-a-while", 0x05000000, before, app=COUNTING, ballast=150_000)


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Commands run in an empty folder, with nothing set."""
    monkeypatch.chdir(tmp_path)
    for name in (
        *("MANUFACTURER_KEY", "MANUFACTURER_PUBLIC_KEY", "SUPPLIER_KEY", "SUPPLIER_PUBLIC_KEY"),
        *("PORT", "PASSPHRASE_FILE", "REGISTRY"),
    ):
        monkeypatch.delenv(f"HANBOOT_{name}", raising=False)
    return tmp_path


@pytest.fixture
def blank(states: States) -> Iterator[Bench]:
    """A device as it leaves the line: no trust anchors."""
    with states.bench(states.fresh(), "ppmid") as bench:
        yield bench


@pytest.fixture
def provisioned(states: States) -> Iterator[Bench]:
    """A PPMID that trusts the session's keys and holds no application."""
    with states.bench(states.provisioned("ppmid")) as bench:
        yield bench


@pytest.fixture
def ppmid(states: States) -> Iterator[Bench]:
    """A PPMID that runs 1.0.0, with credit."""
    with states.bench(states.installed("ppmid/1.0.0")) as bench:
        yield bench


@pytest.fixture
def ppmid2(states: States) -> Iterator[Bench]:
    """A PPMID that runs 2.0.0, with credit."""
    with states.bench(states.installed("ppmid/1.0.0", "ppmid/1.1.0", "ppmid/2.0.0")) as bench:
        yield bench


@pytest.fixture
def ihd(states: States) -> Iterator[Bench]:
    """An IHD that runs 1.0.0."""
    with states.bench(states.installed("ihd/1.0.0")) as bench:
        yield bench
