"""The trust anchors of a board: shown, compared, succeeded."""

from __future__ import annotations

from pathlib import Path

import click

from hanboot.cli.arguments import FilePath
from hanboot.cli.connection import connect
from hanboot.cli.output import Out, json_option
from hanboot.cli.refusals import refusals
from hanboot.cli.settings import port_option
from hanboot.device.client import Device
from hanboot.device.provisioning import AnchorDiffers, fingerprint
from hanboot.device.records import (
    ROLE_NAMES,
    USAGE_NAMES,
    AnchorCell,
    fingerprint_text,
)
from hanboot.device.refusal import DeviceRefused
from hanboot.explain.reasons import Reason
from hanboot.trust import successor
from hanboot.trust.successor import Successor
from hanbootloader.reasons import ANCHOR_MALFORMED, ANCHORS_LOCKED
from hanbootloader.trust.cell import ANY


@click.group()
def anchors() -> None:
    """Show the trust anchors of a board, and let successors of their keys in."""


@anchors.command("show")
@port_option
@json_option
def show_command(port: str, as_json: bool) -> None:
    """Print each trust anchor and its fingerprint, over every byte of the cell.

    Compare it with what `hanboot keys show` prints for the key.
    """
    out = Out(as_json)
    with connect(port) as device:
        cells = device.anchors()
    out.document([cell.as_json() for cell in cells])
    for cell in cells:
        out.pairs(_pairs(cell), title=f"{cell.role}, {USAGE_NAMES.get(cell.usage, cell.usage)}")
    if not cells:
        out.line("no trust anchors; give it some: hanboot board provision")


def _pairs(cell: AnchorCell) -> list[tuple[str, str]]:
    pairs = [
        ("key identifier", cell.kid.hex()),
        ("fingerprint", cell.fingerprint_text or "not reported by this device"),
        ("sequence", str(cell.sequence)),
        ("label", cell.label),
        ("for devices", _scope_text(cell.scope)),
    ]
    if any(byte != 0xFF for byte in cell.entity):
        pairs.append(("entity", cell.entity.hex("-")))
    if cell.development:
        pairs.append(("development", "DEVELOPMENT KEY: not for the field"))
    return pairs


def _scope_text(scope: tuple[int, int]) -> str:
    code, image_type = (f"{part:04X}" if part != ANY else "any" for part in scope)
    return f"manufacturer {code}, image type {image_type}"


@anchors.command("update")
@click.argument("file", type=FilePath())
@port_option
@json_option
def update_command(file: Path, port: str, as_json: bool) -> None:
    """Give a board the successor of one of its keys: FILE, as `hanboot keys successor` wrote it.

    What was confirmed under the key before goes on starting; everything new must be signed by the
    successor.
    """
    out = Out(as_json)
    update = successor.load(file)
    cell = update.cell
    role = ROLE_NAMES[cell.role]
    with connect(port) as device, refusals(out):
        try:
            written = device.put_anchor(update.head, update.signature)
        except DeviceRefused as refused:
            raise _explained(refused, device, update) from None
        there = next((c for c in device.anchors() if (c.role, c.usage) == (role, cell.usage)), None)
    expected = fingerprint(update.head)
    if there is None or there.fingerprint != expected:
        raise AnchorDiffers(
            f"the device's {role} anchor differs",
            f"its fingerprint is {there.fingerprint_text if there else 'missing'}, not "
            f"{fingerprint_text(expected)}",
            "try again; if it stays, the device's flash is worn",
        )
    outcome = "written" if written else "was there already"
    out.document({"outcome": outcome, "anchor": there.as_json()})
    out.line(f"{role} {cell.kid.hex()}, sequence {cell.sequence}: {outcome}")


def _explained(refused: DeviceRefused, device: Device, update: Successor) -> DeviceRefused:
    cell = update.cell
    role = ROLE_NAMES[cell.role]
    if refused.verdict.reason == ANCHOR_MALFORMED:
        identity = device.identity()
        own = (identity.manufacturer_code, identity.image_type)
        if any(made not in (ANY, its) for made, its in zip(cell.scope, own, strict=True)):
            return AnchorDiffers(
                f"the {role} anchor is not taken (anchor-malformed)",
                f"it is for {_scope_text(cell.scope)}; the device is {_scope_text(own)}",
                "make one for these devices: hanboot keys successor",
                Reason.ANCHOR_MALFORMED,
            )
    if refused.verdict.reason != ANCHORS_LOCKED:
        return refused
    held = next((c for c in device.anchors() if (c.role, c.usage) == (role, cell.usage)), None)
    holds = f"{held.kid.hex()} under sequence {held.sequence}" if held else "none that counts"
    return AnchorDiffers(
        f"the {role} anchor is not taken (anchors-locked)",
        f"the device holds {holds}; {update.cell.kid.hex()} has sequence {cell.sequence}",
        "make it with a higher sequence: hanboot keys successor --sequence N",
    )
