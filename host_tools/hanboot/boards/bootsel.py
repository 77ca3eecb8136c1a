"""The disk that an RP2040's boot ROM shows while BOOTSEL is held at power-up.

A UF2 that is copied there goes to flash block by block. When the last block has arrived the board
starts it, and the disk is gone: an error at the very end is how success looks. What the flash held
before cannot be read there.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hanboot.errors import CheckFailed, HanbootError, LinkError, NoDevice
from hanboot.link.deadline import Deadline

INFO = "INFO_UF2.TXT"
#: What the RP2040's boot ROM says in INFO_UF2.TXT (RP2040 datasheet 2.8.4.2).
RP2040_BOARD_ID = "RPI-RP2"
_LABELS = (RP2040_BOARD_ID, "RP2350")

_INFO_MAX_BYTES = 4096
_MOUNTS = Path("/proc/mounts")
_VOLUMES = Path("/Volumes")  # macOS
_BY_LABEL = Path("/dev/disk/by-label")

#: Written and brought to the disk piece by piece, so that it is known how far a copy came.
_PIECE_BYTES = 64 * 1024
_GONE_S = 15.0
_LOOK_S = 0.1

HOLD_BOOTSEL = "hold BOOTSEL while you plug it in"


@dataclass(frozen=True)
class Volume:
    """A mounted boot disk. board_id, model: as its INFO_UF2.TXT says."""

    folder: Path
    board_id: str
    model: str

    @property
    def line(self) -> str:
        return f"{self.model} ({self.board_id}) at {self.folder}"

    @property
    def is_there(self) -> bool:
        try:
            return (self.folder / INFO).is_file()
        except OSError:
            return False


def read(folder: Path) -> Volume:
    """The boot disk mounted at `folder`.

    Raises:
        NoDevice: there is none.
    """
    try:
        with (folder / INFO).open("rb") as file:
            text = file.read(_INFO_MAX_BYTES).decode("ascii", "replace")
    except OSError as error:
        raise NoDevice(
            f"{folder} is no board in BOOTSEL mode",
            f"{INFO} cannot be read there: {(error.strerror or str(error)).lower()}",
            f"{HOLD_BOOTSEL}, and give the disk that appears",
        ) from None
    said = dict(re.findall(r"^([\w-]+): *(.*?)\s*$", text, re.MULTILINE))
    if "Board-ID" not in said:
        raise NoDevice(
            f"{folder} is no board in BOOTSEL mode",
            f"its {INFO} names no Board-ID",
            f"{HOLD_BOOTSEL}, and give the disk that appears",
        )
    return Volume(folder, said["Board-ID"], said.get("Model", "unnamed"))


def attached() -> list[Volume]:
    """All boot disks that are mounted."""
    folders = sorted(_VOLUMES.iterdir()) if _VOLUMES.is_dir() else []
    if _MOUNTS.exists():
        fields = [line.split() for line in _MOUNTS.read_text().splitlines()]
        # spaces in a path are octal there
        folders += [Path(field[1].replace("\\040", " ")) for field in fields]
    found = []
    for folder in folders:
        try:
            if (folder / INFO).is_file():
                found.append(read(folder))
        except (OSError, NoDevice):
            continue
    return found


def unmounted() -> list[Path]:
    """Boot disks that are plugged in; the system may have left them unmounted."""
    links = [_BY_LABEL / label for label in _LABELS]
    return [link for link in links if link.exists()]


def the_only(found: list[Volume]) -> Volume:
    """The boot disk, if it is one.

    Raises:
        NoDevice: there is none, or more than one; the error lists them.
    """
    if len(found) == 1:
        return found[0]
    if found:
        raise NoDevice(
            f"{len(found)} boards are in BOOTSEL mode",
            ", ".join(volume.line for volume in found),
            "say which with --volume, or unplug the others",
        )
    if disks := unmounted():
        raise NoDevice(
            "a board in BOOTSEL mode is plugged in, but not mounted",
            f"{disks[0]} is there",
            f"udisksctl mount -b {disks[0]}, then the same again with --volume FOLDER",
        )
    raise NoDevice("no board is in BOOTSEL mode", "its disk is not there", HOLD_BOOTSEL)


def check_rp2040(volume: Volume) -> None:
    """Raises `CheckFailed` if the board behind `volume` is another chip."""
    if volume.board_id != RP2040_BOARD_ID:
        raise CheckFailed(
            f"the board at {volume.folder} is no RP2040",
            f"it is {volume.model}, Board-ID {volume.board_id}",
            f"give the disk of an RP2040, Board-ID {RP2040_BOARD_ID}",
        )


def copy(volume: Volume, name: str, octets: bytes, advance: Callable[[int, int], None]) -> None:
    """Copies a UF2 to the board, and returns once the board has taken it and left.

    Args:
        volume: checked already.
        name: of the file on the disk.
        octets: the whole UF2.
        advance: called with octets written and octets in all.

    Raises:
        CheckFailed: the disk has no room; nothing was written.
        LinkError: the disk failed or went before the end, or did not go at the end.
    """
    try:
        disk = os.statvfs(volume.folder)
        free = disk.f_bavail * disk.f_frsize
    except OSError as error:
        raise _broken(volume, 0, len(octets), error) from None
    if free < len(octets):
        raise CheckFailed(
            f"{volume.folder} has no room for the firmware",
            f"{free} octets are free, {len(octets)} are needed; nothing was written",
            "unplug the board, and begin again with BOOTSEL",
        )
    written = 0
    try:
        descriptor = os.open(volume.folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            while written < len(octets):
                written += os.write(descriptor, octets[written : written + _PIECE_BYTES])
                os.fsync(descriptor)
                advance(written, len(octets))
        finally:
            with contextlib.suppress(OSError):
                os.close(descriptor)
    except OSError as error:
        # the board has its last block before the system has written all that it wants to
        was_last = len(octets) - written <= _PIECE_BYTES
        if not was_last or volume.is_there:
            raise _broken(volume, written, len(octets), error) from None
        advance(len(octets), len(octets))
    _wait_gone(volume)


def _wait_gone(volume: Volume) -> None:
    deadline = Deadline(_GONE_S)
    while volume.is_there:
        if deadline.passed:
            raise LinkError(
                "the board did not start the firmware",
                f"its disk is still at {volume.folder} {_GONE_S:.0f} s after the last octet",
                "unplug it, and begin again with BOOTSEL",
            )
        time.sleep(_LOOK_S)


def _broken(volume: Volume, written: int, total: int, error: OSError) -> HanbootError:
    why = (error.strerror or str(error)).lower()
    return LinkError(
        f"the copy to {volume.folder} broke off",
        f"after {written} of {total} octets: {why}",
        f"{HOLD_BOOTSEL}, and repeat the command: a board in BOOTSEL mode can't be broken",
    )
