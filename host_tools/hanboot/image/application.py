"""Whether a device could start an application: asked of its source, before it is packed."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from hanboot.errors import BadFile

#: The module that the bootloader imports and whose `main` it runs.
ENTRY = "app"

# fmt: off
#: What every tier gives an application to import: the unix, rp2 and esp32 ports of MicroPython
#: 1.25, as boards/toolchain builds them and as micropython.org ships them.
PROVIDED = frozenset({
    "__main__", "_asyncio", "array", "asyncio", "binascii", "builtins", "cmath", "collections",
    "deflate", "errno", "framebuf", "gc", "hashlib", "heapq", "io", "json", "machine", "math",
    "micropython", "os", "platform", "random", "re", "select", "struct", "sys", "time",
    "uctypes", "vfs",
})

#: Modules of the device's own, on some tier: they are found first, so an application's module of
#: the same name would never be imported (tests/host/test_packing.py compares them with boards/).
DEVICE = frozenset({
    "_boot", "_console", "_rp2", "board", "board_check", "bootloader", "chip", "console",
    "console_board", "esp32", "esp32_chip", "ffi", "flash_files", "flash_view", "folder",
    "hanbootloader", "main", "mapped", "network", "nor", "other_chip", "prototype", "role",
    "rom_files", "rp2", "rp2040_chip", "serial_radio", "socket", "ssl", "stdin_console",
    "sub_range", "termios", "uasyncio", "websocket",
})
# fmt: on


def check(files: Mapping[str, Path]) -> None:
    """Refuses an application that no device could start.

    Args:
        files: as `hanboot.image.sources.collect` gives them.

    Raises:
        BadFile: there is no `async def main`, an import is in neither the image nor the device, or
            a module has the name of one of the device's.
    """
    own = {_top(path) for path in files if _is_importable(path, files)}
    for path, file in files.items():
        if _is_importable(path, files) and _top(path) in DEVICE | PROVIDED:
            raise BadFile(
                f"{file} would never be imported",
                f"the device has a module {_top(path)} of its own, which is found first",
                "give it another name",
            )
    for path, file in files.items():
        if not path.endswith(".py"):
            continue
        tree = _parsed(file)
        if tree is None:
            # mpy-cross says what is wrong with it
            continue
        if path == f"{ENTRY}.py":
            _check_main(file, tree)
        for name, line in _imports(tree):
            # ujson and its like are MicroPython's older names
            if name not in own | PROVIDED and name.removeprefix("u") not in PROVIDED:
                _refuse_import(file, line, name)


def _top(path: str) -> str:
    return PurePosixPath(path).parts[0].removesuffix(".py")


def _is_importable(path: str, files: Mapping[str, Path]) -> bool:
    """Whether a file is a module, or in a folder with modules."""
    parts = PurePosixPath(path).parts
    if len(parts) == 1:
        return path.endswith(".py")
    return any(name.startswith(f"{parts[0]}/") and name.endswith(".py") for name in files)


def _parsed(file: Path) -> ast.Module | None:
    try:
        return ast.parse(file.read_bytes())
    except (SyntaxError, ValueError, RecursionError, OSError):
        return None


def _check_main(file: Path, tree: ast.Module) -> None:
    for node in tree.body:
        if isinstance(node, ast.AsyncFunctionDef) and node.name == "main":
            return
        if isinstance(node, ast.FunctionDef) and node.name == "main":
            raise BadFile(
                f"{file} cannot be started",
                f"line {node.lineno}: main must be async def, for the bootloader awaits it",
                "write async def main(services)",
            )
        # it may come from elsewhere: from lib import main, or main = ...
        if isinstance(node, ast.ImportFrom | ast.Import | ast.Assign) and "main" in _bound(node):
            return
    raise BadFile(
        f"{file} cannot be started",
        "it has no async def main(services), which the bootloader runs",
        "add it: docs/guide/adopting.md shows one",
    )


def _bound(node: ast.ImportFrom | ast.Import | ast.Assign) -> set[str]:
    if isinstance(node, ast.Assign):
        return {target.id for target in node.targets if isinstance(target, ast.Name)}
    return {alias.asname or alias.name for alias in node.names} | {
        "main" for alias in node.names if alias.name == "*"
    }


def _imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Top-level names of what must be there, with their lines; a try may do without."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Try):
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name.partition(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.partition(".")[0], node.lineno
        else:
            yield from _imports(node)


def _refuse_import(file: Path, line: int, name: str) -> None:
    on_some = " on every tier" if name in DEVICE else ""
    raise BadFile(
        f"{file} cannot be started",
        f"line {line} imports {name}, which is neither in the image nor in a device{on_some}",
        f"add {name} to application.sources, or import it in a try that can do without",
    )
