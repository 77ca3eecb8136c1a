"""`hanboot distribute`: an image through the gate to devices."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click

from hanboot.cli.arguments import date_of, on_option
from hanboot.cli.connection import connect, line_options
from hanboot.cli.discovery import only_board
from hanboot.cli.gating import permit_option
from hanboot.cli.output import Out, json_option, progress
from hanboot.cli.registry_options import FILE, opened
from hanboot.cli.settings import configured, registry_option
from hanboot.device.records import FirmwareId
from hanboot.errors import HanbootError
from hanboot.image import ota_file
from hanboot.image.ota_file import Image, Layout
from hanboot.inventory import gate, reports
from hanboot.inventory.devices import Inventory
from hanboot.inventory.distribute import DistributionResult
from hanboot.inventory.distribute import distribute as send
from hanboot.inventory.gate import GateRefused, ListedEntry, permit
from hanboot.registry.exchange import snapshot
from hanboot.registry.exchange.snapshot import Snapshot
from hanboot.registry.storage.store import Registry
from hanboot.trust import keys


@click.command()
@click.argument("image_file", metavar="IMAGE", type=FILE)
@click.option(
    "-p",
    "--port",
    "ports",
    metavar="PORT",
    multiple=True,
    envvar="HANBOOT_PORT",
    help="Repeatable. Default: that of the only hanboot board here.",
)
@line_options
@click.option("--local", is_flag=True, help="A local update, not one through the DCC.")
@click.option(
    "--snapshot",
    "snapshot_file",
    type=FILE,
    help="Offline: a signed snapshot in the place of the registry. Means --local.",
)
@click.option("--snapshot-key", type=FILE, help="Public key (PEM) or certificate that signed it.")
@click.option(
    "--reports",
    "report_file",
    type=FILE,
    help="Offline: file for what devices run afterwards; hanboot inventory merge takes it.",
)
@permit_option
@click.option(
    "--layout",
    type=click.Choice(["signed", "unsigned"]),
    help="How an image that is not ours ends, where the guess is wrong.",
)
@on_option
@registry_option
@json_option
@click.pass_context
def distribute(
    ctx: click.Context,
    image_file: Path,
    ports: tuple[str, ...],
    local: bool,
    snapshot_file: Path | None,
    snapshot_key: Path | None,
    report_file: Path | None,
    permits: tuple[Path, ...],
    layout: Layout | None,
    day: datetime.datetime | None,
    url: str,
    as_json: bool,
) -> None:
    """Send IMAGE if the CPL lists it as Active and the device fits; then tell the inventory.

    What a device refuses is recorded with its reason: hanboot inventory history.
    """
    out = Out(as_json)
    ports = ports or tuple(port for port in [configured("port")] if port)
    if permits and not (local or snapshot_file):
        raise click.UsageError("--permit is for local updates: give --local or --snapshot")
    loaded = ota_file.load(image_file, layout)
    with contextlib.ExitStack() as stack:
        cpl: Registry | Snapshot
        inventory: Inventory | None
        if snapshot_file:
            cpl, inventory = _offline(snapshot_file, snapshot_key, report_file), None
        else:
            cpl = stack.enter_context(opened(url))
            inventory = Inventory(cpl.database)
        check_local = (
            _local_check(cpl, loaded, permits) if local or snapshot_file else _through_the_dcc
        )
        listed = gate.check_listed(cpl, loaded, date_of(day))
        ports = ports or (only_board(),)
        outcomes = list(_each(out, loaded, listed, ports, inventory, report_file, check_local))
    out.document([outcome.as_json() for outcome in outcomes])
    codes = [outcome.error.exit_code for outcome in outcomes if outcome.error]
    if codes:
        ctx.exit(max(codes))


def _through_the_dcc(device_id: str) -> None:
    """No ban stands before what goes through the DCC."""


def _local_check(
    cpl: Registry | Snapshot, image: Image, files: Sequence[Path]
) -> Callable[[str], None]:
    """Checks a device, by its ID; where no permit could lift a ban, it is refused at once."""
    if not files:
        gate.check_local(cpl)
        return _through_the_dcc
    permits = gate.Permits(tuple(permit.load(path) for path in files))

    def check(device_id: str) -> None:
        try:
            gate.check_local(cpl)
        except GateRefused:
            key = cpl.permits_from if isinstance(cpl, Snapshot) else cpl.permits_from()
            gate.check_permit(permits.for_image(image), key, device_id, image.image_hash)

    return check


def _offline(file: Path, key: Path | None, report_file: Path | None) -> Snapshot:
    if key is None or report_file is None:
        missing = "--snapshot-key" if key is None else "--reports"
        raise click.UsageError(f"--snapshot needs {missing}")
    return snapshot.load(file, keys.load_public(key))


def _each(
    out: Out,
    loaded: Image,
    listed: list[ListedEntry],
    ports: tuple[str, ...],
    inventory: Inventory | None,
    report_file: Path | None,
    check_local: Callable[[str], None],
) -> Iterator[DistributionResult]:
    def tell(report: reports.FirmwareReport) -> None:
        if report_file:
            reports.append(report_file, [report])

    for port in ports:
        try:
            with connect(port) as device, progress(out, loaded.name, len(loaded.octets)) as advance:
                outcome = send(device, loaded, listed, inventory, tell, check_local, advance)
        except HanbootError as error:
            # no device there: nothing to record, and the others are still to be served
            if len(ports) == 1:
                raise
            outcome = DistributionResult.without_device(loaded, error)
        _tell(out, port, outcome)
        yield outcome


def _tell(out: Out, port: str, outcome: DistributionResult) -> None:
    sent = outcome.distribution
    if outcome.error:
        out.note(f"{port}: {outcome.error.what}")
        for line in outcome.error.lines[1:]:
            out.note(f"  {line}")
    else:
        out.line(f"{sent.device_id}: {_name(outcome.before)} -> {_name(outcome.after)}, confirmed")


def _name(firmware: FirmwareId | None) -> str:
    return f"{firmware.file_version:08X}" if firmware else "nothing"
