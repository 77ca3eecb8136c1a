"""Brings MicroPython: `python3 boards/toolchain {venv,unix,rp2-setup,rp2}`, and reads what its
products say: `python3 boards/toolchain readable`.

Environment: MICROPYTHON (a unix binary to use), MICROPYTHON_DIR (a source tree to build),
DEBIAN_MIRROR (where to fetch Debian's source packages).
"""

import argparse
import fcntl
import sys
from pathlib import Path

import frozen
import linker
import rp2_port
import unix_port
from linker import names
from system import OUT, VENV, ToolchainError, ensure


def main() -> int:
    parser = argparse.ArgumentParser(prog="toolchain", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    targets = parser.add_subparsers(dest="target", required=True)
    targets.add_parser("venv", help="make sure that this Python can create a .venv")
    targets.add_parser("unix", help="provide .toolchain/bin/micropython")
    targets.add_parser("rp2-setup", help="bring compiler and sources for rp2 boards")
    rp2 = targets.add_parser("rp2", help="build the rp2 port for a board")
    rp2.add_argument("--board-dir", required=True, help="board folder, or a stock board's name")
    rp2.add_argument("--build", required=True, type=Path, help="build folder")
    rp2.add_argument("--manifest", type=Path, help="frozen modules; default: the board's own")
    rp2.add_argument("-D", dest="definitions", action="append", default=[], metavar="NAME=VALUE")
    words = targets.add_parser("words", help="bring linker/words.txt up to date")
    words.add_argument("--build", required=True, type=Path, help="folder of a product's build")
    reader = targets.add_parser("readable", help="put a product's traceback into readable names")
    reader.add_argument("names", type=Path, help=".names.json beside the UF2 that the board runs")
    reader.add_argument("text", type=Path, nargs="?", help="what the console said; default: stdin")
    arguments = parser.parse_args()
    if arguments.target == "readable":
        return _readable(arguments.names, arguments.text)

    OUT.mkdir(exist_ok=True)
    with (OUT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two builds at once would mix
        try:
            if arguments.target == "venv":
                ensure(VENV)
            elif arguments.target == "unix":
                unix_port.setup()
            elif arguments.target == "rp2-setup":
                rp2_port.setup()
            elif arguments.target == "words":
                names.write_words(frozen.held_names(arguments.build.resolve()))
            else:
                given = (arguments.board_dir, arguments.build)
                print(rp2_port.build(*given, arguments.manifest, arguments.definitions))
        except ToolchainError as error:
            print(f"toolchain: {error}", file=sys.stderr)
            return 1
    return 0


def _readable(names_file: Path, text: Path | None) -> int:
    try:
        found = linker.load_names(names_file)
    except linker.LinkError as error:
        print(f"toolchain: {error}", file=sys.stderr)
        return 1
    print(linker.readable(text.read_text() if text else sys.stdin.read(), found), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
