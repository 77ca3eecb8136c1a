"""The emulator of the chip: what the other tests here take most of their time for."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest
from rp2040py.native import _cortex_m0_core, _rp2040, _simulation_clock, _simulator


def test_it_is_compiled_for_this_python() -> None:
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").exists():
        pytest.skip("there are no headers of Python to compile it with")
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    for part in (_cortex_m0_core, _rp2040, _simulation_clock, _simulator):
        # the wheel's own parts take five times as long
        assert part.__file__.endswith(suffix), "run: make setup-rp2"
