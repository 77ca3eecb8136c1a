"""Puts MicroPython and hanboot's partition table on an ESP32, through its ROM loader.

Under stock MicroPython nothing of hanboot's own is written here: `hanboot board deploy` copies that
over its prompt. A board that has the table already keeps what is in its partitions; on every other
one all of the flash is erased, so that nothing of before is taken for a device's.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hanboot.boards import flashing
from hanboot.boards.esp32 import image, table
from hanboot.boards.esp32.chips import APP_AT, PARTITIONS, TABLE_AT, Chip
from hanboot.boards.esp32.esptool import Esptool, Piece
from hanboot.boards.esp32.image import Micropython
from hanboot.boards.esp32.table import PartitionTable
from hanboot.boards.prompt import Failed, Prompt
from hanboot.boards.same_board import check_same, eui64
from hanboot.device.client import Device
from hanboot.device.records import Identity
from hanboot.device.refusal import AnotherDevice
from hanboot.errors import BadFile, CheckFailed, HanbootError, LinkError, NoDevice
from hanboot.link import virtual
from hanboot.link.deadline import Deadline
from hanboot.link.serial import resolve

_BACK_S = 30.0
_LOOK_S = 0.2
_ASK = (
    "import sys, esp32, machine; "
    "print(repr((sys.implementation._machine, machine.unique_id(), "
    "[p.info()[4] for p in esp32.Partition.find(esp32.Partition.TYPE_DATA)])))"
)


@dataclass(frozen=True)
class Content:
    """What is to be on the board."""

    micropython: Micropython
    table: PartitionTable

    @property
    def pieces(self) -> list[Piece]:
        chip = self.micropython.chip
        return [
            Piece(chip.bootloader_at, self.micropython.bootloader),
            Piece(TABLE_AT, self.table.encode()),
            Piece(APP_AT, self.micropython.app),
        ]

    @property
    def total(self) -> int:
        return sum(len(piece.octets) for piece in self.pieces)


@dataclass(frozen=True)
class Flashed:
    """What came back. identity: None where there is a prompt and no hanboot."""

    mac: str
    kept: bool
    machine: str
    identity: Identity | None


def load(path: Path, chip: Chip, partitions: Path = PARTITIONS) -> Content:
    """Reads and checks all that will be written.

    Firmware of hanboot's own keeps the partition table that it was built with; MicroPython's gets
    `partitions`.

    Raises:
        BadFile: the image is not MicroPython's for `chip`, the table breaks a rule, or the app does
            not fit its partition.
    """
    micropython = image.load(path, chip)
    wanted = micropython.table if micropython.is_ours else table.load(partitions)
    app = next(row for row in wanted.partitions if row.offset == APP_AT)
    if len(micropython.app) > app.size:
        raise BadFile(
            f"{path} does not fit the partition table",
            f"its app has {len(micropython.app)} bytes, and partition {app.label} {app.size}",
            f"take a smaller build of MicroPython, or change {partitions}",
        )
    if len(micropython.bootloader) > TABLE_AT - chip.bootloader_at:
        raise BadFile(
            f"{path} does not fit below the partition table",
            f"its bootloader has {len(micropython.bootloader)} bytes",
            "take another build of MicroPython",
        )
    return Content(micropython, wanted)


def flash(
    port: str,
    content: Content,
    replace: bool,
    advance: Callable[[int, int], None],
    say: Callable[[str], None],
) -> Flashed:
    """Writes `content` to the board at `port`, verifies it and waits for MicroPython.

    Args:
        replace: whatever the board holds.
        advance: called with bytes written and bytes in all.
        say: called with what a person should read.

    Raises:
        CheckFailed: another chip, less flash than the table needs, or a board that holds what
            `replace` should name. Nothing was written.
        NoDevice: nothing is at the port, it is in use, or there is no esptool.
        LinkError: no ROM loader answers, it broke off, or MicroPython did not start afterwards.
        AnotherDevice: the port leads to another board than before.
    """
    if port.startswith(virtual.PREFIX):
        raise CheckFailed(
            f"{port} is no board that can be flashed",
            "it only exists on this machine",
            "give the port of an ESP32",
        )
    meant = _check_device(port, replace)
    with tempfile.TemporaryDirectory(prefix="hanboot-") as name:
        folder = Path(name)
        tool = Esptool(resolve(port), content.micropython.chip)
        there = tool.flash()
        serial = eui64(bytes.fromhex(there.mac.replace(":", "")))
        check_same(port, meant, serial)
        if there.size < content.table.end:
            raise CheckFailed(
                f"the board at {port} has too little flash",
                f"it has {there.size // 1024} KiB, and the partition table needs "
                f"{content.table.end // 1024}; nothing was written",
                "take a board with 4 MiB of flash, or hanboot board deploy on its own table",
            )
        held = tool.read(TABLE_AT, table.TABLE_BYTES, folder)
        kept = held == content.table.encode()
        if not kept:
            _check_held(port, held, replace)
        say(
            "its partitions are hanboot's already, and stay as they are"
            if kept
            else "erasing all of its flash first"
        )
        tool.write(content.pieces, there.size, not kept, folder, advance)
    say("written, and compared by the chip; waiting for MicroPython to start")
    machine, identity = _wait_back(port, content, serial)
    return Flashed(there.mac, kept, machine, identity)


def _check_device(port: str, replace: bool) -> bytes | None:
    """A device that answers is not flashed over unless that was asked for; its serial."""
    with Device(port) as device:
        identity = device.probe()
    if identity and identity.provisioned and not replace:
        raise CheckFailed(
            f"{port} holds a provisioned device",
            f"it is {flashing.describe(identity)}",
            "--replace flashes over it",
        )
    return identity.serial if identity else None


def _check_held(port: str, held: bytes, replace: bool) -> None:
    if replace or not held.strip(b"\xff"):
        return
    there = table.decode(held)
    raise CheckFailed(
        f"{port} holds something else",
        "its partitions are " + ", ".join(row.text for row in there.partitions)
        if there
        else f"at {TABLE_AT:#x} it has {held[:8].hex()} and no partition table",
        "--replace erases all of its flash; save what you need first",
    )


def _wait_back(port: str, content: Content, serial: bytes | None) -> tuple[str, Identity | None]:
    """What MicroPython on the board says it is; a hanboot device is asked itself."""
    wanted = {row.label for row in content.table.partitions if row.type == table.TYPES["data"]}
    deadline = Deadline(_BACK_S)
    while True:
        try:
            with Device(port) as device:
                device.hold(serial)
                identity = device.probe()
            if identity:
                return identity.board, identity
            with Prompt(port) as prompt:
                machine, chip_id, labels = prompt.literal(_ASK)
            check_same(port, serial, eui64(chip_id))
            break
        except AnotherDevice:
            raise
        except (LinkError, NoDevice, Failed) as error:
            if deadline.passed:
                raise _not_back(port, error) from None
        time.sleep(_LOOK_S)
    missing = wanted - set(labels)
    if missing:
        raise LinkError(
            f"MicroPython at {port} does not see the partitions",
            f"{machine} has no {', '.join(sorted(missing))}",
            "check that it is the board that was flashed: hanboot board list",
        )
    return machine, None


def _not_back(port: str, error: Exception) -> HanbootError:
    why = f"{error.what}: {error.why}" if isinstance(error, HanbootError) else str(error)
    return LinkError(
        f"the board at {port} was written and verified, and does not start MicroPython",
        why,
        "press its EN (reset) button, then: hanboot board deploy",
    )
