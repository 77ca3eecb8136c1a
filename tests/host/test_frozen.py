"""What a product freezes: enough for a device to start with, and nothing that only hosts need."""

from __future__ import annotations

import runpy
import shutil
import subprocess
from pathlib import Path

import pytest
from samples import ROOT

from hanboot.boards import device_code
from hanboot.boards.bootloader_files import PACKAGE, imports_of

PORTS = ("rp2040_han", "esp32_han", "esp32_stock", "stock", "common")
MANIFEST = ROOT / "boards" / "bootloader_manifest.py"


class Options:
    """As makemanifest.py hands them to a manifest."""

    def __init__(self, **given: int) -> None:
        self._given = given

    def defaults(self, **defaults: int) -> None:
        assert self._given.keys() <= defaults.keys()
        self.__dict__.update(defaults | self._given)


@pytest.fixture(params=[True, False], ids=["network", "no network"])
def frozen(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths that are frozen, below host_tools/."""
    found: list[str] = []

    def freeze(folder: str, names: tuple[str, ...], opt: int) -> None:
        assert Path(folder) == ROOT / "host_tools"
        found.extend(names)

    # as makemanifest.py runs it
    monkeypatch.chdir(MANIFEST.parent)
    given = {"freeze": freeze, "package": lambda *_, **__: None}
    runpy.run_path(str(MANIFEST), given | {"options": Options(network=request.param)})
    assert any(name.startswith("hanbootloader/han/") for name in found) == request.param
    return found


def test_a_device_imports_no_more(frozen: list[str], tmp_path: Path) -> None:
    for name in frozen:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "host_tools" / name, tmp_path / name)
    # in the place of what a chip's MicroPython has in C, and the one here has not
    assert "hanbootloader/trust/sha1.py" not in frozen
    shutil.copy(PACKAGE / "trust" / "sha1.py", tmp_path / "hanbootloader" / "trust")
    subprocess.run(
        [
            device_code.micropython(),
            "-X",
            "heapsize=1M",
            "-c",
            "from hanbootloader import boot, start",
        ],
        env={"MICROPYPATH": f".frozen:{tmp_path}"},
        check=True,
    )


def test_what_ports_import_is_frozen(frozen: list[str]) -> None:
    """A firmware whose board cannot import its flash map is mute: it fails before USB starts."""
    modules = {name.removesuffix(".py").replace("/", ".") for name in frozen}
    for port in PORTS:
        for path in sorted((ROOT / "boards" / port).glob("*.py")):
            if path.stem == "manifest":
                continue
            for name in imports_of(path):
                file = PACKAGE.parent / (name.replace(".", "/") + ".py")
                if name.startswith(f"{PACKAGE.name}.") and file.exists():
                    assert name in modules, path


def test_nothing_that_only_hosts_need_is_frozen(frozen: list[str]) -> None:
    assert "hanbootloader/boot.py" in frozen
    assert "hanbootloader/trust/p256.py" in frozen
    assert not [name for name in frozen if "writer" in name or "cpl_entry" in name]
    assert frozen == sorted(set(frozen))
