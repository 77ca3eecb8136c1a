"""The device code as the virtual board runs it: compiled, in a ROMFS that is mapped in place.

So its heap holds what a board's heap holds: on a board the code is frozen into flash.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from mpremote.romfs import VfsRomWriter

from hanboot.boards.bootloader_files import PACKAGE, imports_of
from hanboot.image import romfs
from hanboot.installation import BOARDS, cache_folder, micropython

__all__ = ["BOARDS", "COMMON", "VIRTUAL", "board_modules", "compiled", "micropython", "modules_in"]

VIRTUAL = BOARDS / "virtual"
COMMON = BOARDS / "common"


def modules_in(folder: Path) -> dict[str, Path]:
    """The modules of a board's folder, by name."""
    return {path.stem: path for path in sorted(folder.glob("*.py"))}


def board_modules(board: str, chip: str | None = None) -> dict[str, Path]:
    """What a board imports beside the bootloader, by name.

    Args:
        board: folder in boards/.
        chip: "esp32", "rp2040" or "other", which it imports as `chip`; None if it does not.
    """
    there = modules_in(COMMON) | modules_in(BOARDS / board)
    wanted = ["board"]
    if chip is not None:
        there["chip"] = there[f"{chip}_chip"]
        wanted.append("chip")
    found: dict[str, Path] = {}
    while wanted:
        name = wanted.pop()
        if name in there and name not in found:
            found[name] = there[name]
            wanted += imports_of(there[name])
    return found


def compiled(modules: Mapping[str, Path]) -> Path:
    """The ROMFS with the bootloader and a board's `modules`, built if there is none of these."""
    sources = {f"{name}.py": path for name, path in sorted(modules.items())}
    for path in sorted(PACKAGE.rglob("*.py")):
        sources[str(path.relative_to(PACKAGE.parent))] = path
    digest = hashlib.sha256()
    for name, path in sources.items():
        digest.update(name.encode() + b"\0" + path.read_bytes())
    image = cache_folder("virtual") / f"{digest.hexdigest()[:16]}.romfs"
    if not image.exists():
        # into place at once: another board may be starting beside this one
        partial = image.with_suffix(f".{os.getpid()}")
        partial.write_bytes(_build(modules))
        partial.replace(image)
    return image


def _build(modules: Mapping[str, Path]) -> bytes:
    writer = VfsRomWriter()
    for name, source in sorted(modules.items()):
        writer.mkfile(f"{name}.mpy", romfs.compile_module(f"{name}.py", source))
    writer.opendir(PACKAGE.name)
    _add(writer, PACKAGE, f"{PACKAGE.name}/")
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
