"""Provides .toolchain/bin/micropython, the unix port that plays the virtual board's chip."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import debian
import tree
from system import OUT, UNIX, ToolchainError, ensure, run, say, without_space

VARIANT = Path(__file__).with_name("unix")
BINARY = OUT / "bin/micropython"
_ORIGIN = OUT / "bin/micropython.origin"


def setup() -> None:
    """Links the binary that MICROPYTHON names, or builds one; does nothing if it is there.

    What MICROPYTHON or MICROPYTHON_DIR once named is kept until one of them names another
    or .toolchain/ is removed.
    """
    recorded = _ORIGIN.read_text() if _ORIGIN.exists() and BINARY.exists() else ""
    if given := os.environ.get("MICROPYTHON"):
        path = Path(given).absolute()
        if not os.access(path, os.X_OK):
            raise ToolchainError(f"MICROPYTHON={given} is not a program")
        origin = f"binary {path}"
        if origin != recorded:
            _use(path, origin)
    elif source := tree.given_tree():
        _use(_build(source), f"tree {source}")
    elif not recorded.startswith(("binary ", "tree ")):
        origin = f"debian {debian.pin('micropython')[0]} {_variant_digest()}"
        if origin != recorded:
            _use(_build(tree.debian_tree()), origin)


def _build(source: Path) -> Path:
    ensure(UNIX)
    say(f"building MicroPython's unix port from {source}")
    build = OUT / "unix"
    # make sees neither another source tree nor changed settings behind its old objects
    made_from = build / "made-from"
    key = f"{source} {_variant_digest()}"
    if not made_from.exists() or made_from.read_text() != key:
        shutil.rmtree(build, ignore_errors=True)
        build.mkdir(parents=True)
        made_from.write_text(key)
    run(
        "build unix",
        [
            *("make", "-C", str(source / "ports/unix"), f"-j{os.cpu_count()}"),
            *("VARIANT=hanboot", f"VARIANT_DIR={without_space(VARIANT)}", f"BUILD={build}"),
            f"MPY_LIB_DIR={tree.lib_folder(source)}",
            f"MICROPY_MPYCROSS={tree.mpy_cross()}",
            "CFLAGS_EXTRA=-Wno-error",  # newer compilers warn of more
        ],
        env=tree.build_environment(source),
    )
    return build / "micropython"


def _use(binary: Path, origin: str) -> None:
    try:
        command = [str(binary), "-X", "heapsize=192k", str(VARIANT / "check.py")]
        check = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolchainError(f"{binary} does not run: {error}") from None
    if check.returncode:
        lines = (check.stdout + check.stderr).strip().splitlines() or ["it says nothing"]
        raise ToolchainError(f"{binary} can't play the virtual board: {lines[-1]}")
    BINARY.parent.mkdir(parents=True, exist_ok=True)
    link = BINARY.with_suffix(".new")
    link.unlink(missing_ok=True)
    link.symlink_to(os.path.relpath(binary, BINARY.parent) if OUT in binary.parents else binary)
    os.replace(link, BINARY)
    _ORIGIN.write_text(origin)
    say(f"{BINARY.relative_to(OUT.parent)} is {check.stdout.strip()}")


def _variant_digest() -> str:
    content = b"".join(path.read_bytes() for path in sorted(VARIANT.glob("m*")))
    return hashlib.sha256(content).hexdigest()[:16]
