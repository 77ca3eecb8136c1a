"""What the acts of the demo work with: a PPMID with a user at its console, keys, images."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from hanboot.boards import local
from hanboot.boards.process import BoardProcess
from hanboot.boards.rp2040 import Rp2040Board
from hanboot.device.client import Device
from hanboot.device.provisioning import AnchorKey, development_keys, provision
from hanboot.device.records import Verdict
from hanboot.device.refusal import DeviceRefused
from hanboot.device.upgrade import stage, upgrade
from hanboot.explain.versions import version_text
from hanboot.image import release
from hanboot.image.build import build_image
from hanboot.image.ota_file import Image
from hanboot.installation import FIRMWARE
from hanboot.link import virtual
from hanboot.link.serial import deadline_for
from hanboot.trust import keys
from hanboot.trust.keys import PrivateKey

#: Typed at a device on its first day, pounds.
TOP_UP = "10.00"

_ANSWER_S = 5.0
_LOOK_S = 0.02
_TRIAL_MS = 10_000
_USED_MOST = 0.50


@dataclasses.dataclass
class KeyPairs:
    """Key pairs of all who sign; a stranger has one, too."""

    manufacturer: PrivateKey
    supplier: PrivateKey
    stranger: PrivateKey

    @classmethod
    def generate(cls) -> KeyPairs:
        return cls(keys.generate(), keys.generate(), keys.generate())

    def anchors(self) -> list[AnchorKey]:
        """What a device is provisioned with that trusts them, but for the stranger."""
        return development_keys(self.manufacturer.public, self.supplier.public)


class Releases(NamedTuple):
    """The releases of firmware/ppmid: the last fails its self-test."""

    v100: Image
    v110: Image
    v200: Image
    v210: Image


def build(
    folder: str,
    key: PrivateKey,
    follows: tuple[Image, ...] = (),
    role: str = "ppmid",
    **changes: object,
) -> Image:
    described = dataclasses.replace(release.load(FIRMWARE / role / folder), **changes)  # type: ignore[arg-type]
    described = release.with_predecessors(described, follows)
    built = build_image(described, key.public.kid, key.sign)
    return dataclasses.replace(built, name=described.label or folder)


def board(
    kind: str, state: Path, on_text: Callable[[str], None], role: str = "ppmid"
) -> BoardProcess:
    """A device that runs on this machine: one of `boards.local`, or firmware on "rp2040"."""
    if kind == "rp2040":
        return Rp2040Board(state, role, on_text)
    return local.BOARDS[kind](state, role, _TRIAL_MS, on_text)


class Bench:
    """One device with a user at its console; a PPMID, if nothing else is said."""

    def __init__(self, state: Path, kind: str, role: str = "ppmid") -> None:
        self._typed: list[str] = []
        self._display: list[str] = []
        self._port = f"{virtual.PREFIX}{state}"
        self.board = board(kind, state, self._on_text, role)
        self.board.start()
        self.device = Device(self._port)

    def close(self) -> None:
        self.device.close()
        self.board.stop()

    def _on_text(self, line: str) -> None:
        if line.startswith("+-"):
            self._display = []
        elif line.startswith("| "):
            self._display.append(line[2:])
        else:
            self._typed.append(line)

    def display(self, holds: str = "") -> list[str]:
        """The display, once a line of it holds `holds`."""
        end = deadline_for(self._port, _ANSWER_S)
        while not end.passed:
            if any(holds in line for line in self._display):
                break
            time.sleep(_LOOK_S)
        # the rest of the picture
        time.sleep(_LOOK_S)
        return list(self._display)

    def ask(self, line: str) -> str:
        """Types `line` at the console; the application's answer."""
        self._typed = []
        self.device.smp.type_line(line)
        end = deadline_for(self._port, _ANSWER_S)
        while not self._typed and not end.passed:
            time.sleep(_LOOK_S)
        return self._typed[0] if self._typed else ""

    def reconnect(self) -> None:
        self.device.close()
        self.device = Device(self._port)

    def upgrade(self, image: Image) -> tuple[bool, str]:
        """Uploads, activates, waits for the self-test; whether it runs then, and what does."""
        identity = upgrade(self.device, image.octets)
        confirmed = identity.confirmed
        if confirmed is None:
            return False, "nothing is confirmed"
        running = version_text(confirmed.file_version)
        return confirmed.image_hash == image.image_hash, f"running {running}"

    def provision(self, pairs: KeyPairs) -> bool:
        """Writes the trust anchors; whether the device has them then."""
        provision(self.device, pairs.anchors())
        return self.device.identity().provisioned

    def credit(self, line: str) -> tuple[bool, str]:
        """Types `line`; as expected if the credit is the top-up, less what a minute uses."""
        answer = self.ask(line)
        top_up = float(TOP_UP)
        return top_up - _USED_MOST <= pounds(answer) <= top_up, answer

    def refuses(self, octets: bytes, expected: int, running: Image) -> tuple[bool, str]:
        """Offers `octets`; as expected if refused for `expected`, `running` left as it was."""
        good, why, _ = self.offer(octets, expected, running)
        return good, why

    def offer(
        self, octets: bytes, expected: int, running: Image
    ) -> tuple[bool, str, Verdict | None]:
        """The same, with the verdict."""
        try:
            stage(self.device, octets)
        except DeviceRefused as refused:
            verdict = refused.verdict
            good = verdict.reason == expected and self.runs(running)
            return good, "\n".join(refused.lines), verdict
        return False, "the device took it", None

    def runs(self, image: Image) -> bool:
        confirmed = self.device.identity().confirmed
        return confirmed is not None and confirmed.image_hash == image.image_hash


def pounds(answer: str) -> float:
    """The amount in an answer such as "Balance 10.00"; below zero where there is none."""
    found = re.search(r"-?\d+\.\d\d", answer)
    return float(found.group()) if found else -1.0
