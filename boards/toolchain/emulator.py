"""Compiles the emulator of the RP2040 for the Python at hand.

The wheel of rp2040py keeps to Python's limited API, in which each call from one of its compiled
parts to another asks by name whether a subclass has a method of its own. Its C sources are in the
wheel: compiled for one version of Python they need no such question, and run five times as fast.
"""

import importlib.util
import os
import sysconfig
from pathlib import Path

from system import ToolchainError, run, say

_MAKEFILE = Path(__file__).with_name("emulator.mk")


def _folder() -> Path | None:
    """Where the emulator has its compiled parts; None if it is not installed."""
    spec = importlib.util.find_spec("rp2040py")
    found = [Path(place) / "native" for place in (spec and spec.submodule_search_locations) or ()]
    return found[0] if found else None


def _suffix() -> str:
    """Of a module that is compiled for this Python: it is found before the wheel's."""
    return str(sysconfig.get_config_var("EXT_SUFFIX"))


def setup() -> None:
    """Compiles what is not yet; without a compiler or Python's headers the wheel's parts stay."""
    folder = _folder()
    if folder is None or "abi3" in _suffix():
        return
    parts = [part.with_suffix("").name + _suffix() for part in sorted(folder.glob("*.c"))]
    include = Path(sysconfig.get_paths()["include"])
    if not (include / "Python.h").exists():
        say(f"{include} has no Python.h: the emulator stays as its wheel has it, five times slower")
        return
    settings = {
        "SUFFIX": _suffix(),
        "INCLUDE": str(include),
        "LDSHARED": sysconfig.get_config_var("LDSHARED"),
        "CCSHARED": sysconfig.get_config_var("CCSHARED"),
    }
    make = ["make", "-C", str(folder), "-f", str(_MAKEFILE), f"-j{os.cpu_count()}"]
    try:
        run("compile the emulator", [*make, *(f"{n}={v}" for n, v in settings.items()), *parts])
    except ToolchainError as error:
        _discard(folder)
        say(f"the emulator stays as its wheel has it, five times slower: {error}")


def discard_in(venv: Path) -> None:
    """Removes what was compiled there, which may be older than what was installed since."""
    for folder in venv.glob("lib/python*/site-packages/rp2040py/native"):
        _discard(folder)


def _discard(folder: Path) -> None:
    for part in folder.glob("*.cpython-*"):
        part.unlink()
