"""Which entry of a model may follow which, as the device would decide.

An entry's row, its predecessors resolved from CPL Entry IDs to (File Version, Manufacturer Image
Hash), is the manifest that its image must carry; `hanbootloader.policy.check_pathway` decides on it
just as on a device. There is no second copy of the rules here: what is looked up by version before
is only a choice of whom to ask about.

A device that confirmed an entry has raised its security counter to the entry's, and an image below
its counter is refused; so from the first step on, the counter follows from the entry that runs.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import networkx as nx

from hanboot.registry.entry import Entry, Model
from hanbootloader.image.manifest import Manifest
from hanbootloader.policy import RunningFirmware, check_pathway
from hanbootloader.reasons import ACCEPTED

#: A predecessor as a manifest holds it.
Predecessor = tuple[int, bytes | None, str | None]


class Pathways:
    """The entries of one model, and the steps between them.

    Args:
        entries: all entries of the model.
        elsewhere: entries of other models that these name as predecessors, by CPL Entry ID.
        day: on which a status counts.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        elsewhere: Mapping[str, Entry] | None = None,
        day: datetime.date | None = None,
    ) -> None:
        self.day = day or today()
        self.entries = tuple(
            sorted(entries, key=lambda e: (e.firmware_version, e.cpl_entry_id)),
        )
        self.by_id = {entry.cpl_entry_id: entry for entry in self.entries}
        self.elsewhere = elsewhere or {}
        self._manifests = {
            entry.cpl_entry_id: entry.manifest(self.resolve(entry.predecessors))
            for entry in self.entries
            if entry.predecessors is not None
        }

    @property
    def model(self) -> Model | None:
        return self.entries[0].model if self.entries else None

    def named(self, cpl_entry_id: str) -> Entry | None:
        """The entry behind a CPL Entry ID, of whichever model; None if the registry lacks it."""
        return self.by_id.get(cpl_entry_id) or self.elsewhere.get(cpl_entry_id)

    def resolve(self, ids: Iterable[str]) -> tuple[Predecessor, ...]:
        """Predecessors as a manifest names them; IDs that the registry lacks are left out."""
        found = (self.named(name) for name in ids)
        return tuple((e.firmware_version, e.image_hash, e.cpl_entry_id) for e in found if e)

    def manifest(self, entry: Entry) -> Manifest | None:
        """What the entry's image says of its pathway; None where predecessors are not stated."""
        return self._manifests.get(entry.cpl_entry_id)

    def decide(
        self, entry: Entry, running: RunningFirmware | None, security_counter: int
    ) -> int | None:
        """The device's reason code for `entry` over what runs; None if nothing is stated."""
        manifest = self._manifests.get(entry.cpl_entry_id)
        if manifest is None:
            return None
        return check_pathway(manifest, entry.image_hash, running, security_counter)

    def accepting(self, running: RunningFirmware | None, security_counter: int) -> list[Entry]:
        """The entries that a device in this state takes, newest first, whatever their status."""
        return [
            entry
            for entry in reversed(self.entries)
            if self.decide(entry, running, security_counter) == ACCEPTED
        ]

    # --- the graph

    @cached_property
    def permitted(self) -> Any:
        """All steps that devices take: a networkx.DiGraph of CPL Entry IDs."""
        graph = nx.DiGraph()
        graph.add_nodes_from(self.by_id)
        by_version: dict[int, list[Entry]] = {}
        for entry in self.entries:
            by_version.setdefault(entry.firmware_version, []).append(entry)
        edges = []
        # newest first, as `ways_to` wants it
        for entry in reversed(self.entries):
            manifest = self._manifests.get(entry.cpl_entry_id)
            if manifest is None:
                continue
            image_hash, target = entry.image_hash, entry.cpl_entry_id
            for version in {predecessor[0] for predecessor in manifest.predecessors}:
                for source in by_version.get(version, ()):
                    reason = check_pathway(manifest, image_hash, source.firmware, source.counter)
                    if reason == ACCEPTED:
                        edges.append((source.cpl_entry_id, target))
        graph.add_edges_from(edges)
        return graph

    @cached_property
    def safe(self) -> Any:
        """The steps that may be distributed too: those to entries that are Active."""
        if all(self.is_active(entry) for entry in self.entries):
            return self.permitted
        graph = nx.DiGraph()
        graph.add_nodes_from(self.permitted)
        graph.add_edges_from(
            (source, target)
            for source, target in self.permitted.edges
            if self.is_active(self.by_id[target])
        )
        return graph

    def is_active(self, entry: Entry) -> bool:
        return entry.is_active(self.day)

    @cached_property
    def newest(self) -> tuple[Entry, ...]:
        """The Active entries of the highest version; several where it has several hashes."""
        active = [entry for entry in self.entries if self.is_active(entry)]
        highest = max((entry.firmware_version for entry in active), default=None)
        return tuple(entry for entry in active if entry.firmware_version == highest)

    @cached_property
    def to_newest(self) -> dict[str, list[str]]:
        """For each entry that reaches a newest one, the way there, itself included."""
        return self.ways_to(self.newest)

    def ways_to(self, targets: Iterable[Entry]) -> dict[str, list[str]]:
        """For each entry that reaches one of `targets` by safe steps, the shortest way there.

        Of equally short ways each step is the newest that leads on.
        """
        # a firmware that is listed again under another ID is there already
        there = {target.identity for target in targets}
        distances: dict[str, int] = {}
        for entry in self.entries:
            if entry.identity in there:
                paths = nx.single_target_shortest_path(self.safe, entry.cpl_entry_id)
                for name, path in paths.items():
                    distances[name] = min(len(path) - 1, distances.get(name, len(path)))
        ways: dict[str, list[str]] = {}
        for name in sorted(distances, key=distances.__getitem__):
            if not distances[name]:
                ways[name] = [name]
                continue
            # steps from an entry are in the order of the graph, newest first
            onward = next(
                step
                for step in self.safe.successors(name)
                if distances.get(step) == distances[name] - 1
            )
            ways[name] = [name, *ways[onward]]
        return ways


def today() -> datetime.date:
    return datetime.datetime.now(datetime.UTC).date()
