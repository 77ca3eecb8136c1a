"""Builds MicroPython's rp2 port for a board into a UF2, octet by octet repeatable."""

import os
import shutil
import sys
from pathlib import Path

import debian
import tree
from system import RP2, ToolchainError, build_folder, ensure, run, say, without_space

# For boards that bring no manifest.py; the stock one wants micropython-lib.
_DEFAULT_MANIFEST = Path(__file__).with_name("rp2") / "manifest.py"
# what the manifests of our boards include
_SHARED_MANIFEST = Path(__file__).parents[1] / "bootloader_manifest.py"

# Library folder -> (Debian package, folder inside it, a file that proves it is there).
_LIBRARIES = {
    "pico-sdk": ("pico-sdk-source", "usr/src/pico-sdk", "pico_sdk_init.cmake"),
    "tinyusb": ("tinyusb-source", "usr/src/tinyusb", "src/tusb.h"),
    "mbedtls": ("mbedtls", "", "library/sha256.c"),
}

# RP2040's UF2 family and the flash's address in its memory map.
_UF2_FAMILY = "0xE48BFF56"
_FLASH_BASE = "0x10000000"


def setup() -> Path:
    """Brings compiler and sources; returns the source tree."""
    ensure(RP2)
    given = tree.given_tree()
    source = given or tree.debian_tree()
    for folder, (package, inside, proof) in _LIBRARIES.items():
        library = source / "lib" / folder
        if (library / proof).exists():
            continue
        if given:
            raise ToolchainError(f"{library} is empty; run: make -C {source}/ports/rp2 submodules")
        tree.unpack(debian.fetch(package), library, inside)
    return source


def _drop_outdated(build_dir: Path, manifests: tuple[Path, ...]) -> None:
    """Drops bytecode older than a manifest: it may be of another optimisation level.

    makemanifest.py compiles a module anew where its source has changed, and nowhere else.
    """
    content = build_dir / "frozen_content.c"
    newest = max(path.stat().st_mtime for path in manifests)
    if content.exists() and content.stat().st_mtime <= newest:
        shutil.rmtree(build_dir / "frozen_mpy", ignore_errors=True)


def build(board_dir: str, build_dir: Path, manifest: Path | None, definitions: list[str]) -> Path:
    """Builds firmware.elf, .bin and .uf2 into build_dir; returns the UF2's path.

    Args:
        board_dir: a folder with mpconfigboard.cmake, or the name of a stock board.
        definitions: further NAME=VALUE settings for cmake.
    """
    source = setup()
    board = without_space(Path(board_dir).resolve())
    if not board.is_dir():
        board = source / "ports/rp2/boards" / board_dir
    if not (board / "mpconfigboard.cmake").exists():
        raise ToolchainError(f"{board_dir} holds no mpconfigboard.cmake and is no stock board")
    if manifest is None:
        own = board / "manifest.py"
        manifest = own if own.exists() else _DEFAULT_MANIFEST
    build_dir = build_folder(build_dir.absolute())
    manifest = without_space(manifest.resolve().parent) / manifest.name
    settings = {
        "MICROPY_BOARD": board.name,
        "MICROPY_BOARD_DIR": str(board),
        "MICROPY_FROZEN_MANIFEST": str(manifest),
        "MICROPY_LIB_DIR": str(tree.lib_folder(source)),
        "PICO_BUILD_DOCS": "0",
        "PICO_NO_PICOTOOL": "1",
        "Python3_EXECUTABLE": sys.executable,
    } | dict(definition.split("=", 1) for definition in definitions)
    env = tree.build_environment(source)
    # absolute paths reach the binary through assertions
    maps = {source: "/micropython", board: "/board", build_dir: "/build"}
    flags = " ".join(f"-ffile-prefix-map={path}={name}" for path, name in maps.items())
    env |= {"CFLAGS": flags, "CXXFLAGS": flags, "ASMFLAGS": flags}

    _drop_outdated(build_dir, (manifest, _SHARED_MANIFEST))
    say(f"building MicroPython's rp2 port for {board.name} into {build_dir}")
    options = [f"-D{name}={value}" for name, value in settings.items()]
    cmake = ["cmake", "-S", str(source / "ports/rp2"), "-B", str(build_dir)]
    run("configure rp2", [*cmake, *options], env)
    run("build rp2", ["cmake", "--build", str(build_dir), f"-j{os.cpu_count()}"], env)
    uf2 = build_dir / "firmware.uf2"
    convert = [sys.executable, str(source / "tools/uf2conv.py"), "-c", "-o", str(uf2)]
    address = ["-f", _UF2_FAMILY, "-b", _FLASH_BASE, str(build_dir / "firmware.bin")]
    run("convert to uf2", [*convert, *address], env)
    return uf2
