"""Small registries, and images and devices to go with them."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from loose_image import assemble

from hanboot.device.records import FirmwareId, Identity, SlotReport, SlotState, Verdict
from hanboot.device.refusal import DeviceRefused
from hanboot.explain.reasons import Reason
from hanboot.image import ota_file
from hanboot.image.ota_file import Image
from hanboot.registry.entry import Entry
from hanboot.registry.exchange import export
from hanboot.registry.fields import FIELDS
from hanboot.registry.storage.history import Attribution
from hanboot.registry.storage.store import Registry
from hanboot.trust import keys
from hanbootloader import policy
from hanbootloader.image import writer
from hanbootloader.image.manifest import KIND_ROMFS, Manifest
from hanbootloader.reasons import ACCEPTED

ROOT = Path(__file__).parent.parent.parent
WORKED = ROOT / "docs" / "guide" / "registry" / "worked-registry.csv"

CODE, MODEL = 0xFFF0, 0x0005_0100
WHY = Attribution("a test", "to test")
SERIAL = bytes.fromhex("0000000000000001")
DEVICE_ID = "00-00-00-00-00-00-00-01"


#: What MP231 demands of a new entry for the SSC.
SSC_COLUMNS = {
    "ZigBee Chipset Vendor": "Example Radios",
    "ZigBee Stack Version": "3.2",
    "ZigBee Stack Certificate": "ZCP-0001",
}


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def entry(number: int, after: Sequence[int] | None = (), **more: Any) -> Entry:
    """Entry `E-number` of version `number`, which may follow `after`; None states nothing."""
    values: dict[str, Any] = {
        "cpl_entry_id": f"E-{number}",
        "device_type": "PPMID",
        "manufacturer_code": CODE,
        "device_model": MODEL,
        "firmware_version": number,
        "firmware_version_text": f"{number:08X}",
        "image_hash": digest(f"E-{number}"),
        "status": "Active",
        "join_option": "2.4 GHz Only",
        "predecessors": None if after is None else tuple(f"E-{n}" for n in after),
    }
    return Entry(**(values | more))


def fill(registry: Registry, entries: Iterable[Entry]) -> Registry:
    with registry.changing(WHY) as writer:
        writer.add(list(entries))
    return registry


def everything(registry: Registry) -> list[Entry]:
    """The entries with what is for the SSC."""
    return registry.for_ssc(registry.entries())


def write_rows(path: Path, rows: Sequence[Sequence[str]], encoding: str = "utf-8") -> Path:
    with path.open("w", newline="", encoding=encoding) as file:
        csv.writer(file).writerows(rows)
    return path


def write_entries(path: Path, entries: Iterable[Entry]) -> Path:
    form = "xlsx" if path.suffix == ".xlsx" else "csv"
    export.write_file(path, form, entries, FIELDS)
    return path


# --- images

KEY = keys.generate()


def make_image(
    version: int,
    predecessors: Sequence[tuple[int, bytes | None, str | None]] = (),
    hardware: tuple[int, int] = (0x0100, 0x0100),
    image_type: int = 0x0005,
    **more: Any,
) -> Image:
    """A signed image; its application is nothing that could run."""
    payload = b"payload of %08X" % version
    content = Manifest(
        CODE,
        image_type,
        version,
        hardware,
        KIND_ROMFS,
        len(payload),
        hashlib.sha256(payload).digest(),
        tuple(predecessors),
        **more,
    )
    encoded = writer.encode_manifest(content)
    signature = KEY.sign(writer.to_be_signed(encoded))
    envelope = writer.encode_envelope(KEY.public.kid, encoded, signature)
    return ota_file.load(assemble(content, envelope, payload, b""))


def entry_of(made: Image, number: int, after: Sequence[int] | None = (), **more: Any) -> Entry:
    """The row of an image."""
    return entry(
        number,
        after,
        **{
            "firmware_version": made.header.file_version,
            "firmware_version_text": f"{made.header.file_version:08X}",
            "image_hash": made.image_hash,
        }
        | more,
    )


# --- devices


class FakeDevice:
    """A device that decides as one does, and carries out what it accepted."""

    def __init__(self, running: tuple[int, bytes], **facts: Any) -> None:
        self._facts: dict[str, Any] = {
            "board": "fake",
            "serial": SERIAL,
            "manufacturer_code": CODE,
            "image_type": MODEL >> 16,
            "hardware_version": MODEL & 0xFFFF,
            "device_type": policy.PPMID,
            "slot_bytes": 1 << 20,
            "security_counter": 0,
            "provisioned": True,
            "attempts": 0,
        } | facts
        self.running = running
        self.uploads = 0
        self.breaks: Exception | None = None
        self._staged: Image | None = None

    def _running_id(self) -> FirmwareId:
        file_version, image_hash = self.running
        return FirmwareId(file_version=file_version, image_hash=image_hash)

    def identity(self) -> Identity:
        slot = SlotReport(state=SlotState.CONFIRMED, firmware=self._running_id())
        return Identity(started=0, slots=(slot,), **self._facts)

    def upload(self, octets: bytes, progress: Any = None) -> None:
        self.uploads += 1
        if self.breaks:
            raise self.breaks
        loaded = ota_file.load(octets)
        assert loaded.manifest is not None
        reason = policy.check_manifest(
            loaded.header,
            loaded.manifest,
            loaded.image_bytes,
            loaded.image_hash,
            policy.RunningFirmware(*self.running),
            self.identity().facts,
        )
        self._verdict = Verdict(
            reason=Reason(reason),
            offered=FirmwareId(
                file_version=loaded.header.file_version, image_hash=loaded.image_hash
            ),
            running=self._running_id(),
            accepts=tuple(
                FirmwareId(file_version=v, image_hash=h) for v, h, _ in loaded.manifest.predecessors
            ),
            accepts_total=len(loaded.manifest.predecessors),
        )
        if reason != ACCEPTED:
            raise DeviceRefused(self._verdict)
        self._staged = loaded

    def wait_verified(self) -> Verdict:
        return self._verdict

    def activate(self, image_hash: bytes) -> None:
        assert self._staged is not None
        assert self._staged.image_hash == image_hash

    def reset(self) -> None:
        assert self._staged is not None
        assert self._staged.manifest is not None
        self.running = (self._staged.header.file_version, self._staged.image_hash)
        self._facts["security_counter"] = self._staged.manifest.security_counter

    def wait_outcome(self, wanted: bytes) -> Identity:
        return self.identity()


def same_but(entry: Entry, **changes: Any) -> Entry:
    return dataclasses.replace(entry, **changes)
