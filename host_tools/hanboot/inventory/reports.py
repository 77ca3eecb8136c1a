"""What devices report of their firmware: spread over the day, and merged.

A million devices that report at midnight are an alert storm. So each has its own second of the day,
which follows from its ID alone; a hub forwards what its devices said as one batch, by firmware;
and what is merged into the inventory is the last word of each device, not every word.

A batch is a line of JSON, so a file of batches can be added to, and cut off anywhere:

    {"model": "FFF0 00050100", "device_type": "PPMID", "file_version": "02000000",
     "hash": "…", "how": "daily", "devices": {"00-1A-…": "2026-01-31T03:12:45Z", …}}
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hanboot.errors import BadFile, HanbootError
from hanboot.inventory.devices import DeviceRecord, Inventory, find_devices, parse_device_id
from hanboot.registry.entry import Model
from hanboot.registry.fields import BadValue, parse_hash, parse_version
from hanboot.registry.storage import never_in_field
from hanboot.registry.storage.entries import IDS_AT_ONCE
from hanboot.registry.storage.schema import DEVICE, ENTRY
from hanboot.registry.storage.settings import read_setting

DAY_S = 86_400

#: Attribution a device reports: its time has come, or it was updated locally.
ReportKind = Literal["daily", "local"]
REPORT_KINDS: tuple[ReportKind, ...] = get_args(ReportKind)

_LINE_MAX = 4 * 1024 * 1024


@dataclass(frozen=True)
class FirmwareReport:
    """One device's word on its firmware. at: UTC, as in 2026-01-31T03:12:45Z."""

    device_id: str
    at: str
    model: Model
    device_type: str
    firmware_version: int
    image_hash: bytes | None
    how: ReportKind = "daily"


def due_second(device_id: str) -> int:
    """The second of the day at which a device reports: the same every day, spread evenly."""
    digest = hashlib.sha256(device_id.encode()).digest()
    return int.from_bytes(digest[:8], "big") * DAY_S >> 64


def due_text(device_id: str) -> str:
    """`due_second` as a time of day."""
    minutes, second = divmod(due_second(device_id), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{second:02}"


def merge(reports: Iterable[FirmwareReport]) -> list[FirmwareReport]:
    """The last report of each device, by device ID."""
    last: dict[str, FirmwareReport] = {}
    for report in reports:
        before = last.get(report.device_id)
        if before is None or report.at >= before.at:
            last[report.device_id] = report
    return [last[device] for device in sorted(last)]


def batches(reports: Iterable[FirmwareReport]) -> Iterator[str]:
    """Reports as lines of JSON, one for each firmware."""
    groups: dict[tuple[Any, ...], dict[str, str]] = {}
    for report in merge(reports):
        key = (
            report.model,
            report.device_type,
            report.firmware_version,
            report.image_hash,
            report.how,
        )
        groups.setdefault(key, {})[report.device_id] = report.at
    for (model, device_type, version, digest, how), devices in groups.items():
        yield json.dumps(
            {
                "model": str(model),
                "device_type": device_type,
                "file_version": f"{version:08X}",
                "hash": digest.hex() if digest else None,
                "how": how,
                "devices": devices,
            },
            separators=(",", ":"),
        )


def append(path: Path, reports: Sequence[FirmwareReport]) -> None:
    """Adds reports to a file of batches, safely on disk when it returns.

    Raises:
        BadFile: it cannot be written.
    """
    try:
        with path.open("a", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in batches(reports))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise BadFile(
            f"cannot write {path}",
            (error.strerror or str(error)).lower(),
            "check the folder and its permissions",
        ) from None


def read(path: Path) -> Iterator[FirmwareReport]:
    """The reports in a file of batches.

    Raises:
        BadFile: it cannot be read, or a line is no batch; names the line.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(_LINE_MAX), b""), 1):
                if line.strip():
                    yield from _parse(path, number, line)
    except OSError as error:
        raise BadFile(
            f"cannot read {path}", (error.strerror or str(error)).lower(), "check the name"
        ) from None


def _parse(path: Path, number: int, line: bytes) -> Iterator[FirmwareReport]:
    try:
        batch = json.loads(line)
        code, device_model = batch["model"].split(" ")
        model = Model(int(code, 16), int(device_model, 16))
        version = parse_version(batch["file_version"])
        digest = parse_hash(batch["hash"]) if batch["hash"] is not None else None
        how, device_type = batch["how"], batch["device_type"]
        if how not in REPORT_KINDS or not isinstance(device_type, str):
            raise BadValue("how or device_type is unknown")
        devices = [(parse_device_id(device), at) for device, at in batch["devices"].items()]
        if not all(isinstance(at, str) and len(at) == 20 for _, at in devices):
            raise BadValue("a time is not as in 2026-01-31T03:12:45Z")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise _malformed(path, number, str(error)) from None
    except HanbootError as error:
        raise _malformed(path, number, error.what) from None
    for device, at in devices:
        yield FirmwareReport(device, at, model, device_type, version, digest, how)


def _malformed(path: Path, number: int, why: str) -> BadFile:
    return BadFile(
        f"{path} was not merged",
        f"line {number} is no batch of reports: {why}",
        "remove the line, or fetch the file again; nothing was changed",
    )


@dataclass(frozen=True)
class Merged:
    """What a merge did.

    Attributes:
        reports: how many were read.
        updated: devices whose report is now their last.
        unchanged: devices that had reported as late or later.
        differing: devices that report another firmware than the inventory holds.
        unknown: devices that the inventory does not hold.
    """

    reports: int
    updated: int
    unchanged: int
    differing: tuple[str, ...]
    unknown: tuple[str, ...]


def merge_into(inventory: Inventory, reports: Iterable[FirmwareReport]) -> Merged:
    """Takes over the last word of each device; all or nothing.

    A local update changes what the inventory holds, if local updates are allowed and the firmware
    is on the CPL. A daily report does not: where it differs, the device is flagged, to be
    looked into.
    """
    counted: Counter[str] = Counter()

    def counting() -> Iterator[FirmwareReport]:
        for report in reports:
            counted["reports"] += 1
            yield report

    last = merge(counting())
    differing: list[str] = []
    unknown: list[str] = []
    with inventory.database.writing() as connection:
        allowed = read_setting(connection, "local_updates") == "allowed"
        never_in_field.void(
            connection,
            (
                (r.device_id, *r.model, r.firmware_version, r.image_hash)
                # also of devices that the inventory does not hold: they are somewhere
                for r in last
            ),
        )
        for start in range(0, len(last), IDS_AT_ONCE):
            piece = last[start : start + IDS_AT_ONCE]
            listed = _listed(connection, piece) if allowed else set()
            known = find_devices(connection, [report.device_id for report in piece])
            rows: dict[str, list[dict[str, Any]]] = {"daily": [], "local": []}
            for report in piece:
                device = known.get(report.device_id)
                if device is None or device.model != report.model:
                    unknown.append(report.device_id)
                    continue
                if _is_known(device, report):
                    counted["unchanged"] += 1
                    continue
                is_listed = (report.model, report.firmware_version, report.image_hash) in listed
                how: ReportKind = "local" if report.how == "local" and is_listed else "daily"
                rows[how].append(_row(report))
                counted["updated"] += 1
                if how == "daily" and not _is_same(device, report):
                    differing.append(report.device_id)
            if rows["daily"]:
                connection.execute(_UPDATE_REPORT, rows["daily"])
            if rows["local"]:
                connection.execute(_UPDATE_FIRMWARE, rows["local"])
    return Merged(
        counted["reports"],
        counted["updated"],
        counted["unchanged"],
        tuple(differing),
        tuple(unknown),
    )


def _is_known(device: DeviceRecord, report: FirmwareReport) -> bool:
    """Whether the device said so before, or something else later."""
    if device.reported_at is None or device.reported_at < report.at:
        return False
    said = (device.reported_version, device.reported_hash)
    # times have seconds, and an upgrade in between may take less
    is_new = device.reported_at == report.at and said != (
        report.firmware_version,
        report.image_hash,
    )
    return not is_new


def _is_same(device: DeviceRecord, report: FirmwareReport) -> bool:
    after = dataclasses.replace(
        device, reported_version=report.firmware_version, reported_hash=report.image_hash
    )
    return not after.differs


def _listed(
    connection: Connection, reports: Sequence[FirmwareReport]
) -> set[tuple[Model, int, bytes | None]]:
    """The firmwares of local updates that the CPL knows."""
    digests = {r.image_hash for r in reports if r.how == "local" and r.image_hash}
    columns = (ENTRY.c.manufacturer_code, ENTRY.c.device_model)
    query = sa.select(*columns, ENTRY.c.firmware_version, ENTRY.c.image_hash)
    rows = connection.execute(query.where(ENTRY.c.image_hash.in_(digests))) if digests else ()
    return {(Model(code, model), version, digest) for code, model, version, digest in rows}


def _row(report: FirmwareReport) -> dict[str, Any]:
    return {
        "device": report.device_id,
        "version": report.firmware_version,
        "digest": report.image_hash,
        "at": report.at,
    }


_REPORTED = {
    "reported_version": sa.bindparam("version", type_=DEVICE.c.reported_version.type),
    "reported_hash": sa.bindparam("digest", type_=DEVICE.c.reported_hash.type),
    "reported_at": sa.bindparam("at"),
}
_UPDATE_REPORT = (
    sa.update(DEVICE).where(DEVICE.c.device_id == sa.bindparam("device")).values(_REPORTED)
)
_UPDATE_FIRMWARE = (
    sa.update(DEVICE)
    .where(DEVICE.c.device_id == sa.bindparam("device"))
    .values(
        _REPORTED
        | {
            "firmware_version": sa.bindparam("version", type_=DEVICE.c.firmware_version.type),
            "image_hash": sa.bindparam("digest", type_=DEVICE.c.image_hash.type),
        }
    )
)
