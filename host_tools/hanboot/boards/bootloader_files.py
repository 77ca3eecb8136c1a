"""Which modules of the bootloader a device imports: what is frozen, and what is deployed."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from pathlib import Path

import hanbootloader

#: The device's own code, in a folder of the name that it imports itself by, here as on a device.
PACKAGE = Path(hanbootloader.__file__).parent


#: Where the imports begin: the start of a device, and what a port of a board builds on.
_ROOTS = ("boot", "board", "store.flash_map")

#: Modules that a firmware may leave out, and with them all that only they import: the side of a
#: Home Area Network, for a board without one; the check of CPL entries, for a board that demands
#: none (Board.cpl_key); SHA-1 and AES, for a MicroPython that has its own.
NETWORK, CPL_ENTRY, SHA1, AES = (
    f"{PACKAGE.name}.{name}"
    for name in ("network", "cpl_entry", "trust.sha1", "trust.software_aes")
)


def bootloader_modules(without: Collection[str] = ()) -> list[Path]:
    """The modules of the bootloader that a device imports, and the packages with anything in them:
    MicroPython takes a folder without an `__init__.py` for a package, too.

    Found by following every import from `_ROOTS` on: what is only for tools on a host, writers of
    formats for instance, is not among them.

    Args:
        without: which of NETWORK, CPL_ENTRY, SHA1 and AES it does not need.
    """
    found: set[Path] = set()
    wanted = [file for root in _ROOTS for file in _files(f"{PACKAGE.name}.{root}")]
    while wanted:
        path = wanted.pop()
        if path not in found:
            found.add(path)
            names = (name for name in imports_of(path) if name not in without)
            wanted += [file for name in names for file in _files(name)]
    return sorted(path for path in found if path.stat().st_size)


def _files(name: str) -> list[Path]:
    """Files of the module `name` and of the packages around it; none if it is not ours."""
    package, *parts = name.split(".")
    if package != PACKAGE.name:
        return []
    paths = [PACKAGE.joinpath(*parts[:depth], "__init__.py") for depth in range(len(parts) + 1)]
    paths.append(PACKAGE.joinpath(*parts).with_suffix(".py"))
    return [path for path in paths if path.exists()]


def imports_of(path: Path) -> Iterator[str]:
    """Every name that could be a module, wherever in the source it is imported."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
