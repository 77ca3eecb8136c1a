"""The shortest safe path: what to send to a device, in which order.

Safe means that each step is Active on the CPL and that the device, by its own decision, takes it
over what the step before left. Where the device's hash is not known (a meter reports only its
version), the first step must be right for every firmware of that version.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import networkx as nx

from hanboot.errors import CheckFailed
from hanboot.explain.reasons import explain
from hanboot.registry.entry import Entry, Model, name
from hanboot.registry.pathways.graph import Pathways
from hanboot.registry.pathways.start import start_state
from hanboot.registry.pathways.state import DeviceState
from hanboot.registry.storage.store import Registry
from hanbootloader import reasons
from hanbootloader.policy import RunningFirmware

LATEST = "latest"


@dataclass(frozen=True)
class Plan:
    """A path. steps: what to send, in order; empty if the device is there already."""

    start: str
    target: Entry
    steps: tuple[Entry, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "found": True,
            "from": self.start,
            "to": entry_json(self.target),
            "steps": [entry_json(step) for step in self.steps],
        }


@dataclass(frozen=True)
class NoPlan:
    """There is no safe path.

    Attributes:
        start: what the device runs, in words.
        wanted: the target, in words.
        why: the cause, one line.
        code: what the cause is called.
        nearest: the way to the newest entry that can be reached; empty if none is newer.
        accepts: what the target would follow.
    """

    start: str
    wanted: str
    why: str
    code: str
    nearest: tuple[Entry, ...] = ()
    accepts: tuple[Entry, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "found": False,
            "from": self.start,
            "to": self.wanted,
            "code": self.code,
            "why": self.why,
            "nearest": [entry_json(step) for step in self.nearest],
            "accepts": [entry_json(entry) for entry in self.accepts],
        }

    def refusal(self) -> CheckFailed:
        """The same as an error."""
        nearest = " -> ".join(name(step) for step in self.nearest)
        accepted = " or ".join(name(entry) for entry in self.accepts)
        remedy = [
            f"the nearest that can be reached: {nearest}"
            if nearest
            else "nothing newer can be reached safely: leave it as it is",
            f"the target follows only {accepted}" if accepted else "",
        ]
        return CheckFailed(
            f"there is no safe path from {self.start} to {self.wanted}",
            self.why,
            "; ".join(line for line in remedy if line),
        )


def remarks(entry: Entry) -> list[str]:
    """What is to be known before the entry is sent, a line each."""
    lines = [
        f"known as {entry.common_name}" if entry.common_name else "",
        "no way back once it is confirmed" if entry.point_of_no_return else "",
        f"commercially released: ask {entry.contact or 'the manufacturer'}"
        if entry.release_kind == "commercial"
        else "",
        f"release notes: {entry.release_notes}" if entry.release_notes else "",
    ]
    return [line for line in lines if line]


def entry_json(entry: Entry) -> dict[str, Any]:
    return {
        "cpl_entry_id": entry.cpl_entry_id,
        "file_version": entry.firmware_version,
        "file_version_hex": entry.version_text,
        "hash": entry.image_hash.hex(),
        "common_name": entry.common_name,
        "release_kind": entry.release_kind,
        "contact": entry.contact,
        "release_notes": entry.release_notes,
        "point_of_no_return": bool(entry.point_of_no_return),
    }


# --- with a registry


def plan_for_device(
    registry: Registry, state: DeviceState, to: str = LATEST, day: datetime.date | None = None
) -> Plan | NoPlan:
    """The path for a device.

    Args:
        to: CPL Entry ID of the target, or "latest".
        day: on which the status of entries counts; None is today.
    """
    pathways = load_pathways(registry, state.model, day)
    wanted = "the newest entry" if to == LATEST else to
    if not pathways.entries:
        return NoPlan(
            state.text, wanted, f"the registry lists no model {state.model}", "unknown-model"
        )
    listed = pathways.entries[0].device_type
    if state.device_type and state.device_type != listed:
        return NoPlan(
            state.text,
            wanted,
            f"the registry lists {state.model} as {listed}, the device is {state.device_type}",
            "device-type",
        )
    return plan(pathways, state, _targets(registry, pathways, to))


def plan_between(
    registry: Registry,
    start: str,
    to: str = LATEST,
    day: datetime.date | None = None,
    model: Model | None = None,
) -> Plan | NoPlan:
    """The path from one firmware to another.

    Args:
        start: CPL Entry ID of what runs, its version, or its Manufacturer Image Hash.
        to: CPL Entry ID of the target, or "latest".
        model: of the device, where the version or hash is listed for several.

    Raises:
        WrongUsage: there is no such entry, or there are several models that it may be of.
    """
    state = start_state(registry, start, model)
    pathways = load_pathways(registry, state.model, day)
    return plan(pathways, state, _targets(registry, pathways, to))


def load_pathways(registry: Registry, model: Model, day: datetime.date | None = None) -> Pathways:
    """The pathways of one model; without entries if the registry has none."""
    own, elsewhere = registry.of_one_model(model)
    return Pathways(own, elsewhere, day)


def _targets(registry: Registry, pathways: Pathways, to: str) -> tuple[Entry, ...]:
    if to == LATEST:
        return pathways.newest
    return (pathways.by_id.get(to) or registry.entry(to),)


# --- the search


def plan(pathways: Pathways, state: DeviceState, targets: Sequence[Entry]) -> Plan | NoPlan:
    """The shortest safe path from a state to one of the targets."""
    candidates = _candidates(pathways, state)
    there = {target.identity: target for target in targets}
    arrived = [there.get(_identity(firmware) or (-1, b"")) for firmware in candidates]
    if arrived and arrived[0] and all(arrived):
        return Plan(state.text, arrived[0], ())

    first = _first_steps(pathways, candidates, state.security_counter)
    steps = _shortest(pathways, first, targets)
    if steps:
        return Plan(state.text, steps[-1], steps)
    return _no_plan(pathways, state, candidates, targets, first)


def _shortest(
    pathways: Pathways, first: Sequence[Entry], targets: Iterable[Entry]
) -> tuple[Entry, ...]:
    """The shortest way over one of the first steps; empty if there is none."""
    ways = pathways.ways_to(targets)
    found = [ways[entry.cpl_entry_id] for entry in first if entry.cpl_entry_id in ways]
    # the first of equally short ones, which is the newest
    return tuple(pathways.by_id[step] for step in min(found, key=len)) if found else ()


def _identity(firmware: RunningFirmware | None) -> tuple[int, bytes] | None:
    return (firmware.file_version, firmware.image_hash) if firmware else None


def _candidates(pathways: Pathways, state: DeviceState) -> list[RunningFirmware | None]:
    """What may be running: one firmware, or all of the version where the hash is not known."""
    if state.running is None:
        return [None]
    version, image_hash = state.running
    if image_hash is not None:
        return [RunningFirmware(version, image_hash)]
    hashes = {e.image_hash for e in pathways.entries if e.firmware_version == version}
    return [RunningFirmware(version, image_hash) for image_hash in sorted(hashes)]


def _first_steps(
    pathways: Pathways, candidates: Sequence[RunningFirmware | None], security_counter: int
) -> list[Entry]:
    """The Active entries that a device takes as it is now, whichever candidate it runs."""
    accepted = [pathways.accepting(firmware, security_counter) for firmware in candidates]
    return [
        entry
        for entry in (accepted[0] if accepted else ())
        if pathways.is_active(entry) and all(entry in others for others in accepted)
    ]


# --- why there is none


def _no_plan(
    pathways: Pathways,
    state: DeviceState,
    candidates: Sequence[RunningFirmware | None],
    targets: Sequence[Entry],
    first: Sequence[Entry],
) -> NoPlan:
    code, why = _why(pathways, state, candidates, targets)
    version = state.running[0] if state.running else -1
    newer = [entry for entry in _reached(pathways, first) if entry.firmware_version > version]
    best = max(newer, key=lambda e: (e.firmware_version, e.cpl_entry_id), default=None)
    nearest = _shortest(pathways, first, [best]) if best else ()
    named = (pathways.named(i) for target in targets[:1] for i in target.predecessors or ())
    accepts = tuple(entry for entry in named if entry)
    wanted = " or ".join(name(target) for target in targets) or "the newest entry"
    return NoPlan(state.text, wanted, why, code, nearest, accepts)


def _why(
    pathways: Pathways,
    state: DeviceState,
    candidates: Sequence[RunningFirmware | None],
    targets: Sequence[Entry],
) -> tuple[str, str]:
    """The first cause that explains it: (code, one line)."""
    if not targets:
        return "no-active-entry", "no entry of the model is Active"
    target = targets[0]
    if target.model != pathways.model:
        return "foreign-target", f"{name(target)} is of another model, {target.model}"
    if not pathways.is_active(target):
        return "not-active", f"{name(target)} is {target.status_on(pathways.day)}"
    known = {entry.identity for entry in pathways.entries}
    if not candidates or any(
        firmware and _identity(firmware) not in known for firmware in candidates
    ):
        return "unknown-firmware", "the registry does not hold what the device runs"
    if len(candidates) > 1 and _each_has_a_way(pathways, candidates, state, targets):
        return (
            "ambiguous-version",
            f"{len(candidates)} firmwares have this version and need different steps: "
            "read the device's Manufacturer Image Hash",
        )
    if target.predecessors is None:
        return "unprovable", f"the predecessors of {name(target)} are not stated"

    starts = [e for e in pathways.entries if e.identity in {_identity(c) for c in candidates}]
    for start in starts[:1]:
        if inactive := _inactive_on_the_way(pathways, start, target):
            status = inactive.status_on(pathways.day)
            return "not-active", f"the way leads over {name(inactive)}, which is {status}"
        if unstated := _unstated_on_the_way(pathways, start, target):
            return "unprovable", f"the predecessors of {name(unstated)} are not stated"
        if not any(True for _ in pathways.safe.successors(start.cpl_entry_id)):
            return _dead_end(pathways, start, state.security_counter)
    reason = pathways.decide(target, candidates[0], state.security_counter)
    if reason in (None, reasons.ACCEPTED, reasons.NOT_A_PREDECESSOR):
        return "no-way", f"no steps lead to one that {name(target)} may follow"
    words = explain(reason)
    return words.name, words.meaning


def _dead_end(pathways: Pathways, start: Entry, security_counter: int) -> tuple[str, str]:
    """Why nothing leads on from `start`: it is not named, or what names it is refused."""
    for entry in reversed(pathways.entries):
        manifest = pathways.manifest(entry)
        if manifest is None or not pathways.is_active(entry):
            continue
        if start.identity in {(version, digest) for version, digest, _ in manifest.predecessors}:
            words = explain(pathways.decide(entry, start.firmware, security_counter) or 0)
            return words.name, f"{name(entry)} names it, but would be refused: {words.meaning}"
    return "dead-end", f"no Active entry names {name(start)} as one that it may follow"


def _each_has_a_way(
    pathways: Pathways,
    candidates: Sequence[RunningFirmware | None],
    state: DeviceState,
    targets: Sequence[Entry],
) -> bool:
    there = {target.identity for target in targets}
    return all(
        _identity(firmware) in there
        or _shortest(pathways, _first_steps(pathways, [firmware], state.security_counter), targets)
        for firmware in candidates
    )


def _reached(pathways: Pathways, first: Sequence[Entry]) -> list[Entry]:
    """Everything that can be reached over one of the first steps."""
    names = {entry.cpl_entry_id for entry in first}
    for entry in first:
        names |= nx.descendants(pathways.safe, entry.cpl_entry_id)
    return [entry for entry in pathways.entries if entry.cpl_entry_id in names]


def _inactive_on_the_way(pathways: Pathways, start: Entry, target: Entry) -> Entry | None:
    """The first entry on a way that devices would take but that may not be distributed."""
    graph = pathways.permitted
    if not nx.has_path(graph, start.cpl_entry_id, target.cpl_entry_id):
        return None
    path = nx.shortest_path(graph, start.cpl_entry_id, target.cpl_entry_id)
    steps = (pathways.by_id[step] for step in path[1:])
    return next((step for step in steps if not pathways.is_active(step)), None)


def _unstated_on_the_way(pathways: Pathways, start: Entry, target: Entry) -> Entry | None:
    """An entry that would open a way if it could follow `start` or what can be reached."""
    reached = {start.cpl_entry_id} | nx.descendants(pathways.safe, start.cpl_entry_id)
    helpful = {target.cpl_entry_id} | nx.ancestors(pathways.safe, target.cpl_entry_id)
    for entry in pathways.entries:
        if entry.predecessors is None and entry.cpl_entry_id in helpful - reached:
            return entry
    return None
