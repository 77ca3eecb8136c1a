"""Brings MicroPython: `python3 boards/toolchain {venv,packages,unix,esp32-image,rp2-setup,rp2}`.

Environment: MICROPYTHON (a unix binary to use), MICROPYTHON_DIR (a source tree to build),
DEBIAN_MIRROR (where to fetch Debian's source packages).
"""

import argparse
import fcntl
import sys
from pathlib import Path

import emulator
import esp32_image
import rp2_port
import unix_port
from system import OUT, ROOT, VENV, ToolchainError, ensure, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="toolchain", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    targets = parser.add_subparsers(dest="target", required=True)
    targets.add_parser("venv", help="make sure that this Python can create a .venv")
    targets.add_parser("packages", help="install hanboot and what it is worked on with in .venv")
    targets.add_parser("unix", help="provide .toolchain/bin/micropython")
    targets.add_parser("esp32-image", help="bring a stock image for the ESP32, for tests")
    targets.add_parser("rp2-setup", help="bring what builds and emulates rp2 boards")
    rp2 = targets.add_parser("rp2", help="build the rp2 port for a board")
    rp2.add_argument("--board-dir", required=True, help="board folder, or a stock board's name")
    rp2.add_argument("--build", required=True, type=Path, help="build folder")
    rp2.add_argument("--manifest", type=Path, help="frozen modules; default: the board's own")
    rp2.add_argument("-D", dest="definitions", action="append", default=[], metavar="NAME=VALUE")
    arguments = parser.parse_args()

    OUT.mkdir(exist_ok=True)
    with (OUT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two builds at once would mix
        try:
            if arguments.target == "venv":
                ensure(VENV)
            elif arguments.target == "packages":
                pip = [str(ROOT / ".venv" / "bin" / "python"), "-m", "pip", "install"]
                run("install Python packages", [*pip, "--editable", f"{ROOT}[dev]"])
                emulator.discard_in(ROOT / ".venv")
            elif arguments.target == "unix":
                unix_port.setup()
            elif arguments.target == "esp32-image":
                esp32_image.setup()
            elif arguments.target == "rp2-setup":
                rp2_port.setup()
                emulator.setup()
            else:
                given = (arguments.board_dir, arguments.build)
                print(rp2_port.build(*given, arguments.manifest, arguments.definitions))
        except ToolchainError as error:
            print(f"toolchain: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
