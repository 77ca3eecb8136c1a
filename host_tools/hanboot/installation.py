"""Where an installation has its files: what it brings, what it keeps, and the MicroPython it runs.

In a wheel the code of boards and the sample applications are data of this package; in a checkout
`data/` links to the folders that they are edited in. So both are found in one way.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from hanboot.errors import BadFile, NoDevice

_DATA = Path(__file__).parent / "data"

#: Modules of the boards, as folders of MicroPython source.
BOARDS = _DATA / "boards"
#: The sample applications: PPMID, IHD and so on.
FIRMWARE = _DATA / "firmware"

_TOP = Path(__file__).resolve().parents[2]
#: The checkout that is worked in; None where hanboot is installed.
CHECKOUT = _TOP if (_TOP / "boards" / "toolchain").is_dir() else None

#: Names the interpreter that plays virtual boards.
INTERPRETER_VARIABLE = "MICROPYTHON"

_CHECK = BOARDS / "toolchain" / "unix" / "check.py"
_CHECK_S = 30.0


def cache_folder(name: str) -> Path:
    """A folder in the user's cache, made if it is not there.

    Raises:
        BadFile: it cannot be made.
    """
    # imported late: only what runs a board keeps anything
    import platformdirs

    folder = platformdirs.user_cache_path("hanboot", appauthor=False) / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadFile(
            f"cannot make the cache folder {folder}",
            error.strerror or str(error),
            "set XDG_CACHE_HOME to a folder that can be written",
        ) from None
    return folder


def micropython() -> Path:
    """The MicroPython that plays virtual boards.

    Looked for in this order: MICROPYTHON (which --interpreter sets), the checkout, the user's
    cache, PATH.

    Raises:
        NoDevice: there is none, or the one that was found cannot play a board.
    """
    # imported late: most commands run no board
    import shutil

    if given := os.environ.get(INTERPRETER_VARIABLE):
        return _checked(Path(given).absolute())
    if CHECKOUT and (built := CHECKOUT / ".toolchain" / "bin" / "micropython").exists():
        return built  # `make setup` has checked it
    kept = cache_folder("bin") / "micropython"
    if kept.exists():
        return _checked(kept)
    if found := shutil.which("micropython"):
        return _checked(Path(found).absolute())
    raise NoDevice(
        "no MicroPython to run a virtual board",
        f"there is none in {INTERPRETER_VARIABLE}, in {kept.parent} and in PATH",
        "make setup" if CHECKOUT else "give a MicroPython 1.25 unix binary: --interpreter FILE",
    )


@cache
def _checked(binary: Path) -> Path:
    """`binary`, once it has shown that it has what a board needs."""
    # imported late: most commands run no board
    import subprocess

    remedy = "give a MicroPython 1.25 unix binary: --interpreter FILE; make setup builds one"
    try:
        done = subprocess.run(
            [binary, "-X", "heapsize=192k", _CHECK],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_CHECK_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise NoDevice(f"{binary} does not run", why, remedy) from None
    if done.returncode or not done.stdout.startswith("MicroPython"):
        lines = (done.stdout + done.stderr).strip().splitlines() or ["it prints nothing"]
        raise NoDevice(f"{binary} cannot play a virtual board", lines[-1], remedy)
    return binary
