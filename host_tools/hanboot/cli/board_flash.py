"""`hanboot board flash`: firmware onto a real RP2040 board."""

from __future__ import annotations

from pathlib import Path

import click

from hanboot.boards import bootsel
from hanboot.boards import flashing as flash
from hanboot.boards.bootsel import Volume
from hanboot.boards.flashing import Firmware, Returned
from hanboot.boards.process import ROLES
from hanboot.cli.output import Out, json_option, progress
from hanboot.cli.settings import is_flag_given, option


@click.command("flash")
@click.argument("file", metavar="[UF2]", type=click.Path(path_type=Path), required=False)
@option("port", metavar="PORT", help="Of a board with a prompt, which shows its disk then.")
@click.option(
    "--volume",
    type=click.Path(path_type=Path, file_okay=False),
    help="Disk of a board that was plugged in with BOOTSEL held.",
)
@click.option("--role", type=click.Choice(ROLES), help="What it is to play; must fit the UF2.")
@click.option("--replace", is_flag=True, help="Flash over another product, or over a device.")
@json_option
@click.pass_context
def flash_command(
    ctx: click.Context,
    file: Path | None,
    port: str | None,
    volume: Path | None,
    role: str | None,
    replace: bool,
    as_json: bool,
) -> None:
    """Flash UF2, or what make firmware built, and wait until the board is back.

    Without --port and --volume the one board that is plugged in is taken; never one of two.
    """
    if volume and port and is_flag_given(ctx, "port"):
        raise click.UsageError("--port and --volume are two ways to one board: give one", ctx)
    out = Out(as_json)
    firmware = flash.load(file, role)
    returned = _flash(out, firmware, None if volume else port, volume, replace)
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


def _flash(
    out: Out, firmware: Firmware, port: str | None, folder: Path | None, replace: bool
) -> Returned:
    found: Volume | str
    found = bootsel.read(folder) if folder else port or flash.find()
    back_at = None
    if isinstance(found, str):
        back_at = None if flash.is_usb(found) else found
        volume = flash.to_bootsel(found, firmware, replace)
    else:
        volume = found
        out.note("what the board holds now cannot be read in BOOTSEL mode")
    bootsel.check_rp2040(volume)
    with progress(out, firmware.path.name, len(firmware.octets)) as advance:
        return flash.flash(volume, firmware, back_at, advance)


def _tell_next(out: Out, returned: Returned, firmware: Firmware) -> None:
    if returned.identity is None:
        out.note(f"not hanboot's: hanboot board deploy --port {returned.port} puts hanboot on it")
        return
    out.line(flash.describe(returned.identity))
    if firmware.development:
        out.note("DEVELOPMENT FIRMWARE: Ctrl-C gives a prompt; nothing on it is protected")
    if not returned.identity.provisioned:
        out.note(f"next: hanboot board provision --port {returned.port}")
