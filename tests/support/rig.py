"""What end-to-end tests and clients' tests stand on: keys, images, and boards in this process."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import small_release

from hanboot.boards.local import LocalBoard
from hanboot.boards.virtual import VirtualBoard
from hanboot.demo.bench import KeyPairs
from hanboot.device.client import Device
from hanboot.device.provisioning import provision
from hanboot.device.records import Identity
from hanboot.device.upgrade import upgrade
from hanboot.image import release
from hanboot.image.build import build_image
from hanboot.image.ota_file import Image
from hanboot.link.deadline import Deadline
from hanboot.link.process_clock import own_clock
from hanboot.trust.keys import PrivateKey

ROOT = Path(__file__).parent.parent.parent
TOP_UP = "10.00"

_LOOK_S = 0.02
_MODULE_BYTES = 16 * 1024
_Found = TypeVar("_Found")


def wait_for(
    look: Callable[[], _Found], what: str, seconds: float = 15.0, look_s: float = _LOOK_S
) -> _Found:
    """Looks until there is something, and gives it.

    Args:
        seconds: of the time that this process and those that it started get.
        look_s: how often to look.
    """
    deadline = Deadline(seconds, own_clock())
    while True:
        found = look()
        if found:
            return found
        assert not deadline.passed, f"waited {seconds:g} s for {what}"
        time.sleep(look_s)


# --- images


#: An application of a test's own: it counts its rounds, and answers "rounds" and, once rubbish is
#: collected, "heap".
COUNTING = """
import asyncio
import gc


async def main(services):
    services.confirm()
    rounds = 0
    while True:
        rounds += 1
        typed = services.readline()
        if typed == "rounds":
            services.say("rounds %d" % rounds)
        elif typed == "heap":
            gc.collect()
            services.say("heap %d" % gc.mem_alloc())
        await asyncio.sleep(0.002)
"""

#: It never confirms.
SILENT = """
import asyncio


async def main(services):
    while True:
        await asyncio.sleep(1)
"""

_FOLLOWS = {
    "ppmid/1.0.0": (),
    "ppmid/1.1.0": ("ppmid/1.0.0",),
    "ppmid/2.0.0": ("ppmid/1.1.0",),
    "ppmid/2.1.0-faulty": ("ppmid/2.0.0",),
    "ppmid/2.1.0-hangs": ("ppmid/2.0.0",),
    "ihd/1.0.0": (),
    "ihd/1.1.0": ("ihd/1.0.0",),
    "ihd/1.2.0": ("ihd/1.1.0", "ihd/1.0.0"),
}


class ReleaseImages:
    """Images of the releases in firmware/ and of tests' own, built once and signed."""

    def __init__(self, pairs: KeyPairs, folder: Path) -> None:
        self.pairs = pairs
        self._folder = folder
        self._built: dict[str, Image] = {}

    def image(self, name: str) -> Image:
        """The image of a release, such as "ppmid/1.1.0", over the images of its predecessors."""
        if name not in self._built:
            follows = [self.image(before) for before in _FOLLOWS[name]]
            self._built[name] = self.build(ROOT / "firmware" / name, *follows)
        return self._built[name]

    def build(
        self,
        source: Path,
        *follows: Image,
        key: PrivateKey | None = None,
        ballast: int = 0,
        **changes: Any,
    ) -> Image:
        """An image of the release in `source`.

        Args:
            source: folder with RELEASE.toml.
            follows: its predecessors.
            key: of who signs it; None is the manufacturer.
            ballast: octets by which to make it longer, in modules that nobody imports.
            changes: fields of RELEASE.toml to change.
        """
        described = dataclasses.replace(release.load(source), **changes)
        if ballast:
            sources = (*described.sources, self._ballast(ballast))
            described = dataclasses.replace(described, sources=sources)
        described = release.with_predecessors(described, follows)
        signer = key or self.pairs.manufacturer
        return build_image(described, signer.public.kid, signer.sign)

    def _ballast(self, octets: int) -> Path:
        folder = self._folder / f"ballast-{octets}"
        if not folder.exists():
            folder.mkdir()
            for start in range(0, octets, _MODULE_BYTES):
                blob = random.Random(start).randbytes(min(_MODULE_BYTES, octets - start))
                (folder / f"ballast_{start}.py").write_text(f"BLOB = {blob!r}\n")
        return folder

    def own(self, label: str, version: int, *follows: Image, app: str, ballast: int = 0) -> Image:
        """An image of a test's own application; one that was built before is not built again."""
        # two tests may give the same label to what differs, for it is only the application's name
        recipe = repr((label, version, [image.image_hash for image in follows], app, ballast))
        if recipe not in self._built:
            source = self._folder / hashlib.sha256(recipe.encode()).hexdigest()[:16]
            small_release.write(source, label, version, app, security_counter=1)
            self._built[recipe] = self.build(source, *follows, ballast=ballast)
        return self._built[recipe]

    def file(self, image: Image | bytes, name: str = "") -> Path:
        """A file with the octets of `image`."""
        octets = image if isinstance(image, bytes) else image.octets
        file = self._folder / f"{name or hashlib.sha256(octets).hexdigest()[:16]}.ota"
        file.write_bytes(octets)
        return file

    def files(self, *names: str) -> list[Path]:
        return [self.file(self.image(name), name.replace("/", "-")) for name in names]


# --- boards


class Bench:
    """A virtual board in this process, with somebody who reads its display and types.

    Args:
        state: its state folder.
        role: "ppmid", "ihd" or None for what the folder holds.
        trial_ms: how long an application may take to confirm.
        kind: of the board.
    """

    def __init__(
        self,
        state: Path,
        role: str | None = None,
        trial_ms: int = 10_000,
        kind: LocalBoard = VirtualBoard,
    ) -> None:
        self.texts: list[str] = []
        self.board = kind(state, role, trial_ms, self.texts.append)
        # all end-to-end tests on a port that comes and goes: HANBOOT_TEST_USB=1 pytest tests/e2e
        self.board.is_usb = bool(os.environ.get("HANBOOT_TEST_USB"))
        self.port = f"virtual:{state}"

    def __enter__(self) -> Bench:
        self.board.start()
        wait_for(lambda: self.board.starts, "a start")
        return self

    def __exit__(self, *_: object) -> None:
        self.board.stop()

    def cut_power(self) -> None:
        """And gives it back; returns once the board starts."""
        starts = self.board.starts
        self.board.power_cycle()
        wait_for(lambda: self.board.starts > starts, "a start")

    def identity(self) -> Identity:
        with Device(self.port) as device:
            return device.identity()

    def runs(self, image: Image) -> bool:
        """Whether `image`, and nothing else, is confirmed and started."""
        identity = self.identity()
        running = identity.running
        return (
            running is not None
            and running.state == "confirmed"
            and running.firmware is not None
            and running.firmware.image_hash == image.image_hash
        )

    def install(self, *images: Image) -> None:
        """Uploads, activates and waits for confirmation, one after the other."""
        with Device(self.port) as device:
            for image in images:
                upgrade(device, image.octets)

    def ask(self, line: str, begins: str = "") -> str:
        """Types `line`; the application's answer, which `begins` so."""
        seen = len(self.texts)
        with Device(self.port) as device:
            device.smp.type_line(line)
        return self.await_text(begins, seen)

    def await_text(self, begins: str, seen: int = 0) -> str:
        """The first line that `begins` so, of those after the first `seen`."""
        return wait_for(
            lambda: next(
                (t for t in self.texts[seen:] if is_typed(t) and t.startswith(begins)), ""
            ),
            f"a line {begins!r}",
        )

    @property
    def credit(self) -> float:
        """The prepayment credit of a PPMID, in pounds."""
        return float(self.ask("balance", "Balance").split()[1])


def is_typed(text: str) -> bool:
    """Whether a line is an answer at the console, and no part of the display."""
    return bool(text) and not text.startswith(("| ", "+-"))


def is_topped_up(credit: float) -> bool:
    """Whether `credit` is the prepared state's top-up, less what a minute may use."""
    top_up = float(TOP_UP)
    return top_up - 0.5 <= credit <= top_up


class States:
    """State folders of devices, each prepared once and copied for whoever wants one."""

    def __init__(
        self, folder: Path, firmware: ReleaseImages, kind: LocalBoard = VirtualBoard
    ) -> None:
        self._folder = folder
        self._firmware = firmware
        self._kind = kind
        self._count = 0

    def bench(self, state: Path, role: str | None = None, trial_ms: int = 10_000) -> Bench:
        """A board on a state folder."""
        return Bench(state, role, trial_ms, self._kind)

    def fresh(self) -> Path:
        self._count += 1
        return self._folder / f"device-{self._count}"

    def provisioned(self, role: str) -> Path:
        """A device that trusts the session's keys and holds no application."""
        return self._copy(f"{role}-provisioned", lambda state: self._provision(state, role))

    def installed(self, *names: str) -> Path:
        """A device that went through these releases; a PPMID topped up at the first."""
        return self._copy("+".join(names).replace("/", "-"), lambda s: self._install(s, names))

    def holding(self, image: Image) -> Path:
        """A PPMID that runs a test's own application."""

        def make(state: Path) -> None:
            self._move(self.provisioned("ppmid"), state)
            with self.bench(state) as bench:
                bench.install(image)

        return self._copy(image.image_hash.hex(), make)

    def _copy(self, name: str, make: Callable[[Path], None]) -> Path:
        prepared, copy = self._folder / name, self.fresh()
        if not prepared.exists():
            make(prepared)
        shutil.copytree(prepared, copy)
        return copy

    def _provision(self, state: Path, role: str) -> None:
        with self.bench(state, role) as bench, Device(bench.port) as device:
            provision(device, self._firmware.pairs.anchors())

    def _install(self, state: Path, names: tuple[str, ...]) -> None:
        *before, name = names
        role = name.partition("/")[0]
        self._move(self.installed(*before) if before else self.provisioned(role), state)
        with self.bench(state) as bench:
            bench.install(self._firmware.image(name))
            if role == "ppmid" and not before:
                bench.ask(f"top-up {TOP_UP}", "Balance")

    def _move(self, source: Path, target: Path) -> None:
        source.rename(target)
