"""Commands that talk to a device: status, upload, activate, verdict and so on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from hanboot import files
from hanboot.cli.connection import connect
from hanboot.cli.gating import Gate, gate_options
from hanboot.cli.output import Out, json_option, progress
from hanboot.cli.refusals import find_way, refusals, verdict_json
from hanboot.cli.settings import any_registry_option, port_option
from hanboot.device.records import FirmwareId, Identity, SlotReport
from hanboot.device.upgrade import stage
from hanboot.explain.reasons import explain
from hanboot.explain.verdicts import verdict_lines
from hanboot.explain.versions import device_type_text, version_text

_HASH_BYTES = 32  # SHA-256, GBCS 11.2.4

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _device_command(command: _Command) -> _Command:
    """--port and --json, which every command here takes."""
    return port_option(json_option(command))


def _holds(slot: SlotReport) -> str:
    """What a slot holds, for people."""
    features = f", features {slot.feature_version}" if slot.feature_version else ""
    return _name(slot.firmware) + features


def _name(firmware: FirmwareId | None) -> str:
    if firmware is None:
        return "nothing"
    digest = firmware.image_hash
    return version_text(firmware.file_version) + (f" ({digest.hex()[:16]}…)" if digest else "")


@click.command()
@_device_command
def status(port: str, as_json: bool) -> None:
    """What the device is, runs and holds."""
    out = Out(as_json)
    with connect(port) as device:
        identity, cells, verdict = device.identity(), device.anchors(), device.verdict()
        event = device.event()
    document = identity_json(identity)
    document["anchors"] = [cell.as_json() for cell in cells]
    document["verdict"] = verdict.as_json() if verdict else None
    document["event"] = event.as_json() if event and event.kind else None
    out.document(document)
    out.pairs(
        [
            ("device", f"{device_type_text(identity.device_type)} {identity.serial.hex('-')}"),
            ("board", identity.board),
            (
                "accepts",
                f"manufacturer {identity.manufacturer_code:04X}, image type "
                f"{identity.image_type:04X}, hardware {identity.hardware_version:04X}, "
                f"{identity.slot_bytes // 1024} KiB",
            ),
            ("running", _holds(identity.running) if identity.running else "bootloader"),
            *[
                (
                    f"slot {index}",
                    f"{slot.state:<10}{_holds(slot) if slot.firmware else ''}",
                )
                for index, slot in enumerate(identity.slots)
            ],
            ("counter", str(identity.security_counter)),
            *[
                (
                    "anchor",
                    f"{cell.role} {cell.kid.hex()} {cell.label}{_development(cell.development)}",
                )
                for cell in cells
            ],
            ("verdict", verdict_lines(verdict)[0] if verdict else "none yet"),
            *([("since then", verdict_lines(event)[0])] if event and event.kind else []),
        ]
    )
    if not identity.provisioned:
        out.note(
            "not provisioned: it takes no image. Give it trust anchors: hanboot board provision"
        )


def _development(is_development: bool) -> str:
    return "  DEVELOPMENT KEY: not for the field" if is_development else ""


def identity_json(identity: Identity) -> dict[str, Any]:
    """`hanboot status --json`, as far as the identity goes."""
    return {
        "board": identity.board,
        "tier": identity.tier,
        "role": identity.role,
        "versions": identity.versions,
        "serial": identity.serial.hex(),
        "manufacturer_code": identity.manufacturer_code,
        "image_type": identity.image_type,
        "hardware_version": identity.hardware_version,
        "device_type": device_type_text(identity.device_type),
        "slot_bytes": identity.slot_bytes,
        "security_counter": identity.security_counter,
        "provisioned": identity.provisioned,
        "running": _firmware_json(identity.running) if identity.running else None,
        "slots": [
            {"state": slot.state, "firmware": _firmware_json(slot)} for slot in identity.slots
        ],
    }


def _firmware_json(slot: SlotReport) -> dict[str, Any] | None:
    if slot.firmware is None:
        return None
    return {**slot.firmware.as_json(), "feature_version": slot.feature_version}


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--cpl-entry",
    type=click.Path(path_type=Path),
    help="Signed CPL entry of FILE, for a board that demands it.",
)
@any_registry_option
@gate_options
@_device_command
def upload(
    file: Path, cpl_entry: Path | None, registry: str | None, gate: Gate, port: str, as_json: bool
) -> None:
    """Send FILE and wait for the verdict. An upload that was cut goes on where it stopped.

    A registry that --registry or HANBOOT_REGISTRY names binds, as with hanboot upgrade.
    """
    # imported late: `status` and the others have no image to read
    from hanboot.image import ota_file
    from hanbootloader.cpl_entry import ENTRY_MAX_BYTES

    out = Out(as_json)
    octets = ota_file.read_to_send(file)
    token = files.read(cpl_entry, ENTRY_MAX_BYTES) if cpl_entry else None
    with (
        connect(port) as device,
        refusals(out, device, registry),
        gate.sending(device, octets, file.name) as sent,
    ):
        if token is not None and not device.put_cpl_entry(token):
            out.note("note: the board demands no CPL entry")
        with progress(out, file.name, len(octets)) as advance:
            verdict = stage(device, octets, advance)
        if sent:
            sent.staged()
    out.document(verdict.as_json())
    out.line(f"{file.name} is staged: hanboot activate starts it")


@click.command()
@click.argument("image_hash", metavar="[HASH]", required=False)
@click.option("--reset/--no-reset", default=True, help="Reset at once (the default), or later.")
@any_registry_option
@_device_command
def activate(
    image_hash: str | None, reset: bool, registry: str | None, port: str, as_json: bool
) -> None:
    """Start the staged image: the one with Manufacturer Image HASH, or whichever is held."""
    out = Out(as_json)
    given = _hash(image_hash) if image_hash else None
    with connect(port) as device, refusals(out, device, registry):
        wanted = given or _held_hash(device.identity())
        device.activate(wanted)
        if reset:
            device.reset()
    out.document({"activated": wanted.hex(), "reset": reset})
    out.line(f"{wanted.hex()[:16]}… starts {'now' if reset else 'at the next reset'}, on trial")


def _hash(digits: str) -> bytes:
    try:
        octets = bytes.fromhex(digits)
    except ValueError:
        octets = b""
    if len(octets) != _HASH_BYTES:
        raise click.BadParameter(f"give {2 * _HASH_BYTES} hex digits", param_hint="HASH")
    return octets


def _held_hash(identity: Identity) -> bytes:
    held = identity.slot("staged") or identity.slot("pending")
    if held and held.firmware and held.firmware.image_hash:
        return held.firmware.image_hash
    # let the device refuse it, with its own reason
    return bytes(_HASH_BYTES)


@click.command()
@_device_command
def confirm(port: str, as_json: bool) -> None:
    """Confirm the image on trial, in place of the application's own self-test."""
    out = Out(as_json)
    with connect(port) as device:
        device.confirm()
    out.document({"confirmed": True})
    out.line("confirmed")


@click.command()
@any_registry_option
@_device_command
def verdict(registry: str | None, port: str, as_json: bool) -> None:
    """The device's last word on an image, with the remedy; from the registry, if one is there."""
    out = Out(as_json)
    with connect(port) as device:
        last, event = device.verdict(), device.event()
        way = find_way(out, device, last, registry) if last else None
    # a device that knows no events has one word for both
    event = event if event and event.kind else None
    if event:
        for line in verdict_lines(event):
            out.line(line)
    if last is None:
        out.document(None)
        out.line("no image was offered yet")
        return
    out.document(verdict_json(last, way))
    what, why, remedy = verdict_lines(last)
    for line in (what, why, way.text if way else remedy):
        out.line(line)


@click.command()
@_device_command
def history(port: str, as_json: bool) -> None:
    """The upgrade history that the device keeps, oldest first."""
    out = Out(as_json)
    with connect(port) as device:
        events = device.history()
    out.document(
        [
            {
                "index": event.index,
                "event": event.kind,
                "reason": explain(event.reason).name,
                "from": event.source.as_json() if event.source else None,
                "to": event.target.as_json() if event.target else None,
                "chain": event.chain.hex(),
            }
            for event in events
        ]
    )
    for event in events:
        why = f": {explain(event.reason).meaning}" if event.reason else ""
        step = f"{_name(event.source)} -> {_name(event.target)}"
        out.line(f"{event.index:>4}  {event.kind:<10} {step}{why}")
    if not events:
        out.line("nothing was ever installed")


@click.command()
@_device_command
def reset(port: str, as_json: bool) -> None:
    """Reset the device; a verification under way is finished first."""
    out = Out(as_json)
    with connect(port) as device:
        device.reset()
    out.document({"reset": True})
    out.line("resetting")
