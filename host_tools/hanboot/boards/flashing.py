"""Puts firmware on a real RP2040 board, and sees to it that the board comes back.

Two ways in: the disk of BOOTSEL, and a MicroPython prompt that can ask the boot ROM for that disk.
A product has no prompt, and its link has no command that leads there: to replace the bootloader,
a person holds the board.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hanboot import files
from hanboot.boards import bootsel, uf2
from hanboot.boards.bootsel import Volume
from hanboot.boards.built import firmware as built_firmware
from hanboot.boards.prompt import Prompt
from hanboot.boards.roles import FLASH_BYTES
from hanboot.boards.same_board import check_same, eui64
from hanboot.device.client import Device
from hanboot.device.records import Identity, Role, Tier
from hanboot.device.refusal import AnotherDevice
from hanboot.errors import BadFile, CheckFailed, HanbootError, LinkError, NoDevice
from hanboot.explain.versions import device_type_text, version_text
from hanboot.link import usb
from hanboot.link.deadline import Deadline
from hanboot.link.serial import check_free, deadline_for

#: boards/rp2040_han: the regions of bootloader/store/flash_map.py come after the firmware.
FIRMWARE_BYTES = 448 * 1024

#: How firmware names itself (boards/rp2040_han/mpconfigboard.h).
_NAME = re.compile(rb"[!-~] (ppmid|ihd|hcalcs) (product|development) with RP2040")

_DISK_S = 20.0  # from the prompt's last word to a mounted disk
_BACK_S = 30.0  # from the disk's end to a device that answers
_LOOK_S = 0.2

_TO_BOOTLOADER = "import machine, time; time.sleep_ms(100); machine.bootloader()"

#: What is on a board without hanboot: its name, and the files of its own.
_LOOK_ROUND = (
    "import machine, os, sys; "
    "print(repr((sys.implementation._machine, os.listdir('/'), machine.unique_id())))"
)


@dataclass(frozen=True, kw_only=True)
class Uf2File:
    """A UF2 that keeps to the firmware's part of flash.

    Attributes:
        octets: the whole file.
        tier: product or development; None for firmware that is not hanboot's.
        role: None as well.
    """

    path: Path
    octets: bytes
    tier: Tier | None
    role: Role | None

    @property
    def development(self) -> bool:
        """Whether it keeps the prompt."""
        return self.tier is Tier.DEVELOPMENT

    @property
    def text(self) -> str:
        if self.role is None:
            return f"{self.path.name}, which is not hanboot's"
        return f"{self.role.upper()} {'development firmware' if self.development else 'product'}"


def load(path: Path | None, role: str | None) -> Uf2File:
    """The UF2 at `path`, or the product that `make firmware` built for `role`.

    Raises:
        BadFile: it is damaged, for another chip, of another role, or reaches too far.
        NoDevice: no path is given, and nothing was built.
    """
    path = path or built_firmware(role or "ppmid")
    content = uf2.load_rp2040(path, FLASH_BYTES)
    limit = uf2.RP2040_FLASH_ADDRESS + FIRMWARE_BYTES
    if content.end > limit:
        raise BadFile(
            f"{path} would overwrite what a device keeps",
            f"it reaches to {content.end:08X}; what a device keeps begins at {limit:08X}",
            "hanboot's own firmware ends before: make firmware BOARD=rp2040_han",
        )
    found = _NAME.search(b"".join(octets for _, octets in sorted(content.blocks)))
    holds = Role(found[1].decode()) if found else None
    if role is not None and holds != role:
        raise BadFile(
            f"{path} is not firmware of {role.upper()}",
            f"it is firmware of {holds.upper()}" if holds else "it is not hanboot's",
            f"build it: make firmware BOARD=rp2040_han ROLE={role}",
        )
    tier = Tier(found[2].decode()) if found else None
    return Uf2File(path=path, octets=files.read(path), tier=tier, role=holds)


# --- what is there now


def describe(identity: Identity) -> str:
    """A device in one line: what it is, whose, and what it runs."""
    confirmed = identity.confirmed
    runs = version_text(confirmed.file_version) if confirmed else "no application"
    return (
        f"{device_type_text(identity.device_type)} {identity.serial.hex('-')} "
        f"({identity.board}), {'' if identity.provisioned else 'not '}provisioned, with {runs}"
    )


@dataclass(frozen=True, kw_only=True)
class InBootsel:
    """A board that shows its disk. serial: of the hanboot device that it is; None if not known."""

    volume: Volume
    serial: bytes | None = None


def to_bootsel(
    port: str,
    firmware: Uf2File,
    replace: bool,
    agree: Callable[[str], None] = lambda board: None,
) -> InBootsel:
    """Has the board at `port` show its boot disk, if what it is now may be flashed over.

    Args:
        replace: whatever it is now.
        agree: called with what the board is before it is changed; raises if it is another than
            was meant.

    Raises:
        CheckFailed: it is no RP2040, has no prompt, or holds what `replace` should name.
        NoDevice: nothing is at the port, or its disk cannot be distinguished from others.
        LinkError: it has neither hanboot nor a prompt, or the disk did not come.
        AnotherDevice: the port leads to another board than before.
    """
    with Device(port) as device:
        identity = device.probe()
    if identity:
        _check_device(port, identity, firmware, replace)
    before = {volume.folder for volume in bootsel.attached()}
    with Prompt(port) as prompt:
        machine, names, chip_id = prompt.literal(_LOOK_ROUND)
        serial = eui64(chip_id)
        if identity is None:
            _check_stock(port, machine, names, replace)
        else:
            check_same(port, identity.serial, serial)
        agree(describe(identity) if identity else f"{machine} with MicroPython, at {port}")
        prompt.leave(_TO_BOOTLOADER)
    return InBootsel(volume=_wait_disk(before), serial=serial)


def _check_device(port: str, identity: Identity, firmware: Uf2File, replace: bool) -> None:
    if identity.tier is Tier.VIRTUAL:
        raise CheckFailed(
            f"{port} is no board that can be flashed",
            f"it is {describe(identity)}",
            "give the port of an RP2040 board",
        )
    if identity.tier is Tier.PRODUCT:
        raise CheckFailed(
            f"{port} is a product: it cannot be flashed over its console",
            f"it is {describe(identity)}; it has no prompt, and no command leads to BOOTSEL",
            f"{bootsel.HOLD_BOOTSEL}, then the same with --volume in place of --port",
        )
    other = firmware.role != identity.role
    if (identity.provisioned or other) and not replace:
        raise CheckFailed(
            f"{port} holds {'another product' if other else 'a provisioned device'}",
            f"it is {describe(identity)}; the file is {firmware.text}",
            "--replace flashes over it; anchors, journal, slots and data stay as they are",
        )


def _check_stock(port: str, machine: str, names: list[str], replace: bool) -> None:
    if "RP2040" not in machine:
        raise CheckFailed(
            f"{port} is no RP2040",
            f"it is {machine}",
            "give the port of an RP2040 board",
        )
    if names and not replace:
        raise CheckFailed(
            f"{port} holds a program or data of its own",
            f"it is {machine} under MicroPython, with the files {', '.join(sorted(names))}",
            "--replace flashes over it: hanboot uses the flash where these files are",
        )


def _wait_disk(before: set[Path]) -> Volume:
    deadline = Deadline(_DISK_S)
    while True:
        found = [volume for volume in bootsel.attached() if volume.folder not in before]
        if found or deadline.passed:
            return bootsel.the_only(found)
        time.sleep(_LOOK_S)


# --- the way back


@dataclass(frozen=True, kw_only=True)
class Returned:
    """A board that came back. identity: None if its firmware is not hanboot's."""

    port: str
    identity: Identity | None


def wait_back(
    port: str | None, firmware: Uf2File, before: set[str], serial: bytes | None = None
) -> Returned:
    """Waits for the board after its disk is gone, and asks what it is.

    Args:
        port: where it is to come back; None for whichever USB port is new.
        firmware: what it was given.
        before: paths of the USB ports that were there when its disk was.
        serial: that it must have; None where it is not known.

    Raises:
        NoDevice: it does not come back, or two boards did.
        LinkError: it came back and does not answer.
        CheckFailed: it came back as something else.
        AnotherDevice: another board came in its place.
    """
    end = deadline_for(port, _BACK_S) if port else Deadline(_BACK_S)
    while True:
        try:
            there = port or _new_port(before)
            if firmware.role is None:
                check_free(there)
                return Returned(port=there, identity=None)
            with Device(there) as device:
                device.hold(serial)
                identity = device.identity()
            break
        except AnotherDevice:
            raise
        except (NoDevice, LinkError) as error:
            if end.passed:
                raise _not_back(error) from None
        time.sleep(_LOOK_S)
    _check_returned(there, identity, firmware)
    return Returned(port=there, identity=identity)


def _new_port(before: set[str]) -> str:
    new = [port for port in usb.attached() if port.device not in before]
    return usb.the_only(new, "new since the copy").device


def _not_back(error: HanbootError) -> HanbootError:
    kind = NoDevice if isinstance(error, NoDevice) else LinkError
    return kind(
        "the board took the firmware, and did not come back as a hanboot device",
        f"{error.what}: {error.why}",
        "unplug it and plug it in; if hanboot status finds nothing, flash again with BOOTSEL",
    )


def _check_returned(port: str, identity: Identity, firmware: Uf2File) -> None:
    if (identity.tier, identity.role) != (firmware.tier, firmware.role):
        raise CheckFailed(
            f"{port} is not what was flashed",
            f"it is {describe(identity)}; the file is {firmware.text}",
            "check with hanboot board list that it is the same board, and flash again",
        )


def flash(
    board: InBootsel,
    firmware: Uf2File,
    port: str | None = None,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> Returned:
    """Copies `firmware` to `board` and waits until it is back.

    Args:
        port: where it is to come back; None for whichever USB port is new then.
    """
    bootsel.check_rp2040(board.volume)
    before = {there.device for there in usb.attached()}
    bootsel.copy(board.volume, firmware.path.name, firmware.octets, advance)
    return wait_back(port, firmware, before, board.serial)


def is_usb(port: str) -> bool:
    """Whether `port` is one that comes and goes with its USB device."""
    if port.startswith(usb.PREFIX):
        return True
    return any(Path(port).resolve() == Path(there.device) for there in usb.attached())


def find() -> Volume | str:
    """The one board that could be flashed: a boot disk, or a port with MicroPython's USB id.

    Raises:
        NoDevice: there is none, or more than one; the error lists them.
    """
    volumes = bootsel.attached()
    plugged = [port for port in usb.attached() if (port.vid, port.pid) == usb.MICROPYTHON_RP2]
    if len(volumes) + len(plugged) > 1:
        raise NoDevice(
            f"{len(volumes) + len(plugged)} boards could be meant",
            ", ".join([volume.line for volume in volumes] + [port.line for port in plugged]),
            "say which with --volume or --port",
        )
    return plugged[0].name if plugged else bootsel.the_only(volumes)
