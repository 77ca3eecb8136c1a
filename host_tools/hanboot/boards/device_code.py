"""The device code as the virtual board runs it: compiled, in a ROMFS that is mapped in place.

So its heap holds what a board's heap holds: on a board the code is frozen into flash.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from mpremote.romfs import VfsRomWriter

import bootloader
from hanboot.errors import NoDevice
from hanboot.image import romfs

ROOT = Path(bootloader.__file__).parent.parent
VIRTUAL = ROOT / "boards" / "virtual"
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
    """The ROMFS with the virtual board's modules, built if there is none of these sources."""
    sources = sorted(VIRTUAL.glob("*.py")) + sorted((ROOT / "bootloader").rglob("*.py"))
    digest = hashlib.sha256()
    for source in sources:
        digest.update(str(source.relative_to(ROOT)).encode() + b"\0" + source.read_bytes())
    image = _BUILT / f"{digest.hexdigest()[:16]}.romfs"
    if not image.exists():
        _BUILT.mkdir(parents=True, exist_ok=True)
        # into place at once: another board may be starting beside this one
        partial = image.with_suffix(f".{os.getpid()}")
        partial.write_bytes(_build())
        partial.replace(image)
    return image


def _build() -> bytes:
    writer = VfsRomWriter()
    _add(writer, VIRTUAL, "")
    writer.opendir("bootloader")
    _add(writer, ROOT / "bootloader", "bootloader/")
    writer.closedir()
    return bytes(writer.finalise())


def _add(writer: VfsRomWriter, folder: Path, prefix: str) -> None:
    for entry in sorted(folder.iterdir()):
        if entry.suffix == ".py":
            code = romfs.compile_module(f"{prefix}{entry.name}", entry)
            writer.mkfile(f"{entry.stem}.mpy", code)
        elif entry.is_dir() and entry.name != "__pycache__":
            writer.opendir(entry.name)
            _add(writer, entry, f"{prefix}{entry.name}/")
            writer.closedir()
