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
    modules = _modules(files)
    for path, file in files.items():
        if _is_module(path):
            _check_name(path, file, modules)
    for path, file in files.items():
        if not path.endswith(".py"):
            continue
        tree = _parsed(file)
        if tree is None:
            # mpy-cross says what is wrong with it
            continue
        if path == f"{ENTRY}.py":
            _check_main(file, tree)
        for name, line in _imports(tree, _package_of(path), modules):
            if not _can_be_imported(name, modules):
                _refuse_import(file, line, name)


def _is_module(path: str) -> bool:
    return path.endswith((".py", ".mpy"))


def _name_of(path: str) -> str:
    """The dotted name that a module is imported by; an `__init__` is its package."""
    name = ".".join(PurePosixPath(path).with_suffix("").parts)
    return name.removesuffix(".__init__")


def _package_of(path: str) -> str:
    return ".".join(PurePosixPath(path).parts[:-1])


def _modules(files: Mapping[str, Path]) -> Mapping[str, bool]:
    """Modules and packages by dotted name: whether code runs at the import, which binds names."""
    found: dict[str, bool] = {}
    for path in filter(_is_module, files):
        package = _package_of(path)
        while package:
            found.setdefault(package, False)
            package = package.rpartition(".")[0]
        found[_name_of(path)] = True
    return found


def _check_name(path: str, file: Path, modules: Mapping[str, bool]) -> None:
    """Refuses a module that is never imported, because another one is found first."""
    name = _name_of(path)
    top = name.partition(".")[0]
    if top in DEVICE | PROVIDED:
        why = f"the device has a module {top} of its own, which is found first"
    elif path.endswith(".mpy") and file.with_suffix(".py").exists():
        why = f"{file.with_suffix('.py').name} lies beside it, and is compiled to the same name"
    elif _package_of(path) != name and any(other.startswith(f"{name}.") for other in modules):
        why = f"there is a package {name}, too, which is found first"
    else:
        return
    raise BadFile(f"{file} would never be imported", why, "give it another name")


def _can_be_imported(name: str, modules: Mapping[str, bool]) -> bool:
    top = name.partition(".")[0]
    if top in modules:
        return name in modules
    # ujson and its like are MicroPython's older names
    return top in PROVIDED or top.removeprefix("u") in PROVIDED


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


def _imports(tree: ast.AST, package: str, modules: Mapping[str, bool]) -> Iterator[tuple[str, int]]:
    """Dotted names of what must be there, with their lines; a try may do without."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Try):
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = _origin(node, package)
            yield name, node.lineno
            # a folder without __init__.py has nothing in it but modules
            if modules.get(name) is False:
                names = (alias.name for alias in node.names if alias.name != "*")
                yield from ((f"{name}.{part}", node.lineno) for part in names)
        else:
            yield from _imports(node, package, modules)


def _origin(node: ast.ImportFrom, package: str) -> str:
    """The module that something is imported from; as it stands there if that is beyond the top."""
    named = node.module or ""
    if not node.level:
        return named
    parts = package.split(".") if package else []
    if node.level > len(parts):
        return "." * node.level + named
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, named] if named else base)


def _refuse_import(file: Path, line: int, name: str) -> None:
    on_some = " on every tier" if name in DEVICE else ""
    if name.startswith("."):
        raise BadFile(
            f"{file} cannot be started",
            f"line {line} imports from {name}, which is above the top of the image",
            "name the module itself",
        )
    raise BadFile(
        f"{file} cannot be started",
        f"line {line} imports {name}, which is neither in the image nor in a device{on_some}",
        f"add {name} to application.sources, or import it in a try that can do without",
    )
