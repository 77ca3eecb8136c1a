"""What the system must have: looked for, then installed where that needs no question."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / ".toolchain"


def _finds(compiler: str, file_name: str) -> list[str]:
    # prints a path where the compiler finds the file, else the bare name again
    return ["sh", "-c", f'test -e "$({compiler} -print-file-name={file_name})"']


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
    """Something a person must mend; its text says what, why and how."""


def say(text: str) -> None:
    print(f"toolchain: {text}", file=sys.stderr, flush=True)


def run(what: str, command: list[str], env: Mapping[str, str] | None = None) -> None:
    """Runs a long command with its output in a log; shows the log's end if it fails."""
    log = OUT / "log" / (what.replace(" ", "-") + ".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as out:
        result = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, env=env)
    if result.returncode:
        end = "\n  ".join(log.read_text(errors="replace").splitlines()[-15:])
        raise ToolchainError(f"{what} failed, see {log}:\n  {end}")


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
