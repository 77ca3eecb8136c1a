"""Small programs to link, and the bootloader linked as for a product."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "boards" / "toolchain"))

import linker  # noqa: E402

BOARD = ROOT / "boards" / "rp2040_han"
CLIENTS = {name: BOARD / f"{name}.py" for name in ("_boot", "board", "main")}

# what the interface to applications names
_INTERFACE = {
    "application.py": "class Services:\n    pass\n",
    "store/ledger.py": "class Verdict:\n    pass\n",
}


class Program:
    """A package `bootloader` of a few modules, and a `main` beside it.

    Args:
        main: source of the client.
        modules: path in the package -> source.
    """

    def __init__(self, folder: Path, main: str, modules: dict[str, str]) -> None:
        self.source = folder / "source"
        self._linked = folder / "linked"
        for path, text in {**_INTERFACE, **modules}.items():
            target = self.source / "bootloader" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            (target.parent / "__init__.py").touch()
            target.write_text(textwrap.dedent(text))
        (self.source / "bootloader" / "__init__.py").touch()
        self.main = self.source / "main.py"
        self.main.write_text(textwrap.dedent(main))

    def link(self) -> linker.Linked:
        return linker.link(self.source, "bootloader", {"main": self.main})

    def run_source(self) -> str:
        return _run(self.source)

    def run_linked(self) -> str:
        self._linked.mkdir(exist_ok=True)
        for name, text in self.link().modules.items():
            (self._linked / f"{name}.py").write_text(text)
        return _run(self._linked)


def _run(folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-S", "main.py"], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def program(tmp_path: Path):  # type: ignore[no-untyped-def]
    def write(main: str, **modules: str) -> Program:
        named = {f"{name.replace('__', '/')}.py": text for name, text in modules.items()}
        return Program(tmp_path, main, named)

    return write


@pytest.fixture(scope="session")
def product() -> linker.Linked:
    return linker.link(ROOT, "bootloader", CLIENTS)
