"""Devices and images for tests that go from the command line to the device's flash and back."""

from __future__ import annotations

from pathlib import Path

import pytest
from device_fixtures import *  # noqa: F403

#: Files whose tests are run both ways each time: on a port that stays, and on one that goes at each
#: reset and comes back, as on USB. What they do resets boards, cuts their power or pulls cables.
#: All others: HANBOOT_TEST_USB=1 pytest tests/e2e
BOTH_WAYS = (
    "test_anchors_written.py",
    "test_commands.py",
    "test_device_keys.py",
    "test_device_refuses.py",
    "test_interruptions.py",
    "test_key_rotation.py",
    "test_short_lives.py",
)
assert all(Path(__file__).with_name(name).exists() for name in BOTH_WAYS)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.definition.path.name in BOTH_WAYS:
        metafunc.parametrize("port_kind", ["stays", "usb"], indirect=True)


@pytest.fixture(autouse=True)
def port_kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How the port of a board behaves at a reset."""
    if getattr(request, "param", "") == "usb":
        monkeypatch.setenv("HANBOOT_TEST_USB", "1")
