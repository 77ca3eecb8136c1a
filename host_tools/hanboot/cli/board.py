"""Commands about boards themselves: run one here, give one its trust anchors."""

from __future__ import annotations

from pathlib import Path

import click
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from bootloader.trust import cell
from hanboot.boards import bootsel
from hanboot.boards import flashing as flash
from hanboot.boards.bootsel import Volume
from hanboot.boards.process import ROLES
from hanboot.cli.board_anchors import anchors
from hanboot.cli.board_deploy import deploy_command
from hanboot.cli.board_flash import flash_command
from hanboot.cli.board_run import power_cycle, run
from hanboot.cli.board_selfcheck import selfcheck_command
from hanboot.cli.connection import connect
from hanboot.cli.output import Out, json_option
from hanboot.cli.refusals import refusals
from hanboot.cli.settings import option, port_option
from hanboot.device.provisioning import AnchorKey, anchor_key, provision
from hanboot.device.records import Identity
from hanboot.errors import Refused
from hanboot.link import usb


@click.group()
def board() -> None:
    """Run a board on this machine; flash, prepare and provision a real one."""


board.add_command(flash_command)
board.add_command(deploy_command)
board.add_command(anchors)
board.add_command(run)
board.add_command(power_cycle)
board.add_command(selfcheck_command)


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
@click.option("--role", type=click.Choice(ROLES), help="Refuse a device that plays another.")
@port_option
@json_option
def provision_command(
    manufacturer_key: Path,
    supplier_key: Path | None,
    role: str | None,
    port: str,
    as_json: bool,
) -> None:
    """Write the trust anchors, once, read them back and compare.

    From then on the device takes images signed by them. One that is there already is not written
    again; one that differs is an error.
    """
    out = Out(as_json)
    wanted = [anchor_key(cell.MANUFACTURER, manufacturer_key)]
    if supplier_key:
        wanted.append(anchor_key(cell.SUPPLIER, supplier_key))
    with connect(port) as device, refusals(out):
        _check_role(port, device.identity(), role)
        outcomes = {}

        def note(key: AnchorKey, outcome: str) -> None:
            outcomes[key.name] = outcome
            out.note(f"{key.name} {key.kid.hex()} ({key.label}): {outcome}")

        provision(device, wanted, note)
        held = {there.role: there for there in device.anchors()}
    out.document(
        {
            "provisioned": [
                {"label": key.label, "outcome": outcomes[key.name]} | held[key.name].as_json()
                for key in wanted
            ]
        }
    )
    out.line(f"provisioned: {', '.join(f'{key.label} {key.kid.hex()}' for key in wanted)}")
    for key in wanted:
        out.line(f"  {key.name} fingerprint {held[key.name].fingerprint_text}")


def _check_role(port: str, identity: Identity, role: str | None) -> None:
    if role is not None and identity.role != role:
        raise Refused(
            f"{port} is no {role.upper()}",
            f"it is {flash.describe(identity)}; nothing was written",
            "check which board is at the port: hanboot board list",
        )
