"""Power fails in the middle of a flash operation, at ten places spread over an upgrade.

The flash is kept, and the board started again: tests/faults/on_rp2040.py says what must hold then.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from rig import ROOT

pytestmark = pytest.mark.slow

#: Operations from the first octet of an upgrade to its confirmation, and what is left of each.
_CUTS = (
    "70.mixed",
    "72.bits",
    "74.prefix",
    "76.last-octet",
    "78.bits",
    "80.prefix",
    "82.last-octet",
    "84.bits",
    "86.prefix",
    "88.last-octet",
)


def test_power_loss(firmware: Path) -> None:
    cases = [f"rp2040@{cut}.0" for cut in _CUTS]
    played = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "faults"), *cases], capture_output=True, text=True
    )
    reported = played.stdout + played.stderr
    assert played.returncode == 0, reported
    for case in cases:
        assert f"{case}: recovered" in reported, reported
    # if the upgrade takes other operations than it did, choose the cuts anew
    for phase in ("receive", "finalise", "activate", "first boot"):
        assert f"power fails while {phase}" in reported, reported
