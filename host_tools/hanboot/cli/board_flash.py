"""`hanboot board flash`: firmware onto a real RP2040 board, MicroPython onto an ESP32."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from hanboot.boards import bootsel, flashing
from hanboot.boards.bootsel import Volume
from hanboot.boards.esp32 import chips
from hanboot.boards.esp32 import flash as esp32
from hanboot.boards.esp32.chips import Chip
from hanboot.boards.flashing import InBootsel, Returned, Uf2File
from hanboot.boards.roles import ROLES
from hanboot.cli.asking import confirm_found, yes_option
from hanboot.cli.output import Out, json_option, progress
from hanboot.cli.settings import is_flag_given, option

_RP2040 = "rp2040"


@click.command("flash")
@click.argument("file", metavar="[UF2]", type=click.Path(path_type=Path), required=False)
@click.option(
    "--chip",
    type=click.Choice([_RP2040, *chips.NAMES]),
    default=_RP2040,
    show_default=True,
    help="Of the board. An ESP32 gets MicroPython and hanboot's partition table.",
)
@click.option(
    "--firmware",
    "firmware_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="For an ESP32: MicroPython's image for the whole flash. Else the same as UF2.",
)
@option("port", metavar="PORT", help="Of the board. An RP2040 needs a prompt to show its disk.")
@click.option(
    "--volume",
    type=click.Path(path_type=Path, file_okay=False),
    help="Disk of a board that was plugged in with BOOTSEL held.",
)
@click.option("--role", type=click.Choice(ROLES), help="What it is to play; must fit the UF2.")
@click.option("--replace", is_flag=True, help="Flash over another product, or over a device.")
@yes_option
@json_option
@click.pass_context
def flash_command(
    ctx: click.Context,
    file: Path | None,
    chip: str,
    firmware_file: Path | None,
    port: str | None,
    volume: Path | None,
    role: str | None,
    replace: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Flash UF2, or what make firmware built, and wait until the board is back.

    Without --port and --volume the one board that is plugged in is taken, named and asked about;
    never one of two. An ESP32 is written through esptool, and needs --chip, --firmware and --port.
    """
    if file and firmware_file:
        raise click.UsageError("UF2 and --firmware are two ways to say the same: give one", ctx)
    if chip != _RP2040:
        if volume or role:
            raise click.UsageError("--volume and --role are for an RP2040", ctx)
        image = firmware_file or file
        if image is None or port is None:
            raise click.UsageError(f"--chip {chip} needs --firmware and --port", ctx)
        _flash_esp32(Out(as_json), image, chips.by_name(chip), port, replace)
        return
    file = file or firmware_file
    if volume and port and is_flag_given(ctx, "port"):
        raise click.UsageError("--port and --volume are two ways to one board: give one", ctx)
    out = Out(as_json)
    firmware = flashing.load(file, role)
    is_asked = not (port or volume or yes)

    def agree(board: str) -> None:
        if is_asked:
            confirm_found(board, f"Flash {firmware.text} onto it")

    returned = _flash(out, firmware, None if volume else port, volume, replace, agree)
    out.document(
        {
            "port": returned.port,
            "file": str(firmware.path),
            "role": firmware.role,
            "development": firmware.development,
            "provisioned": returned.identity.provisioned if returned.identity else None,
        }
    )
    out.line(f"flashed {firmware.text}: back at {returned.port}")
    _tell_next(out, returned, firmware)


def _flash_esp32(out: Out, file: Path, chip: Chip, port: str, replace: bool) -> None:
    content = esp32.load(file, chip)
    if chip.remark:
        out.note(chip.remark)
    with progress(out, file.name, content.total) as advance:
        flashed = esp32.flash(port, content, replace, advance, out.note)
    there = flashed.identity
    out.document(
        {
            "port": port,
            "file": str(file),
            "chip": chip.name,
            "mac": flashed.mac,
            "micropython": content.micropython.version,
            "partitions": {row.label: [row.offset, row.size] for row in content.table.partitions},
            "kept": flashed.kept,
            "verified": True,
            "provisioned": there.provisioned if there else None,
        }
    )
    out.line(f"flashed {content.micropython.text}, verified: {flashed.machine} at {port}")
    if there is None:
        out.note(f"next: hanboot board deploy --port {port}")


def _flash(
    out: Out,
    firmware: Uf2File,
    port: str | None,
    folder: Path | None,
    replace: bool,
    agree: Callable[[str], None],
) -> Returned:
    found: Volume | str
    found = bootsel.read(folder) if folder else port or flashing.find()
    back_at = None
    if isinstance(found, str):
        back_at = None if flashing.is_usb(found) else found
        board = flashing.to_bootsel(found, firmware, replace, agree)
    else:
        board = InBootsel(volume=found)
        agree(found.line)
        out.note("what the board holds now cannot be read in BOOTSEL mode")
    bootsel.check_rp2040(board.volume)
    with progress(out, firmware.path.name, len(firmware.octets)) as advance:
        return flashing.flash(board, firmware, back_at, advance)


def _tell_next(out: Out, returned: Returned, firmware: Uf2File) -> None:
    if returned.identity is None:
        out.note(f"not hanboot's: hanboot board deploy --port {returned.port} puts hanboot on it")
        return
    out.line(flashing.describe(returned.identity))
    if firmware.development:
        out.note("DEVELOPMENT FIRMWARE: Ctrl-C gives a prompt; nothing on it is protected")
    if not returned.identity.provisioned:
        out.note(f"next: hanboot board provision --port {returned.port}")
