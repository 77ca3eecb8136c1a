"""What every test stands on: the device's modules, the virtual flash, the device tests' helpers."""

import os
import sys
from pathlib import Path

from hypothesis import settings

ROOT = Path(__file__).parent.parent

# as the MicroPython that runs tests/device finds them (host/test_on_micropython.py)
for folder in (
    "tests/device",
    *("boards/virtual", "boards/stock", "boards/common", "boards/esp32_model"),
):
    sys.path.append(str(ROOT / folder))
# what tests of several folders share
for folder in ("support", "bench", "registry"):
    sys.path.append(str(ROOT / "tests" / folder))

# The same examples in every run, on any machine; HYPOTHESIS_PROFILE=explore looks for new ones.
settings.register_profile("repeat", derandomize=True, deadline=None)
settings.register_profile("explore", max_examples=2000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeat"))
