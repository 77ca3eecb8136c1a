"""What the system must have: looked for, then installed where that needs no question."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def _has_space(path: Path) -> bool:
    return any(character.isspace() for character in str(path))


def _key(path: Path) -> str:
    return hashlib.sha256(str(path).encode()).hexdigest()[:12]


def _out() -> Path:
    """`.toolchain`; make and cmake take no path with a space, so there it leads to the cache."""
    own = ROOT / ".toolchain"
    if not _has_space(ROOT):
        return own
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    kept = cache / "hanboot" / f"toolchain-{_key(ROOT)}"
    kept.mkdir(parents=True, exist_ok=True)
    if not own.exists():
        own.symlink_to(kept)
    return kept


OUT = _out()


def without_space(folder: Path) -> Path:
    """`folder`, or a link to it whose path has no space."""
    if not _has_space(folder):
        return folder
    link = OUT / "links" / _key(folder) / re.sub(r"\s", "_", folder.name)
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.exists():
        link.symlink_to(folder)
    return link


def build_folder(folder: Path) -> Path:
    """Where to build what belongs into `folder`: a path without a space, which it leads to."""
    if not _has_space(folder):
        return folder
    built = OUT / "build" / _key(folder)
    built.mkdir(parents=True, exist_ok=True)
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.symlink_to(built)
    return built


def _finds(compiler: str, file_name: str) -> list[str]:
    # prints a path where the compiler finds the file, else the bare name again
    return ["sh", "-c", f'test -e "$({compiler} -print-file-name={file_name})"']


_SHOW_S = 30.0

# Debian package -> a command that succeeds once the package is there.
Needs = Mapping[str, list[str]]
VENV: Needs = {"python3-venv": [sys.executable, "-c", "import ensurepip, venv"]}
UNPACK: Needs = {
    "xz-utils": ["xz", "--version"],
    "bzip2": ["sh", "-c", "bzip2 --help"],
}
UNIX: Needs = {
    "make": ["make", "--version"],
    "gcc": ["gcc", "--version"],
    "libc6-dev": _finds("gcc", "crt1.o"),
    "pkg-config": ["pkg-config", "--version"],
    "libffi-dev": ["pkg-config", "--exists", "libffi"],
}
RP2: Needs = {
    "make": ["make", "--version"],
    "cmake": ["cmake", "--version"],
    "gcc-arm-none-eabi": ["arm-none-eabi-gcc", "--version"],
    "libnewlib-arm-none-eabi": _finds("arm-none-eabi-gcc", "libc.a"),
    "libstdc++-arm-none-eabi-newlib": _finds("arm-none-eabi-gcc", "libstdc++.a"),
}


class ToolchainError(Exception):
    """Something a person must fix; its text says what, why and how."""


def say(text: str) -> None:
    print(f"toolchain: {text}", file=sys.stderr, flush=True)


def run(what: str, command: list[str], env: Mapping[str, str] | None = None) -> None:
    """Runs a long command with its output in a log; shows the log's end if it fails."""
    log = OUT / "log" / (what.replace(" ", "-") + ".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=env)
        try:
            code = _wait(process, what, log)
        except BaseException:
            process.kill()
            raise
    if code:
        end = "\n  ".join(log.read_text(errors="replace").splitlines()[-15:])
        raise ToolchainError(f"{what} failed, see {log}:\n  {end}")


def _wait(process: "subprocess.Popen[bytes]", what: str, log: Path) -> int:
    """Shows how far it is: on a terminal each second, elsewhere every half minute."""
    on_terminal = sys.stderr.isatty()
    began, shown_s = time.monotonic(), 0.0
    while True:
        try:
            code = process.wait(1.0)
            break
        except subprocess.TimeoutExpired:
            passed_s = time.monotonic() - began
        if on_terminal:
            line = f"toolchain: {what}, {passed_s:.0f} s{_percent(log)}"
            print(f"\r{line}\x1b[K", end="", file=sys.stderr, flush=True)
        elif passed_s - shown_s >= _SHOW_S:
            shown_s = passed_s
            say(f"{what}, {passed_s:.0f} s{_percent(log)}")
    if on_terminal:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    return code


def _percent(log: Path) -> str:
    """What cmake printed last of its progress."""
    found = re.findall(r"^\[ *(\d+)%\]", log.read_text(errors="replace"), re.MULTILINE)
    return f", {found[-1]} %" if found else ""


def ensure(*needs: Needs) -> None:
    """Installs the packages whose commands fail.

    Raises:
        ToolchainError: they are missing and may not be installed without asking.
    """
    wanted = {package: probe for group in needs for package, probe in group.items()}
    missing = _missing(wanted)
    if not missing:
        return
    names = " ".join(missing)
    if not shutil.which("apt-get"):
        raise ToolchainError(
            f"the system lacks (by Debian's names): {names}\n"
            "  install them, or set MICROPYTHON=path of a MicroPython 1.25 unix binary"
        )
    if os.geteuid() == 0:
        become_root = []
    elif shutil.which("sudo") and _succeeds(["sudo", "-n", "true"]):
        become_root = ["sudo", "-n"]
    else:
        raise ToolchainError(f"the system lacks {names}; run: sudo apt-get install -y {names}")
    say(f"installing {names}")
    apt = [*become_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]
    install = [*apt, "install", "-y", "--no-install-recommends", *missing]
    try:
        run("apt-get install", install)
    except ToolchainError:
        run("apt-get update", [*apt, "update"])
        run("apt-get install", install)
    if missing := _missing(wanted):
        raise ToolchainError(f"installed, yet not usable: {' '.join(missing)}")


def _missing(needs: Needs) -> list[str]:
    return [package for package, probe in needs.items() if not _succeeds(probe)]


def _succeeds(command: list[str]) -> bool:
    try:
        subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True
