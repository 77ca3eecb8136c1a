"""An image against its row: the registry and the image must say the same thing.

The lists are compared by what they do: for every entry of the model, the device's decision on the
image must be the decision on the row. So a list by version, by hash or by CPL Entry ID all count
for what they let through.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hanboot.errors import CheckFailed
from hanboot.explain.reasons import explain
from hanboot.explain.versions import hardware_text
from hanboot.image.ota_file import Image
from hanboot.registry.entry import Entry, Model, name
from hanboot.registry.fields import BY_NAME
from hanboot.registry.pathways.graph import Pathways, Predecessor
from hanboot.registry.storage.entries import find_entries, read_entries
from hanboot.registry.storage.schema import ENTRY
from hanbootloader.image.manifest import Manifest
from hanbootloader.policy import check_pathway
from hanbootloader.reasons import ACCEPTED


@dataclass(frozen=True)
class Difference:
    """Where an image and its row do not say the same. code: what it is about."""

    code: str
    text: str


@dataclass(frozen=True)
class Comparison:
    """An image beside one row. notes: what could not be compared, or is worth knowing."""

    entry: Entry
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]


class ImageDiffers(CheckFailed):
    """An image and its rows do not say the same."""

    def __init__(
        self, compared: Sequence[Comparison], what: str, why: str, what_to_do: str
    ) -> None:
        self.compared = list(compared)
        super().__init__(what, why, what_to_do)


def refuse_differences(image: Image, compared: Sequence[Comparison]) -> None:
    """Raises ImageDiffers if any row differs from the image."""
    for comparison in compared:
        if comparison.differences:
            first = comparison.differences[0]
            more = len(comparison.differences) - 1
            raise ImageDiffers(
                compared,
                f"{image.name} and the row {name(comparison.entry)} do not say the same",
                first.text + (f" (and {more} more)" if more else ""),
                "correct the row, or build the image again",
            )


def compare(connection: Connection, image: Image, entry: Entry) -> Comparison:
    """Everything in which an image and a row differ."""
    found = [
        *_compare_header(image, entry),
        *_compare_type(connection, entry),
    ]
    notes: list[str] = []
    if image.manifest is None:
        notes.append(f"{image.assumption}; it carries no list, so none was compared")
    else:
        found += _compare_manifest(image.manifest, entry)
        pathways = _pathways(connection, entry.model)
        found += _compare_lists(image, image.manifest, entry, pathways)
        unhashed = [v for v, digest, _ in image.manifest.predecessors if digest is None]
        notes += [
            f"the image names {version:08X} without a hash: any firmware of that version will do"
            for version in unhashed
        ]
    return Comparison(entry, tuple(found), tuple(notes))


def _compare_header(image: Image, entry: Entry) -> Iterator[Difference]:
    header, model = image.header, entry.model
    pairs = (
        ("manufacturer", "manufacturer code", header.manufacturer_code, entry.manufacturer_code, 4),
        ("image-type", "image type", header.image_type, model.image_type, 4),
        ("version", "version", header.file_version, entry.firmware_version, 8),
    )
    for code, what, ours, theirs, digits in pairs:
        if ours != theirs:
            yield Difference(
                code, f"the image's {what} is {ours:0{digits}X}, the row's {theirs:0{digits}X}"
            )
    if image.image_hash != entry.image_hash:
        yield Difference(
            "hash",
            f"the image's hash is {image.image_hash.hex()}, the row's {entry.image_hash.hex()}",
        )
    low, high = header.hardware
    if not low <= model.hardware_version <= high:
        yield Difference(
            "hardware",
            f"the image is for hardware {hardware_text(low)} to {hardware_text(high)}, "
            f"the row for {hardware_text(model.hardware_version)}",
        )


def _compare_type(connection: Connection, entry: Entry) -> Iterator[Difference]:
    """No image says its device type; the registry says it of the same image type."""
    query = (
        sa.select(ENTRY.c.cpl_entry_id, ENTRY.c.device_type, ENTRY.c.device_model)
        .where(ENTRY.c.manufacturer_code == entry.manufacturer_code)
        .where(ENTRY.c.device_type != entry.device_type)
        .order_by(ENTRY.c.cpl_entry_id)
    )
    for other, device_type, device_model in connection.execute(query):
        if Model(entry.manufacturer_code, device_model).image_type == entry.model.image_type:
            yield Difference(
                "device-type",
                f"the row says {entry.device_type}, and {other} of the same image type says "
                f"{device_type}",
            )
            return


def _compare_manifest(manifest: Manifest, entry: Entry) -> Iterator[Difference]:
    if manifest.cpl_entry_id and manifest.cpl_entry_id != entry.cpl_entry_id:
        yield Difference(
            "entry-id",
            f"the image calls itself {manifest.cpl_entry_id}, the row {entry.cpl_entry_id}",
        )
    for key, ours in (
        ("minimum_base_version", manifest.minimum_base_version),
        ("security_counter", manifest.security_counter),
        ("point_of_no_return", manifest.point_of_no_return),
    ):
        theirs = getattr(entry, key)
        column = BY_NAME[key]
        if theirs is not None and theirs != ours:
            yield Difference(
                key.replace("_", "-"),
                f"{column.heading}: the image says {column.show(ours)}, the row "
                f"{column.show(theirs)}",
            )


def _pathways(connection: Connection, model: Model) -> Pathways:
    own = list(
        read_entries(
            connection,
            sa.and_(
                ENTRY.c.manufacturer_code == model.manufacturer_code,
                ENTRY.c.device_model == model.device_model,
            ),
        )
    )
    named = {i for entry in own for i in entry.predecessors or ()}
    elsewhere = find_entries(connection, named - {entry.cpl_entry_id for entry in own})
    return Pathways(own, elsewhere)


def _compare_lists(
    image: Image, manifest: Manifest, entry: Entry, pathways: Pathways
) -> Iterator[Difference]:
    if entry.predecessors is None:
        yield Difference("list", "the row does not state the predecessors that the image names")
        return
    row = pathways.manifest(entry)
    assert row is not None
    # what the row leaves open counts as the image says it
    row.minimum_base_version = manifest.minimum_base_version
    row.security_counter = manifest.security_counter
    for other in pathways.entries:
        if other.identity in (entry.identity, (manifest.file_version, image.image_hash)):
            continue
        by_image = check_pathway(manifest, image.image_hash, other.firmware, other.counter)
        by_row = check_pathway(row, entry.image_hash, other.firmware, other.counter)
        if by_image == ACCEPTED != by_row:
            yield Difference(
                "list", f"the image may follow {name(other)}, which the row does not name"
            )
        elif by_row == ACCEPTED != by_image:
            reason = explain(by_image).name
            yield Difference("list", f"the row names {name(other)}, the image refuses it: {reason}")
    if bool(manifest.predecessors) != bool(entry.predecessors):
        states = "a first version" if entry.predecessors else "an upgrade"
        yield Difference("list", f"the image is {states}, the row says otherwise")
    for missing in entry.predecessors:
        if pathways.named(missing) is None:
            yield Difference("list", f"the row names {missing}, which the registry does not hold")
    yield from _unknown(manifest.predecessors, pathways, row.predecessors)


def _unknown(
    named: Iterable[Predecessor], pathways: Pathways, row: Iterable[Predecessor]
) -> Iterator[Difference]:
    """Predecessors of the image that no entry stands for."""
    known = {entry.identity for entry in pathways.entries} | {(v, h) for v, h, _ in row}
    for version, digest, entry_id in named:
        held = pathways.named(entry_id) if entry_id else None
        if not any(v == version and digest in (None, h) for v, h in known):
            yield Difference(
                "list",
                f"the image names {entry_id or ''} {version:08X}".replace("  ", " ")
                + (f" with hash {digest.hex()[:16]}…" if digest else "")
                + ", which the registry does not hold",
            )
        elif held and (held.firmware_version != version or digest not in (None, held.image_hash)):
            yield Difference(
                "list",
                f"the image gives {entry_id} another version or hash than the registry does",
            )
