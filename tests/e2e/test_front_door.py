"""`import hanboot`: what it offers, and its own example, played on a board."""

from __future__ import annotations

import doctest
import subprocess
import sys
from pathlib import Path

import pytest
from rig import Bench, ReleaseImages, States

import hanboot


def test_all_that_is_offered_is_there() -> None:
    for name in hanboot.__all__:
        assert getattr(hanboot, name) is not None
    assert set(hanboot._HOMES) == set(hanboot.__all__) - {"__version__"}
    assert set(hanboot.__all__) <= set(dir(hanboot))
    with pytest.raises(AttributeError, match="nothing"):
        hanboot.nothing  # noqa: B018


def test_everything_offered_has_a_docstring() -> None:
    for name in set(hanboot.__all__) - {"__version__"}:
        offered = getattr(hanboot, name)
        assert offered.__doc__, name
        if isinstance(offered, type):
            members = [m for n, m in vars(offered).items() if not n.startswith("_")]
            functions = [getattr(m, "fget", m) for m in members]
            lacking = [f.__name__ for f in functions if callable(f) and not f.__doc__]
            assert len(lacking) <= 4, (name, lacking)


def test_types_are_shipped() -> None:
    assert (Path(hanboot.__file__).parent / "py.typed").exists()


def test_what_talks_to_a_device_needs_no_database() -> None:
    code = (
        "import sys, hanboot; hanboot.Device, hanboot.upgrade, hanboot.Image;"
        "heavy = {'sqlalchemy', 'networkx', 'openpyxl', 'rich', 'lxml', 'cryptography'};"
        "sys.exit(bool(heavy & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def test_the_example(
    states: States, firmware: ReleaseImages, empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = firmware.image("ppmid/1.0.0")
    (empty_folder / "ppmid-1.0.0.ota").write_bytes(image.octets)
    (empty_folder / "ppmid").symlink_to(states.provisioned("ppmid"))
    with Bench(empty_folder / "ppmid"):
        ran = doctest.testmod(hanboot)
    assert ran.failed == 0
    assert ran.attempted > 5
