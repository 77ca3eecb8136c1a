"""Keys, releases and images that host tests share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hanboot import cli, keys, release
from hanboot.image import Image
from hanboot.keys import PrivateKey

ROOT = Path(__file__).parent.parent.parent

#: A published test image of the field; it is no part of this project.
DCC = ROOT.parent / "shared" / "data"

APPLICATION = """
async def main(services):
    services.confirm()
"""

RELEASE = """
[image]
manufacturer_code = 0xFFF0
image_type = 0x0005
file_version = 0x01010000
label = "1.1.0"
hardware = [0x0100, 0x01FF]
header_string = "a test's image"
minimum_base_version = 0x01000000
security_counter = 1
point_of_no_return = true
cpl_entry_id = "TEST-0002"
release_notes = "https://example.com/1.1.0"

[application]
sources = [".", "common"]
entry = "app"

[[predecessors]]
file_version = 0x01000000
cpl_entry_id = "TEST-0001"
"""

FIRST_RELEASE = """
[image]
manufacturer_code = 0xFFF0
image_type = 0x0005
file_version = 0x01000000
hardware = [0x0100, 0x01FF]
cpl_entry_id = "TEST-0001"

[application]
sources = ["."]
entry = "app"
"""


@dataclasses.dataclass(frozen=True)
class Keys:
    manufacturer: PrivateKey
    supplier: PrivateKey
    stranger: PrivateKey


@pytest.fixture(scope="session")
def pairs() -> Keys:
    return Keys(keys.generate(), keys.generate(), keys.generate())


def make_release(folder: Path, text: str = RELEASE) -> Path:
    """A folder with RELEASE.toml, an application and a module that it shares."""
    (folder / "common").mkdir(parents=True, exist_ok=True)
    (folder / "app.py").write_text(APPLICATION)
    (folder / "common" / "units.py").write_text("PENCE = 100\n")
    file = folder / "RELEASE.toml"
    file.write_text(text)
    return file


@pytest.fixture
def release_file(tmp_path: Path) -> Path:
    return make_release(tmp_path / "release")


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory, pairs: Keys) -> Image:
    """An image that names no predecessors."""
    file = make_release(tmp_path_factory.mktemp("first"), FIRST_RELEASE)
    key = pairs.manufacturer
    return release.build(release.load(file), key.public.kid, key.sign)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, pairs: Keys, first: Image) -> Image:
    """Its successor."""
    file = make_release(tmp_path_factory.mktemp("built"))
    key = pairs.manufacturer
    described = release.with_predecessors(release.load(file), [first])
    return release.build(described, key.public.kid, key.sign)


@pytest.fixture
def dcc() -> Path:
    if not DCC.exists():
        pytest.skip("the published DCC test image is not here")
    return DCC


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs `hanboot` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("PORT", "MANUFACTURER_KEY", "SUPPLIER_KEY", "PASSPHRASE_FILE", "REGISTRY"):
        monkeypatch.delenv(f"HANBOOT_{name}", raising=False)

    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(cli.main, [str(argument) for argument in arguments])

    return invoke
