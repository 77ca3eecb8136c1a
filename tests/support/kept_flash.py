"""Flash images of an earlier hanboot (tests/kept_flash/ORIGIN.md), to go on with today."""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from command_line import hanboot

_ARCHIVE = Path(__file__).parent.parent / "kept_flash" / "kept_flash.tar.xz"


@dataclass(frozen=True)
class KeptFlash:
    """A board's state folder.

    Attributes:
        state: the folder, with flash and serial number.
        reported: the --json documents of status, verdict and history, as they were then.
    """

    state: Path
    reported: dict[str, Any]

    @property
    def port(self) -> str:
        return f"virtual:{self.state}"

    def image(self, label: str) -> Path:
        """An image that was signed then."""
        return self.state.parent / f"{label}.ota"

    def now(self, command: str) -> Any:
        """What the board answers today to `command`."""
        ran = hanboot(command, "--port", self.port, "--json")
        assert ran.code == 0, ran.err
        return ran.document


def unpack(name: str, folder: Path) -> KeptFlash:
    """The flash `name` and all images, in `folder`."""
    with tarfile.open(_ARCHIVE) as archive:
        for entry in archive:
            if entry.name.startswith(f"{name}/") or entry.name.endswith(".ota"):
                archive.extract(entry, folder, filter="data")
    state = folder / name
    return KeptFlash(state, json.loads((state / "reported.json").read_text()))


def assert_holds(document: Any, reported: Any) -> None:
    """`document` holds all of `reported`; it may hold more keys."""
    if isinstance(reported, dict):
        for key, value in reported.items():
            assert_holds(document[key], value)
    elif isinstance(reported, list):
        assert len(document) == len(reported)
        for entry, value in zip(document, reported, strict=True):
            assert_holds(entry, value)
    else:
        assert document == reported
