"""From a plan to the images that a device is sent, in order; for `hanboot upgrade --plan`."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hanboot.device.records import Identity
from hanboot.errors import BadFile, CheckFailed
from hanboot.image import ota_file
from hanboot.image.ota_file import Image
from hanboot.registry.entry import Entry, name
from hanboot.registry.pathways.plan import LATEST, NoPlan, Plan, plan_for_device
from hanboot.registry.pathways.state import state_of
from hanboot.registry.storage.store import Registry


@dataclass(frozen=True)
class WalkStep:
    """One step: the entry, and the image that has its hash."""

    entry: Entry
    image: Image


def plan_upgrade(
    registry: Registry, identity: Identity, to: str = LATEST, day: datetime.date | None = None
) -> Plan:
    """The plan for a device; without steps if it is there already.

    Raises:
        CheckFailed: there is no safe path, or an image is on trial, so that it is not known yet
            what will run.
    """
    if identity.slot("trial"):
        raise CheckFailed(
            "nothing can be planned yet",
            "an image is on trial: it may be confirmed or reverted",
            "wait for the end of the trial, then try again",
        )
    answer = plan_for_device(registry, state_of(identity), to, day)
    if isinstance(answer, NoPlan):
        raise answer.refusal()
    return answer


def find_images(plan: Plan, files: Iterable[Path]) -> list[WalkStep]:
    """The image of each step, found by its Manufacturer Image Hash and nothing else.

    Args:
        files: image files, or folders with them.

    Raises:
        BadFile: one is missing.
    """
    found = _found(plan, files)
    for step in _missing(plan, found):
        contact = f"; contact: {step.contact}" if step.contact else ""
        raise BadFile(
            f"the image of {name(step)} is missing",
            f"no file has the Manufacturer Image Hash {step.image_hash.hex()}",
            f"get it from the manufacturer and add it{contact}",
        )
    return [WalkStep(step, found[step.image_hash]) for step in plan.steps]


def missing_images(plan: Plan, files: Iterable[Path]) -> list[Entry]:
    """The steps whose image is not among the files."""
    return _missing(plan, _found(plan, files))


def _missing(plan: Plan, found: Mapping[bytes, Image]) -> list[Entry]:
    return [step for step in plan.steps if step.image_hash not in found]


def _found(plan: Plan, files: Iterable[Path]) -> dict[bytes, Image]:
    wanted = {step.image_hash for step in plan.steps}
    found: dict[bytes, Image] = {}
    for path in _all(files):
        if wanted <= found.keys():
            break
        try:
            loaded = ota_file.load(path)
        except BadFile:
            # a folder holds other files too
            continue
        found.setdefault(loaded.image_hash, loaded)
    return found


def _all(files: Iterable[Path]) -> Iterable[Path]:
    for path in files:
        if path.is_dir():
            yield from sorted(file for file in path.iterdir() if file.is_file())
        else:
            yield path
