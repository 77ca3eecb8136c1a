"""Builds the firmware: `make firmware BOARD=esp32_han [ROLE=ihd] [VARIANT=development]`.

With ESP-IDF, which is not brought: IDF_PATH says where it is, MICROPYTHON_DIR where a MicroPython
1.25 is, with its submodules. Leaves build/esp32_han/hanboot-<role>.bin, an image for the whole
flash that `hanboot board flash --chip esp32` takes. With BOARD_DIR=path it builds that folder, a
manufacturer's copy of this one, into build/ and a folder of the same name.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

sys.path.append(str(ROOT / "boards" / "toolchain"))

import tree  # noqa: E402
from system import ToolchainError, build_folder, run, without_space  # noqa: E402

_IDF = "ESP-IDF 5.2, 5.3 or 5.4"
_SUBMODULES = ("lib/berkeley-db-1.xx/btree", "lib/micropython-lib/README.md")


def missing() -> str | None:
    """What there is not that a build needs, in a line; None where all of it is there."""
    idf = os.environ.get("IDF_PATH")
    if not idf:
        return f"IDF_PATH is not set: install {_IDF}, then: . $IDF_PATH/export.sh"
    if not (Path(idf) / "tools" / "cmake" / "project.cmake").exists():
        return f"IDF_PATH={idf} is not {_IDF}: tools/cmake/project.cmake is not there"
    if not shutil.which("idf.py"):
        return f"idf.py is not on the path: . {idf}/export.sh"
    source = tree.given_tree()
    if source is None:
        return "MICROPYTHON_DIR is not set: a git clone of MicroPython 1.25 with its submodules"
    for name in _SUBMODULES:
        if not (source / name).exists():
            return f"{source}/{name} is not there: make -C {source}/ports/esp32 submodules"
    return None


def build(board: Path, role: str, development: bool, secure_boot: bool, out: Path) -> Path:
    """Builds one variant of the board in the folder `board`; the image's path."""
    source = tree.given_tree()
    assert source is not None
    name = f"hanboot-{role}" + ("-development" if development else "")
    build_dir = build_folder(out / name)
    flags = f"-DHANBOOT_ROLE={role}" + (" -DHANBOOT_SECURE_BOOT=1" if secure_boot else "")
    command = ["make", "-C", str(source / "ports" / "esp32"), f"BOARD_DIR={without_space(board)}"]
    command += [f"BUILD={build_dir}", f"CMAKE_ARGS={flags}"]
    if development:
        command.append("BOARD_VARIANT=DEVELOPMENT")
    run("build esp32", command, env=tree.build_environment(source))
    image = out / f"{name}.bin"
    shutil.copyfile(build_dir / "firmware.bin", image)
    return image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--role", choices=("ppmid", "ihd", "hcalcs"), default="ppmid")
    parser.add_argument("--variant", choices=("product", "development"), default="product")
    parser.add_argument("--secure-boot", action="store_true", help="Secure Boot V2: burns eFuses")
    parser.add_argument("--board-dir", type=Path, default=Path(__file__).parent)
    parser.add_argument("--out", type=Path, help="default: build/ and the name of the folder")
    arguments = parser.parse_args()
    board = arguments.board_dir.resolve()
    out = arguments.out or ROOT / "build" / board.name
    try:
        lacking = missing()
        if lacking:
            sys.exit(f"no firmware for {board.name}: {lacking}")
        out.mkdir(parents=True, exist_ok=True)
        development = arguments.variant == "development"
        print(build(board, arguments.role, development, arguments.secure_boot, out))
    except ToolchainError as error:
        sys.exit(f"build: {error}")


if __name__ == "__main__":
    main()
