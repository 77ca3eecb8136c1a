"""What an application's folders put into an image: modules, packages and data files, by path.

Nothing is dropped without a word: what is neither is refused, or named in a warning.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from hanboot.errors import BadFile

_log = logging.getLogger(__name__)

# what lies in such folders and is no part of an application
_OWN = ("RELEASE.toml", "__pycache__", ".git")
#: Left out, with a warning: keys and images must not get into an image by accident.
_LEFT_OUT = (".pem", ".crt", ".key", ".ota", ".unsigned", ".sig", ".uf2", ".md", ".pyc")

#: Longest name of a file in an image: what MicroPython's `import` and `open` take.
_NAME_MOST = 64


def collect(folders: Sequence[Path]) -> dict[str, Path]:
    """The files of `folders` by their path in the image; of two with one path the first counts.

    Raises:
        BadFile: a folder is not there, or a file cannot be packed; names it.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        if not os.path.isdir(folder):
            raise BadFile(
                f"no application in {folder}",
                "there is no such folder",
                "correct application.sources, which counts from where the file lies",
            )
        for path, file in _walk(folder, folder.resolve(), PurePosixPath()):
            found.setdefault(str(path), file)
    for name, file in found.items():
        for parent in PurePosixPath(name).parents:
            if str(parent) in found:
                raise _cannot_pack(file, f"{found[str(parent)]} has its folder's name", "rename it")
    return found


def _walk(folder: Path, root: Path, at: PurePosixPath) -> Iterator[tuple[PurePosixPath, Path]]:
    for entry in sorted(folder.iterdir()):
        name = entry.name
        if name in _OWN:
            continue
        if name.startswith(".") or entry.suffix in _LEFT_OUT:
            _log.warning("%s is left out of the image", entry)
            continue
        if not entry.resolve().is_relative_to(root):
            raise _cannot_pack(entry, "it is a link that leaves the folder", "copy the file")
        _check_name(entry)
        if entry.is_dir():
            yield from _walk(entry, root, at / name)
        elif entry.is_file():
            yield at / name, entry
        else:
            raise _cannot_pack(entry, "it is neither a file nor a folder", "remove it")


def _check_name(entry: Path) -> None:
    name = entry.name
    if not name.isascii() or not name.isprintable() or len(name) > _NAME_MOST:
        raise _cannot_pack(
            entry,
            f"its name must be at most {_NAME_MOST} printable ASCII characters",
            "rename it",
        )
    if entry.suffix in (".py", ".mpy") and not entry.stem.isidentifier():
        raise BadFile(
            f"{entry} cannot be a module",
            "its name is no identifier",
            "rename it to letters, digits and _",
        )


def _cannot_pack(entry: Path, why: str, what_to_do: str) -> BadFile:
    return BadFile(f"{entry} cannot be packed", why, what_to_do)
