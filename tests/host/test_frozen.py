"""What a product freezes: enough for a device to start with, and nothing that only hosts need."""

from __future__ import annotations

import ast
import runpy
import subprocess
from pathlib import Path

import pytest
from samples import ROOT

from hanboot.boards import device_code
from hanboot.boards.bootloader_files import PACKAGE, imports_of
from hanboot.image import romfs

PORTS = ("rp2040_han", "esp32_han", "esp32_stock", "stock", "common")
MANIFEST = ROOT / "boards" / "bootloader_manifest.py"
#: Of optimisation, in that manifest.
LEVEL = 3


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


#: What a chip's MicroPython has in C, and the one here has not.
IN_C = ("sha1", "software_aes")


def test_a_device_imports_no_more(frozen: list[str], tmp_path: Path) -> None:
    """Compiled as a product's, which has nothing that stands under `if __debug__`."""
    in_c = [f"hanbootloader/trust/{name}.py" for name in IN_C]
    assert not set(in_c) & set(frozen)
    for name in (*frozen, *in_c):
        compiled = romfs.compile_module(name, ROOT / "host_tools" / name, LEVEL)
        path = (tmp_path / name).with_suffix(".mpy")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(compiled)
    modules = [name.removesuffix(".py").replace("/", ".") for name in frozen]
    imports = ", ".join(name.removesuffix(".__init__") for name in modules)
    subprocess.run(
        [device_code.micropython(), "-X", "heapsize=1M", "-c", f"import {imports}"],
        env={"MICROPYPATH": f".frozen:{tmp_path}"},
        check=True,
    )


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_what_only_annotations_need_is_in_nothing_else(path: Path) -> None:
    """A product does not import it: elsewhere its name is there, and on the product a NameError."""
    tree = ast.parse(path.read_text())
    absent = {
        alias.asname or alias.name
        for block in tree.body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "__debug__"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert not absent & used


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
