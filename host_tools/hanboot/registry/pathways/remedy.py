"""What to do about an image that a device refused, with a registry at hand.

A device knows what the image would follow, and names that. Only the registry knows whether the
device can ever get there: one that runs 2.0.0 and is offered 1.1.0 never comes to 1.0.0 again.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from hanboot.device.records import FirmwareId, Identity, Verdict
from hanboot.registry.entry import Entry, name
from hanboot.registry.pathways.graph import Pathways
from hanboot.registry.pathways.plan import NoPlan, Plan, load_pathways, plan
from hanboot.registry.pathways.state import state_of
from hanboot.registry.storage.store import Registry
from hanbootloader import policy, reasons

#: Refusals that another order may avoid.
_ORDER = (*policy.PATHWAY, reasons.SECURITY_COUNTER)


@dataclass(frozen=True)
class Remedy:
    """How to get to what was refused, as the registry knows it.

    Attributes:
        there: to the offered firmware; or, where the registry does not list it, to one that it
            would follow.
        is_listed: whether the registry lists the offered firmware.
        newest: where there is no way: to the newest of the model.
    """

    there: Plan | NoPlan
    is_listed: bool
    newest: Plan | NoPlan | None = None

    @property
    def text(self) -> str:
        """One line for people."""
        if isinstance(self.there, Plan):
            if self.is_listed:
                return f"the way there: {_steps(self.there)}"
            return f"first {_steps(self.there)}; the registry does not list the image itself"
        text = f"no safe way leads there: {self.there.why}"
        if isinstance(self.newest, Plan):
            if self.newest.steps:
                return f"{text}; to the newest leads {_steps(self.newest)}"
            return f"{text}; the device runs the newest already: leave it"
        return f"{text}; nothing newer can be reached safely either: leave the device as it is"

    def as_json(self) -> dict[str, Any]:
        return {
            "listed": self.is_listed,
            "there": self.there.as_json(),
            "newest": self.newest.as_json() if self.newest else None,
            "text": self.text,
        }


def way_to_refused(
    registry: Registry, identity: Identity, verdict: Verdict, day: datetime.date | None = None
) -> Remedy | None:
    """The way to a firmware that a device refused.

    Returns:
        None where the order is not what it was refused for, or where the registry lists neither
        the firmware nor any that it would follow.
    """
    if verdict.reason not in _ORDER:
        return None
    state = state_of(identity)
    pathways = load_pathways(registry, state.model, day)
    offered = _listed(pathways, (verdict.offered,))
    targets = offered or _listed(pathways, verdict.accepts)
    if not targets:
        return None
    there = plan(pathways, state, targets)
    if isinstance(there, Plan):
        # what the image accepts runs already, and still it was refused
        return Remedy(there, bool(offered)) if there.steps else None
    return Remedy(there, bool(offered), plan(pathways, state, pathways.newest))


def _listed(pathways: Pathways, firmwares: tuple[FirmwareId, ...]) -> list[Entry]:
    """The entries of some firmwares; of all builds of a version where no hash is known."""
    return [
        entry
        for entry in pathways.entries
        for firmware in firmwares
        if entry.firmware_version == firmware.file_version
        and firmware.image_hash in (None, entry.image_hash)
    ]


def _steps(found: Plan) -> str:
    return " -> ".join(name(step) for step in found.steps)
