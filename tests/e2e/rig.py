"""What end-to-end tests and clients' tests stand on: keys, images, boards, and cables to them."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import random
import select
import shutil
import socket
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from click.testing import CliRunner

from bootloader.trust import anchors
from hanboot import cli, keys, release
from hanboot.deadline import Deadline
from hanboot.device import Device, Identity
from hanboot.image import Image
from hanboot.keys import PrivateKey
from hanboot.provisioning import AnchorKey, provision
from hanboot.virtual import VirtualBoard

ROOT = Path(__file__).parent.parent.parent
TOP_UP = "10.00"

_LOOK_S = 0.01
_MODULE_BYTES = 16 * 1024
_Found = TypeVar("_Found")


def wait_for(look: Callable[[], _Found], what: str, seconds: float = 15.0) -> _Found:
    """Looks until there is something, and gives it."""
    deadline = Deadline(seconds)
    while True:
        found = look()
        if found:
            return found
        assert not deadline.passed, f"waited {seconds:g} s for {what}"
        time.sleep(min(_LOOK_S, deadline.left))


# --- keys and images


@dataclasses.dataclass(frozen=True)
class Keys:
    manufacturer: PrivateKey
    supplier: PrivateKey
    stranger: PrivateKey

    @classmethod
    def generate(cls) -> Keys:
        return cls(keys.generate(), keys.generate(), keys.generate())

    def anchors(self) -> list[AnchorKey]:
        return [
            AnchorKey(role, key.public.kid, key.public.point, True, label)
            for role, key, label in (
                (anchors.MANUFACTURER, self.manufacturer, "manufacturer"),
                (anchors.SUPPLIER, self.supplier, "supplier"),
            )
        ]


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

_RELEASE = """
[image]
manufacturer_code = 0xFFF0
image_type = 0x0005
file_version = {version:#010x}
label = "{label}"
hardware = [0x0100, 0x01FF]
security_counter = 1

[application]
sources = ["."]
entry = "app"
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


class Firmware:
    """Images of the releases in firmware/ and of tests' own, built once and signed."""

    def __init__(self, pairs: Keys, folder: Path) -> None:
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
        return release.build(described, signer.public.kid, signer.sign)

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
        if label not in self._built:
            source = self._folder / label
            source.mkdir()
            (source / "app.py").write_text(app)
            (source / "RELEASE.toml").write_text(_RELEASE.format(version=version, label=label))
            self._built[label] = self.build(source, *follows, ballast=ballast)
        return self._built[label]

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
    """

    def __init__(self, state: Path, role: str | None = None, trial_ms: int = 10_000) -> None:
        self.texts: list[str] = []
        self.board = VirtualBoard(state, role, trial_ms, self.texts.append)
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
                device.upload(image.octets)
                device.wait_verified()
                device.activate(image.image_hash)
                device.reset()
                device.wait_outcome(image.image_hash)

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

    def __init__(self, folder: Path, firmware: Firmware) -> None:
        self._folder = folder
        self._firmware = firmware
        self._count = 0

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
            with Bench(state) as bench:
                bench.install(image)

        return self._copy(image.image_hash.hex(), make)

    def _copy(self, name: str, make: Callable[[Path], None]) -> Path:
        prepared, copy = self._folder / name, self.fresh()
        if not prepared.exists():
            make(prepared)
        shutil.copytree(prepared, copy)
        return copy

    def _provision(self, state: Path, role: str) -> None:
        with Bench(state, role) as bench, Device(bench.port) as device:
            provision(device, self._firmware.pairs.anchors())

    def _install(self, state: Path, names: tuple[str, ...]) -> None:
        *before, name = names
        role = name.partition("/")[0]
        self._move(self.installed(*before) if before else self.provisioned(role), state)
        with Bench(state) as bench:
            bench.install(self._firmware.image(name))
            if role == "ppmid" and not before:
                bench.ask(f"top-up {TOP_UP}", "Balance")

    def _move(self, source: Path, target: Path) -> None:
        source.rename(target)


# --- the command line


@dataclasses.dataclass(frozen=True)
class Ran:
    """What a command left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)

    @property
    def error(self) -> list[str]:
        """The last three lines of stderr: what, why, what to do."""
        return [line.strip() for line in self.err.splitlines()[-3:]]


def hanboot(*arguments: object) -> Ran:
    """Runs a command in this process, through click's entry."""
    result = CliRunner().invoke(cli.main, [str(argument) for argument in arguments])
    return _ran(result.exit_code, result.stdout, result.stderr)


def command(*arguments: object) -> list[str]:
    """A command as a process of its own."""
    entry = "from hanboot.cli import main; main()"
    return [sys.executable, "-c", entry, *(str(argument) for argument in arguments)]


def run(*arguments: object, timeout: float = 60.0) -> Ran:
    """Runs a command as a process of its own."""
    done = subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=timeout, check=False
    )
    return _ran(done.returncode, done.stdout, done.stderr)


def _ran(code: int, out: str, err: str) -> Ran:
    assert "Traceback" not in err, err
    # a fault of hanboot itself
    assert code != cli.EXIT_FAULT, err
    return Ran(code, out, err)


class RunningBoard:
    """`hanboot board run virtual` as a process, as a person starts it.

    Attributes:
        port: of its console.
        lines: what it printed after the port.
    """

    def __init__(self, state: Path, *options: str) -> None:
        self.state = state
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            command("board", "run", "virtual", "--state", state, *options),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.port = self.process.stdout.readline().strip()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def __enter__(self) -> RunningBoard:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(20)
        self._reader.join(5)
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()

    def children(self) -> list[int]:
        """Process numbers of what it started."""
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [int(child) for listed in threads for child in listed.read_text().split()]

    def await_line(self, holds: str) -> str:
        return wait_for(lambda: next((t for t in self.lines if holds in t), ""), f"{holds!r}")

    def await_received(self, percent: int) -> None:
        """Waits until the display tells that so much of an image has arrived."""

        def shown() -> bool:
            received = [line.split()[2] for line in self.lines if line.endswith("% received")]
            return bool(received) and int(received[-1]) >= percent

        wait_for(shown, f"{percent} % received")

    def await_confirmed(self, image: Image) -> None:
        """Waits until the device runs `image`, confirmed by its own self-test."""
        with Device(self.port) as device:
            running = device.wait_outcome(image.image_hash).running
        assert running is not None
        assert running.state == "confirmed"

    def last_reason(self) -> int:
        """Reason of the last verdict."""
        with Device(self.port) as device:
            verdict = device.verdict()
        assert verdict is not None
        return verdict.reason


# --- cables


class Cable:
    """A cable from a board's console to somewhere, that can be pulled.

    Args:
        port: path of the board's console.
        cut_after: octets to the board after which somebody pulls it.
        spoil: what becomes of octets on their way to the board (True) and from it (False).
        pace_s: how long every piece takes.
    """

    def __init__(
        self,
        port: str,
        cut_after: int | None = None,
        spoil: Callable[[bytes, bool], bytes] = lambda octets, to_board: octets,
        pace_s: float = 0.0,
    ) -> None:
        self._board = os.open(port, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self._board)
        self._left = cut_after
        self._spoil = spoil
        self._pace_s = pace_s
        self._near = -1
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while not self._stop.is_set() and self._accept():
                self._carry()

    def _carry(self) -> None:
        while not self._stop.is_set():
            ready, _, _ = select.select([self._near, self._board], [], [], 0.05)
            for descriptor in ready:
                octets = os.read(descriptor, 4096)
                self._stop.wait(self._pace_s)
                to_board = descriptor == self._near
                if not self._passes(octets, to_board):
                    self._stop.set()
                if self._stop.is_set() or not octets:
                    self._pull()
                    return
                if octets := self._spoil(octets, to_board):
                    os.write(self._board if to_board else self._near, octets)

    def _passes(self, octets: bytes, to_board: bool) -> bool:
        if self._left is None or not to_board:
            return True
        self._left -= len(octets)
        return self._left > 0

    def _accept(self) -> bool:
        """Waits for somebody at the near end; False if nobody can come."""
        return self._near >= 0

    def _pull(self) -> None:
        """The near end is gone."""
        os.close(self._near)
        self._near = -1

    def close(self) -> None:
        self._stop.set()
        self._thread.join(5)
        os.close(self._board)
        if self._near >= 0:
            self._pull()


class SerialCable(Cable):
    """To another pseudo terminal. Pulled, it is gone, as a USB port is."""

    def __init__(self, port: str, **options: Any) -> None:
        super().__init__(port, **options)
        self._near, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self._thread.start()

    def close(self) -> None:
        super().close()
        os.close(self._slave)


class TcpCable(Cable):
    """To a TCP port, for one connection after the other."""

    def __init__(self, port: str, **options: Any) -> None:
        super().__init__(port, **options)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self.port = f"socket://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread.start()

    def _accept(self) -> bool:
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = self._listener.accept()
                connection.setblocking(True)
                self._near = connection.detach()
                return True
        return False

    def close(self) -> None:
        super().close()
        self._listener.close()


@contextlib.contextmanager
def cable(kind: type[Cable], port: str, **options: Any) -> Iterator[Any]:
    made = kind(port, **options)
    try:
        yield made
    finally:
        made.close()
