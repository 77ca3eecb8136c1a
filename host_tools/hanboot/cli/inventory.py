"""Commands about the inventory: which device runs what, and what it needs."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from hanboot import terminal
from hanboot.cli.arguments import date_of, on_option
from hanboot.cli.output import Out, counted, json_option
from hanboot.cli.registry_options import (
    FILE,
    model_option,
    opened,
    progress,
)
from hanboot.cli.settings import port_option, registry_option
from hanboot.device.client import Device
from hanboot.errors import WrongUsage
from hanboot.inventory import enrolment, listing, pending, reports
from hanboot.inventory.devices import DeviceRecord, Inventory, parse_device_id
from hanboot.inventory.gate import identity_model
from hanboot.registry.entry import Model
from hanboot.registry.exchange import mapping
from hanboot.registry.storage.history import now
from hanboot.registry.storage.store import Registry


@click.group()
def inventory() -> None:
    """Devices and their firmware, as 'Read Inventory' (SR 8.2) lists them."""


def _inventory(registry: Registry) -> Inventory:
    return Inventory(registry.database)


# --- list


@inventory.command("list")
@click.argument("ids", metavar="[DEVICE_ID]...", nargs=-1)
@model_option
@click.option("--differs", is_flag=True, help="Only devices that report another firmware.")
@on_option
@registry_option
@json_option
def list_command(
    ids: tuple[str, ...],
    model: Model | None,
    differs: bool,
    day: datetime.datetime | None,
    url: str,
    as_json: bool,
) -> None:
    """List devices: what the inventory holds, its CPL status on the day, and ! where the device
    reports something else; its state, where it is not commissioned or has left what was sent
    unanswered.
    """
    out = Out(as_json)
    wanted = [parse_device_id(text) for text in ids]
    with opened(url) as registry, registry.database.reading() as connection:
        statuses = listing.CplStatuses(connection, date_of(day))
        silent = listing.unanswered(connection)
        if wanted:
            devices = _named(_inventory(registry), wanted)
            batches: Iterable[Sequence[listing.Row]] = [[listing.row_of(d) for d in devices]]
        else:
            batches = listing.rows(connection, model, differs)
        count = differing = 0
        write = _JsonList() if as_json else _Lines()
        for rows in batches:
            count += len(rows)
            differing += sum(map(listing.is_differing, rows))
            write.add(
                [
                    (row, statuses.of(row[2], row[3], row[4], row[5]), silent.get(row[0]))
                    for row in rows
                ]
            )
        write.end()
    out.line(f"{counted(count, 'device')}, {differing} of which report another firmware")


class _Lines:
    """Devices for people, written some thousand at once."""

    def add(self, found: Sequence[tuple[listing.Row, str, str | None]]) -> None:
        if found:
            terminal.echo("\n".join(listing.line(*one) for one in found))

    def end(self) -> None:
        pass


class _JsonList:
    """One JSON document, written as it comes: a million devices are not held in memory."""

    def __init__(self) -> None:
        self._before = "[\n"

    def add(self, found: Sequence[tuple[listing.Row, str, str | None]]) -> None:
        if found:
            texts = (json.dumps(listing.as_json(*one)) for one in found)
            terminal.echo(self._before + ",\n".join(texts), end=False)
            self._before = ",\n"

    def end(self) -> None:
        terminal.echo("[]" if self._before == "[\n" else "\n]")


def _named(held: Inventory, wanted: list[str]) -> list[DeviceRecord]:
    found = held.find(wanted)
    missing = [number for number in wanted if number not in found]
    if missing:
        raise WrongUsage(
            f"there is no device {missing[0]}",
            f"the inventory {held.database.name} does not hold it",
            "hanboot inventory add enters it",
        )
    return [found[number] for number in wanted]


# --- add


@inventory.command()
@click.argument("file", type=FILE, required=False)
@click.option("-p", "--port", help="Enter the device at this port, as it says of itself.")
@click.option("--mapping", "mapping_file", type=FILE, help="TOML file: headings of others.")
@registry_option
@json_option
def add(
    file: Path | None, port: str | None, mapping_file: Path | None, url: str, as_json: bool
) -> None:
    """Enter devices: those in FILE (CSV or XLSX), or the one at --port.

    Headings of FILE: Device ID, Device Type, Manufacturer Code, Device Model, Firmware Version;
    and, if known, Manufacturer Image Hash and Device Status. Names and statuses of Read Inventory
    (DUIS, SR 8.2) are known, too; --mapping takes others, and leaves out rows.
    """
    out = Out(as_json)
    if bool(file) == bool(port):
        raise click.UsageError("give FILE or --port, and not both")
    with opened(url) as registry:
        if port:
            with Device(port) as target:
                devices = iter([enrolment.from_identity(target.identity(), now())])
            done = enrolment.Added(_inventory(registry).add(devices), 0)
        else:
            assert file is not None
            headings = enrolment.HEADINGS
            columns = mapping.load(mapping_file, headings) if mapping_file else None
            with progress(file.name) as advance:
                done = enrolment.add_file(
                    _inventory(registry), file, columns, lambda fault: out.note(str(fault)), advance
                )
    out.document(vars(done))
    skipped = f", {counted(done.skipped, 'row')} skipped" if done.skipped else ""
    out.line(f"{counted(done.added, 'device')} added{skipped}")


# --- pending


@inventory.command("pending")
@click.option(
    "--devices",
    "device_file",
    type=FILE,
    help="CSV file to write, with each device, its path, or why it has none.",
)
@on_option
@registry_option
@json_option
def pending_command(
    device_file: Path | None, day: datetime.datetime | None, url: str, as_json: bool
) -> None:
    """The devices that need a step, by model and path."""
    out = Out(as_json)
    with opened(url) as registry:
        devices = _inventory(registry)
        found = list(pending.needs(registry, devices, date_of(day)))
        if device_file:
            count = pending.write_devices(device_file, devices, found)
            out.note(f"{device_file}: {counted(count, 'device')}")
    if as_json:
        out.document([need.as_json() for need in found])
    for need in found:
        out.line(_need_line(need))
    total = sum(need.running.devices for need in found)
    stuck = sum(need.running.devices for need in found if need.why)
    verb = "needs" if total == 1 else "need"
    out.line(
        f"{counted(total, 'device')} {verb} a step; "
        f"{stuck} of them {'has' if stuck == 1 else 'have'} no proven path to the newest"
    )


def _need_line(need: pending.PendingUpgrade) -> str:
    running = need.running
    way = " -> ".join(step.cpl_entry_id for step in need.steps)
    start = f"{running.devices:>9}  {running.model}  {running.firmware_version:08X}"
    if running.image_hash:
        start += f" {running.image_hash.hex()[:8]}"
    if need.why:
        way = f"no path: {need.why}" + (f"; as far as {way}" if way else "")
    return f"{start}  {way}"


# --- reports


@inventory.command()
@port_option
@click.option("--reports", "report_file", type=FILE, required=True, help="File to add to.")
@json_option
def report(port: str, report_file: Path, as_json: bool) -> None:
    """Have the device at --port report its firmware, into a file for `merge`.

    Each device has its own second of the day for this, so that a million of them make no storm.
    """
    out = Out(as_json)
    with Device(port) as target:
        identity = target.identity()
    held = enrolment.from_identity(identity, now())
    said = reports.FirmwareReport(
        held.device_id,
        held.reported_at or now(),
        identity_model(identity),
        held.device_type,
        held.firmware_version,
        held.image_hash,
    )
    reports.append(report_file, [said])
    due = reports.due_text(said.device_id)
    out.document({"device": said.device_id, "due": due, "reports": str(report_file)})
    out.line(f"{said.device_id} runs {said.firmware_version:08X}; its time of day is {due} UTC")


@inventory.command()
@click.argument("report_files", metavar="FILE...", type=FILE, nargs=-1, required=True)
@registry_option
@json_option
def merge(report_files: tuple[Path, ...], url: str, as_json: bool) -> None:
    """Take over reports: the last word of each device, flagged where it differs."""
    out = Out(as_json)
    with opened(url) as registry:
        said = (report for file in report_files for report in reports.read(file))
        done = reports.merge_into(_inventory(registry), said)
    out.document(vars(done))
    out.line(
        f"{counted(done.reports, 'report')}: {counted(done.updated, 'device')} taken over, "
        f"{done.unchanged} had said so"
    )
    for number in done.differing:
        out.line(f"! {number} reports another firmware than the inventory holds")
    for number in done.unknown:
        out.line(f"? {number} is not in the inventory, or is of another model")


@inventory.command()
@click.argument("device", metavar="[DEVICE_ID]", required=False)
@registry_option
@json_option
def history(device: str | None, url: str, as_json: bool) -> None:
    """What was sent to a device, or to all, and what came of it."""
    out = Out(as_json)
    number = parse_device_id(device) if device else None
    with opened(url) as registry:
        found = _inventory(registry).distributions(number)
    out.document([distribution.as_json() for distribution in found])
    for sent in found:
        reason = f": {sent.reason}" if sent.reason else ""
        name = sent.cpl_entry_id or sent.image_hash.hex()[:16]
        out.line(
            f"{sent.at}  {sent.device_id}  {sent.file_version:08X}  {name}  {sent.outcome}{reason}"
        )
