"""Commands about boards themselves: run one here, give one its trust anchors."""

from __future__ import annotations

from pathlib import Path

import click
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from bootloader.trust import anchors
from hanboot.boards import bootsel, rp2040, virtual
from hanboot.boards import flashing as flash
from hanboot.boards.bootsel import Volume
from hanboot.boards.process import BoardProcess, cut_power, run_until_stopped
from hanboot.cli.board_deploy import deploy_command
from hanboot.cli.board_flash import flash_command
from hanboot.cli.output import Out, json_option
from hanboot.cli.refusals import refusals
from hanboot.cli.settings import option, port_option
from hanboot.device.client import Device, Identity
from hanboot.device.provisioning import AnchorKey, provision
from hanboot.errors import Refused
from hanboot.link import usb
from hanboot.trust import keys


@click.group()
def board() -> None:
    """Run a board on this machine; flash, prepare and provision a real one."""


board.add_command(flash_command)
board.add_command(deploy_command)


@board.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """The serial ports of this machine, and the disks of boards in BOOTSEL mode."""
    out = Out(as_json)
    entries = [_port_entry(port) for port in sorted(list_ports.comports())]
    entries += [_volume_entry(volume) for volume in bootsel.attached()]
    out.document(entries)
    for entry in entries:
        shown = (entry[key] for key in ("name", "port", "volume", "description", "by_id"))
        out.line("  ".join(text for text in shown if text))
    if not entries:
        out.line("no board is there; one without hardware: hanboot board run virtual")


def _port_entry(port: ListPortInfo) -> dict[str, str | None]:
    on_usb = next((there for there in usb.attached() if there.device == port.device), None)
    link = usb.by_id(port.device)
    return {
        "port": port.device,
        "name": on_usb.name if on_usb else None,
        "by_id": str(link) if link else None,
        "volume": None,
        "usb_id": f"{on_usb.vid:04x}:{on_usb.pid:04x}" if on_usb else None,
        "serial": port.serial_number,
        "description": port.description,
    }


def _volume_entry(volume: Volume) -> dict[str, str | None]:
    return {
        "port": None,
        "name": None,
        "by_id": None,
        "volume": str(volume.folder),
        "usb_id": None,
        "serial": None,
        "description": f"BOOTSEL: {volume.model} ({volume.board_id})",
    }


@board.group()
def run() -> None:
    """Start a board on this machine and print its port; Ctrl-C stops it."""


@run.command("virtual")
@click.option("--role", type=click.Choice(virtual.ROLES), help="What it plays. Default: ppmid.")
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("build/boards/virtual"),
    show_default=True,
    help="Folder with its flash; made if it is not there.",
)
@click.option(
    "--trial-ms",
    type=click.IntRange(min=100),
    default=30_000,
    show_default=True,
    help="How long an application may take to confirm itself.",
)
@click.option("--quiet", is_flag=True, help="Do not show what the device writes and displays.")
@json_option
def run_virtual(role: str | None, state: Path, trial_ms: int, quiet: bool, as_json: bool) -> None:
    """The bootloader in a MicroPython process, its flash in a file."""
    out = Out(as_json)
    show = (lambda line: None) if quiet or as_json else out.line
    _run(virtual.VirtualBoard(state, role, trial_ms, show), out)


@run.command("rp2040")
@click.option("--role", type=click.Choice(virtual.ROLES), help="What it plays. Default: ppmid.")
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("build/boards/rp2040"),
    show_default=True,
    help="Folder with its flash; made if it is not there.",
)
@click.option(
    "--firmware",
    type=click.Path(path_type=Path),
    help="UF2 to flash. Default: what make firmware built for the role.",
)
@click.option("--quiet", is_flag=True, help="Do not show what the device writes and displays.")
@json_option
def run_rp2040(
    role: str | None, state: Path, firmware: Path | None, quiet: bool, as_json: bool
) -> None:
    """The firmware of a Pico on an emulated chip, some 15 times slower than a real one."""
    out = Out(as_json)
    show = (lambda line: None) if quiet or as_json else out.line
    _run(rp2040.Rp2040Board(state, role, show, firmware), out)


def _run(machine: BoardProcess, out: Out) -> None:
    def announce(port: str) -> None:
        out.document({"port": port, "role": machine.role, "state": str(machine.state)})
        out.line(port)
        out.note(
            f"{machine.name} {machine.role.upper()}; also --port virtual:{machine.state}; "
            "Ctrl-C stops it"
        )

    run_until_stopped(machine, announce)


@board.command("power-cycle")
@click.option(
    "--state",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of a board that runs on this machine.",
)
@json_option
def power_cycle(state: Path, as_json: bool) -> None:
    """Cut the supply of a board that `board run` runs, at this very instant, and give it back."""
    out = Out(as_json)
    cut_power(state)
    out.document({"state": str(state)})
    out.line("power was cut, and is back")


@board.command("provision")
@option(
    "manufacturer_key",
    required=True,
    type=click.Path(path_type=Path),
    help="Public key (PEM) or certificate that signs envelopes.",
)
@option(
    "supplier_key",
    type=click.Path(path_type=Path),
    help="Public key (PEM) or certificate of the Authorising Remote Party.",
)
@click.option(
    "--role", type=click.Choice(virtual.ROLES), help="Refuse a device that plays another."
)
@port_option
@json_option
def provision_command(
    manufacturer_key: Path,
    supplier_key: Path | None,
    role: str | None,
    port: str,
    as_json: bool,
) -> None:
    """Write the trust anchors, once. From then on the device takes images signed by them."""
    out = Out(as_json)
    wanted = [anchor_key(anchors.MANUFACTURER, manufacturer_key)]
    if supplier_key:
        wanted.append(anchor_key(anchors.SUPPLIER, supplier_key))
    with Device(port) as device, refusals(out):
        _check_role(port, device.identity(), role)
        provision(device, wanted, lambda key: out.note(f"{key.label}: written"))
    out.document({"provisioned": [{"label": key.label, "kid": key.kid.hex()} for key in wanted]})
    out.line(f"provisioned: {', '.join(f'{key.label} {key.kid.hex()}' for key in wanted)}")


def _check_role(port: str, identity: Identity, role: str | None) -> None:
    if role is not None and flash.role_of(identity) != role:
        raise Refused(
            f"{port} is no {role.upper()}",
            f"it is {flash.describe(identity)}; nothing was written",
            "check which board is at the port: hanboot board list",
        )


def anchor_key(role: int, file: Path) -> AnchorKey:
    """The key in `file`, for a cell of `role`."""
    public = keys.load_public(file)
    return AnchorKey(
        role,
        public.kid,
        public.point,
        keys.is_development(file),
        file.name.removesuffix(".pem").removesuffix(".pub"),
    )
