"""Keys, releases and images that host tests share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from fake_device import HASH, FakeDevice
from samples import DCC, FIRST_RELEASE, make_release

from hanboot import cli
from hanboot.demo.bench import KeyPairs
from hanboot.image import release
from hanboot.image.build import build_image
from hanboot.image.ota_file import Image


@pytest.fixture
def release_file(tmp_path: Path) -> Path:
    return make_release(tmp_path / "release")


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory, pairs: KeyPairs) -> Image:
    """An image that names no predecessors."""
    file = make_release(tmp_path_factory.mktemp("first"), FIRST_RELEASE)
    key = pairs.manufacturer
    return build_image(release.load(file), key.public.kid, key.sign)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, pairs: KeyPairs, first: Image) -> Image:
    """Its successor."""
    file = make_release(tmp_path_factory.mktemp("built"))
    key = pairs.manufacturer
    described = release.with_predecessors(release.load(file), [first])
    return build_image(described, key.public.kid, key.sign)


@pytest.fixture
def dcc() -> Path:
    if not DCC.exists():
        pytest.skip("the published DCC test image is not here")
    return DCC


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs `hanboot` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name in (
        *("MANUFACTURER_KEY", "MANUFACTURER_PUBLIC_KEY", "SUPPLIER_KEY", "SUPPLIER_PUBLIC_KEY"),
        *("PORT", "PASSPHRASE_FILE", "REGISTRY"),
    ):
        monkeypatch.delenv(f"HANBOOT_{name}", raising=False)

    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(cli.main, [str(argument) for argument in arguments])

    return invoke


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeDevice:
    """A device on a fake transport; nothing with it waits for a real clock."""
    fake = FakeDevice()
    monkeypatch.setattr("hanboot.device.client.hash_in", lambda octets: HASH)
    monkeypatch.setattr("hanboot.device.client.time.sleep", fake.pause)
    return fake
