"""The predecessors of a release: from CPL Entry IDs to (File Version, Manufacturer Image Hash).

What RELEASE.toml says beside an ID must be what the registry says, so that neither is a second
truth. An entry that is not Active is refused unless RELEASE.toml says `withdrawn = true` of it: as
a rule no path should lead over it, but devices that run it already need a way off.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from hanboot.errors import BadFile
from hanboot.explain.versions import hardware_text, version_text
from hanboot.image.release import Predecessor, PredecessorReference, Release
from hanboot.registry.entry import Entry
from hanboot.registry.pathways.graph import today
from hanboot.registry.storage.store import Registry


def resolve(
    registry: Registry,
    release: Release,
    named: Sequence[PredecessorReference],
    day: datetime.date | None = None,
) -> tuple[Predecessor, ...]:
    """What the registry says of the predecessors that RELEASE.toml names.

    One firmware that is listed under several IDs becomes one predecessor, with the first of them.

    Args:
        release: for the model, the hardware range and the release's own CPL Entry ID.
        day: on which a status counts; None is today.

    Raises:
        BadFile: the registry does not hold one of them, says something else of it, or it is no
            predecessor for this release.
    """
    found = registry.find(n.cpl_entry_id for n in named if n.cpl_entry_id)
    resolved: dict[tuple[int, bytes | None], Predecessor] = {}
    for wanted in named:
        if wanted.cpl_entry_id is None:
            predecessor = wanted.stated()
        else:
            entry = found.get(wanted.cpl_entry_id)
            if entry is None:
                raise _unusable(
                    release,
                    wanted.cpl_entry_id,
                    f"the registry {registry.database.name} does not hold it",
                    "correct the CPL Entry ID, or import its row first",
                )
            _check(release, wanted, entry, day or today())
            predecessor = Predecessor(entry.firmware_version, entry.image_hash, entry.cpl_entry_id)
        resolved.setdefault((predecessor.file_version, predecessor.image_hash), predecessor)
    return tuple(resolved.values())


def _check(
    release: Release, wanted: PredecessorReference, entry: Entry, day: datetime.date
) -> None:
    """Whether an entry may be a predecessor, and is what RELEASE.toml says of it."""
    name, model = entry.cpl_entry_id, entry.model
    if name == release.cpl_entry_id:
        raise _unusable(
            release, name, "it is the release itself", "name firmware that was there before"
        )
    if (model.manufacturer_code, model.image_type) != (
        release.manufacturer_code,
        release.image_type,
    ):
        raise _unusable(
            release,
            name,
            f"it is of another model: manufacturer code 0x{model.manufacturer_code:04X}, image "
            f"type 0x{model.image_type:04X}",
            "name an entry of the same model",
        )
    low, high = release.hardware
    if not low <= model.hardware_version <= high:
        raise _unusable(
            release,
            name,
            f"it is for hardware {hardware_text(model.hardware_version)}, the release for "
            f"{hardware_text(low)} to {hardware_text(high)}",
            "name an entry for this hardware, or fix image.hardware",
        )
    if wanted.file_version not in (None, entry.firmware_version):
        assert wanted.file_version is not None
        raise _unusable(
            release,
            name,
            f"RELEASE.toml gives it {version_text(wanted.file_version)}, the registry "
            f"{version_text(entry.firmware_version)}",
            "leave file_version out, or correct whichever is wrong",
        )
    if wanted.image_hash not in (None, entry.image_hash):
        raise _unusable(
            release,
            name,
            f"the registry gives it another hash: {entry.image_hash.hex()}",
            "leave hash out, or correct whichever is wrong",
        )
    status = entry.status_on(day)
    # a release that is built together with its predecessor comes before both are listed
    if status not in ("Active", "Not yet listed") and not wanted.withdrawn:
        raise _unusable(
            release,
            name,
            f"it is {status}, so devices should not be led over it",
            "name another; or withdrawn = true beside it gives devices that run it a way off",
        )


def _unusable(release: Release, name: str, why: str, what_to_do: str) -> BadFile:
    return BadFile(f"{release.file}: {name} cannot be a predecessor", why, what_to_do)
