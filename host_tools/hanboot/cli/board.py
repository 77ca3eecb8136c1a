"""Commands about boards themselves: run one here, give one its trust anchors."""

from __future__ import annotations

from pathlib import Path

import click
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from hanboot import files
from hanboot.boards import bootsel, flashing
from hanboot.boards.bootsel import Volume
from hanboot.boards.roles import ROLES
from hanboot.cli.asking import confirm_found, yes_option
from hanboot.cli.board_anchors import anchors
from hanboot.cli.board_deploy import deploy_command
from hanboot.cli.board_flash import flash_command
from hanboot.cli.board_run import power_cycle, run
from hanboot.cli.board_selfcheck import selfcheck_command
from hanboot.cli.connection import connect
from hanboot.cli.output import Out, json_option
from hanboot.cli.refusals import refusals
from hanboot.cli.settings import (
    option,
    passphrase_asker,
    passphrase_option,
    port_option,
    was_found,
)
from hanboot.device import network
from hanboot.device.client import Device
from hanboot.device.provisioning import AnchorKey, anchor_key, check_held, provision
from hanboot.device.records import Identity
from hanboot.errors import CheckFailed
from hanboot.link import usb
from hanboot.trust import keys
from hanbootloader.han.gbcs import clock
from hanbootloader.trust import cell


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
        shown = (
            entry[key] for key in ("name", "port", "volume", "description", "by_id", "by_path")
        )
        out.line("  ".join(text for text in shown if text))
    if not entries:
        out.line("no board is there; one without hardware: hanboot board run virtual")


def _port_entry(port: ListPortInfo) -> dict[str, str | None]:
    on_usb = next((there for there in usb.attached() if there.device == port.device), None)
    link, path = usb.by_id(port.device), usb.by_path(port.device)
    return {
        "port": port.device,
        "name": on_usb.name if on_usb else None,
        "by_id": str(link) if link else None,
        "by_path": str(path) if path else None,
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
        "by_path": None,
        "volume": str(volume.folder),
        "usb_id": None,
        "serial": None,
        "description": f"BOOTSEL: {volume.model} ({volume.board_id})",
    }


@board.command("network")
@port_option
@json_option
def network_command(port: str, as_json: bool) -> None:
    """How the device is doing on its Home Area Network."""
    out = Out(as_json)
    with connect(port) as device:
        state = network.state(device)
    out.document(state.as_json())
    pairs = [("hub", state.hub.hex("-").upper() if state.hub else "none heard yet")]
    pairs.append(("status", state.status))
    if state.total:
        pairs.append(("received", f"{state.received} of {state.total} bytes"))
    when = state.activation and clock.time_of(state.activation["time"])
    pairs.append(("time", "not known" if state.time is None else clock.time_of(state.time)))
    pairs.append(("activation", f"at {when}" if when else "none waits"))
    pairs.append(("reports", f"{state.outcomes} that the hub has not taken"))
    pairs.append(("last message", state.last_reason.label))
    pairs.append(("MAC of CS06", state.mac))
    out.pairs(pairs)


@board.command("provision")
@option(
    "manufacturer_public_key",
    required=True,
    type=click.Path(path_type=Path),
    help="Public key (PEM) or certificate that signs envelopes.",
)
@option(
    "supplier_public_key",
    type=click.Path(path_type=Path),
    help="Public key (PEM) or certificate of the Authorising Remote Party.",
)
@click.option(
    "--broker-public-key",
    type=click.Path(path_type=Path),
    help="Key agreement certificate of the Access Control Broker, for the MACs of GBCS messages.",
)
@click.option(
    "--make-device-keys", is_flag=True, help="Have the device make its two keys, for GBCS messages."
)
@click.option(
    "--device-keys",
    nargs=2,
    type=click.Path(path_type=Path),
    metavar="SIGNING AGREEMENT",
    help="Write these private keys (PEM) instead.",
)
@click.option(
    "--requests",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder for the device's certificate requests.",
)
@passphrase_option
@click.option("--role", type=click.Choice(ROLES), help="Refuse a device that plays another.")
@yes_option
@port_option
@json_option
@click.pass_context
def provision_command(
    ctx: click.Context,
    manufacturer_public_key: Path,
    supplier_public_key: Path | None,
    broker_public_key: Path | None,
    make_device_keys: bool,
    device_keys: tuple[Path, Path] | None,
    requests: Path | None,
    passphrase_file: Path | None,
    role: str | None,
    yes: bool,
    port: str,
    as_json: bool,
) -> None:
    """Write the trust anchors, once, read them back and compare.

    From then on the device takes images signed by them. One that is there already is not written
    again; one that differs is an error.
    """
    out = Out(as_json)
    wanted = [anchor_key(cell.MANUFACTURER, manufacturer_public_key)]
    if supplier_public_key:
        wanted.append(anchor_key(cell.SUPPLIER, supplier_public_key))
    if broker_public_key:
        usage = cell.KEY_AGREEMENT
        wanted.append(anchor_key(cell.ACCESS_CONTROL_BROKER, broker_public_key, usage))
    if make_device_keys and device_keys:
        raise click.UsageError("--make-device-keys and --device-keys exclude each other")
    given = [
        keys.load_private(file, passphrase_asker(passphrase_file)) for file in device_keys or ()
    ]
    with connect(port) as device, refusals(out):
        identity = device.identity()
        _check_role(port, identity, role)
        if was_found(ctx) and not yes:
            confirm_found(flashing.describe(identity), "Write its trust anchors, for good")
        # before keys are made, which is done once
        check_held(device, wanted)
        # before the manufacturer's anchor, which locks the keys, too
        if make_device_keys:
            network.make_keys(device)
        elif given:
            network.write_keys(device, *given)
        if requests is not None:
            _write_requests(out, device, identity, requests)
        outcomes = {}

        def note(key: AnchorKey, outcome: str) -> None:
            outcomes[key.name] = outcome
            out.note(f"{key.name} {key.kid.hex()} ({key.label}): {outcome}")

        provision(device, wanted, note)
        held = {(there.role, there.usage): there for there in device.anchors()}
    out.document(
        {
            "provisioned": [
                {"label": key.label, "outcome": outcomes[key.name]}
                | held[key.name, key.usage].as_json()
                for key in wanted
            ]
        }
    )
    out.line(f"provisioned: {', '.join(f'{key.label} {key.kid.hex()}' for key in wanted)}")
    for key in wanted:
        out.line(f"  {key.name} fingerprint {held[key.name, key.usage].fingerprint_text}")


def _write_requests(out: Out, device: Device, identity: Identity, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, usage in (("ds", network.SIGNATURE), ("ka", network.AGREEMENT)):
        file = folder / f"{identity.serial.hex()}-{name}.csr"
        files.write(file, network.certificate_request(device, usage))
        out.note(f"certificate request written: {file}")


def _check_role(port: str, identity: Identity, role: str | None) -> None:
    if role is not None and identity.role != role:
        raise CheckFailed(
            f"{port} is no {role.upper()}",
            f"it is {flashing.describe(identity)}; nothing was written",
            "check which board is at the port: hanboot board list",
        )
