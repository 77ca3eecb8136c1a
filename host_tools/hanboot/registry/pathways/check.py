"""Proof over a whole registry: what is wrong with it, each finding with a code and its rows.

An error is something that loses a device or makes a pathway unusable; a warning is something that
cannot be proved or will surprise; a note is good to know.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import networkx as nx
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hanboot.registry.entry import Entry, Model, name
from hanboot.registry.pathways.graph import Pathways, today
from hanboot.registry.pathways.plan import plan
from hanboot.registry.pathways.screen import models_to_check
from hanboot.registry.pathways.state import DeviceState
from hanboot.registry.progress import Progress
from hanboot.registry.storage import never_in_field
from hanboot.registry.storage.entries import of_model
from hanboot.registry.storage.schema import ENTRY
from hanboot.registry.storage.store import Registry

Severity = Literal["error", "warning", "note"]

#: What each code means, for documents and --help.
CODES = {
    "stranded": "a device with this entry cannot reach the newest of its model",
    "cycle-without-exit": "entries that lead only to each other",
    "missing-reference": "it names a predecessor that the registry does not hold",
    "foreign-reference": "it names a predecessor of another model",
    "withdrawn-reference": "it names a predecessor that may not be distributed any more",
    "names-itself": "it names itself as predecessor",
    "contradiction": "entries that cannot all be right",
    "unprovable": "its predecessors are not stated, so nothing about its pathway can be proved",
    "one-way-door": "a step from which there is no way back, or none on to the newest",
    "ambiguous-version": "the version alone does not tell which firmware it is",
    "duplicate-entry": "one firmware of one model under several CPL Entry IDs",
    "join-option": "the join option is missing (MP231)",
    "no-active-entry": "no entry of the model may be distributed",
    "never-in-field": "it strands devices, and was stated to have never been in the field",
    "statement-void": "it was stated to have never been in the field, and a device reported it",
}


@dataclass(frozen=True)
class Finding:
    """One thing found. rows: CPL Entry IDs, the one that it is about first."""

    code: str
    severity: Severity
    model: Model
    rows: tuple[str, ...]
    text: str

    def as_json(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "severity": self.severity,
            "model": str(self.model),
            "rows": list(self.rows),
            "text": self.text,
        }


def check_registry(
    registry: Registry,
    day: datetime.date | None = None,
    model: Model | None = None,
    manufacturer: int | None = None,
    progress: Progress = lambda done, total: None,
) -> Iterator[Finding]:
    """All findings, model by model; the worst of a model first."""
    with registry.database.reading() as connection:
        statements = Statements(
            never_in_field.statements(connection), never_in_field.voided(connection)
        )
        contradictions = list(_one_hash_several_versions(connection, model, manufacturer))
        doubtful = {name for finding in contradictions for name in finding.rows}
        doubtful |= {*statements.holding, *statements.voided}
        where = of_model(model, manufacturer)
        models = list(models_to_check(connection, where, day or today(), doubtful))
    for done, (own, elsewhere) in enumerate(registry.of_models(models), 1):
        yield from check_model(Pathways(own, elsewhere, day), statements)
        progress(done, len(models))
    yield from contradictions


@dataclass(frozen=True)
class Statements:
    """Entries that were stated to have never been in the field.

    Attributes:
        holding: their CPL Entry IDs.
        voided: the device that contradicted it, by CPL Entry ID.
    """

    holding: frozenset[str] = frozenset()
    voided: Mapping[str, str] = field(default_factory=dict)


def check_model(pathways: Pathways, statements: Statements | None = None) -> list[Finding]:
    """The findings about one model."""
    check = _Check(pathways, statements or Statements())
    check.statements()
    check.references()
    check.contradictions()
    check.ways()
    check.cycles()
    check.one_way_doors()
    check.same_versions()
    check.not_stated()
    order = {"error": 0, "warning": 1, "note": 2}
    return sorted(check.findings, key=lambda finding: order[finding.severity])


class _Check:
    def __init__(self, pathways: Pathways, statements: Statements) -> None:
        self._ways = pathways
        self._statements = statements
        self._day = pathways.day
        self._entries = pathways.entries
        assert pathways.model is not None
        self._model: Model = pathways.model
        self.findings: list[Finding] = []

    def _add(self, code: str, severity: Severity, rows: Iterable[Entry | str], text: str) -> None:
        ids = tuple(row if isinstance(row, str) else row.cpl_entry_id for row in rows)
        self.findings.append(Finding(code, severity, self._model, ids, text))

    def _is_stuck(self, entry: Entry) -> bool:
        """Whether a device with the entry would be stuck; if it was in the field at all."""
        return self._is_dead_end(entry) and entry.cpl_entry_id not in self._statements.holding

    def _is_dead_end(self, entry: Entry) -> bool:
        return bool(self._ways.newest) and entry.cpl_entry_id not in self._ways.to_newest

    def statements(self) -> None:
        for entry in self._entries:
            if entry.cpl_entry_id in self._statements.holding and self._is_dead_end(entry):
                self._add(
                    "never-in-field",
                    "note",
                    [entry],
                    f"{name(entry)} would strand devices; it was stated to have never been in "
                    "the field",
                )
            if device := self._statements.voided.get(entry.cpl_entry_id):
                self._add(
                    "statement-void",
                    "warning",
                    [entry],
                    f"{name(entry)} was stated to have never been in the field, and the device "
                    f"{device} reported it",
                )

    # --- references

    def references(self) -> None:
        identities = {entry.identity for entry in self._entries}
        for entry in self._entries:
            for named in entry.predecessors or ():
                if named == entry.cpl_entry_id:
                    self._add("names-itself", "error", [entry], f"{name(entry)} names itself")
                    continue
                own = self._ways.by_id.get(named)
                if own:
                    if not self._ways.is_active(own):
                        self._withdrawn(entry, own)
                    continue
                foreign = self._ways.elsewhere.get(named)
                if foreign is None:
                    self._add(
                        "missing-reference",
                        "error",
                        [entry, named],
                        f"{name(entry)} names {named}, which the registry does not hold",
                    )
                # one image can be listed for several hardware versions
                elif foreign.identity not in identities:
                    self._add(
                        "foreign-reference",
                        "error",
                        [entry, foreign],
                        f"{name(entry)} names {name(foreign)}, which is of the model "
                        f"{foreign.model}",
                    )

    def _withdrawn(self, entry: Entry, named: Entry) -> None:
        status = named.status_on(self._day)
        text = f"{name(entry)} names {name(named)}, which is {status}"
        # a device that has no other way was to go over it
        relying = [
            source
            for source in self._ways.permitted.predecessors(named.cpl_entry_id)
            if self._is_stuck(self._ways.by_id[source])
        ]
        if relying and self._ways.is_active(entry):
            relying_text = ", ".join(sorted(relying))
            self._add(
                "withdrawn-reference",
                "error",
                [entry, named, *sorted(relying)],
                f"{text}: it cannot be sent, and {relying_text} had no other way",
            )
        else:
            self._add(
                "withdrawn-reference",
                "warning",
                [entry, named],
                f"{text}: only devices that run it already go this way",
            )

    def contradictions(self) -> None:
        types = sorted({entry.device_type for entry in self._entries})
        if len(types) > 1:
            self._add(
                "contradiction",
                "error",
                self._entries,
                f"the model is listed as {' and as '.join(types)}",
            )

    # --- ways

    def ways(self) -> None:
        """Every entry that may be in the field reaches the newest."""
        if not self._ways.newest:
            self._add("no-active-entry", "note", self._entries, "no entry of the model is Active")
            return
        stuck = [
            entry
            for entry in self._entries
            if self._is_stuck(entry) and entry.status_on(self._day) != "Not yet listed"
        ]
        if not stuck:
            return
        hopeful = self._with_unstated()
        newest = " or ".join(name(entry) for entry in self._ways.newest)
        for entry in stuck:
            if entry.cpl_entry_id in hopeful:
                self._add(
                    "unprovable",
                    "warning",
                    [entry, *self._ways.newest],
                    f"whether {name(entry)} reaches {newest} cannot be proved: the entries "
                    "between do not state their predecessors",
                )
            else:
                self._add(
                    "stranded",
                    "error",
                    [entry, *self._ways.newest],
                    f"{name(entry)} does not reach {newest}: {self._why(entry)}",
                )

    def _why(self, entry: Entry) -> str:
        state = DeviceState(
            self._model, entry.device_type, entry.identity, entry.counter, name(entry)
        )
        answer = plan(self._ways, state, self._ways.newest)
        return getattr(answer, "why", "")

    def _with_unstated(self) -> set[str]:
        """What would reach the newest if entries that state nothing could follow all older ones."""
        unstated = [e for e in self._entries if e.predecessors is None and self._ways.is_active(e)]
        if not unstated:
            return set()
        graph = self._ways.safe.copy()
        graph.add_edges_from(
            (older.cpl_entry_id, entry.cpl_entry_id)
            for entry in unstated
            for older in self._entries
            if older.firmware_version < entry.firmware_version
        )
        return {
            reached
            for entry in self._ways.newest
            for reached in nx.ancestors(graph, entry.cpl_entry_id)
        }

    def cycles(self) -> None:
        newest = {entry.cpl_entry_id for entry in self._ways.newest}
        graph = self._ways.safe
        # entries that reach the newest are in no such cycle
        stuck = [e.cpl_entry_id for e in self._entries if self._is_stuck(e)]
        for cycle in nx.strongly_connected_components(graph.subgraph(stuck)) if stuck else ():
            if len(cycle) < 2 or cycle & newest:
                continue
            if all(target in cycle for source in cycle for target in graph.successors(source)):
                rows = sorted(cycle)
                self._add(
                    "cycle-without-exit",
                    "error",
                    rows,
                    f"{', '.join(rows)} lead only to each other",
                )

    def one_way_doors(self) -> None:
        for entry in self._entries:
            if entry.point_of_no_return:
                self._add(
                    "one-way-door",
                    "note",
                    [entry],
                    f"once {name(entry)} is confirmed, there is no way back",
                )
        reaching = self._ways.to_newest
        if len(reaching) == len(self._entries):
            return
        for source, target in self._ways.safe.edges:
            if source in reaching and target not in reaching:
                self._add(
                    "one-way-door",
                    "warning",
                    [source, target],
                    f"{name(self._ways.by_id[source])} still reaches the newest, "
                    f"{name(self._ways.by_id[target])} after it does not",
                )

    # --- what is said, and what is not

    def same_versions(self) -> None:
        by_version: dict[int, list[Entry]] = {}
        for entry in self._entries:
            by_version.setdefault(entry.firmware_version, []).append(entry)
        for same in by_version.values():
            if len(same) < 2:
                continue
            by_hash: dict[bytes, list[Entry]] = {}
            for entry in same:
                by_hash.setdefault(entry.image_hash, []).append(entry)
            for listed in by_hash.values():
                if len(listed) > 1:
                    self._add(
                        "duplicate-entry",
                        "warning",
                        listed,
                        f"{', '.join(name(entry) for entry in listed)} are one firmware",
                    )
            if len(by_hash) > 1:
                self._ambiguous([listed[0] for listed in by_hash.values()])

    def _ambiguous(self, same: list[Entry]) -> None:
        following = {frozenset(self._ways.safe.successors(entry.cpl_entry_id)) for entry in same}
        text = (
            f"version {same[0].version_text} has {len(same)} hashes: "
            f"{', '.join(entry.cpl_entry_id for entry in same)}"
        )
        if len(following) > 1:
            text += "; their pathways differ, so read the hash before an upgrade"
        self._add("ambiguous-version", "warning" if len(following) > 1 else "note", same, text)

    def not_stated(self) -> None:
        for entry in self._entries:
            if entry.predecessors is None:
                self._add(
                    "unprovable",
                    "warning",
                    [entry],
                    f"{name(entry)} does not state its predecessors",
                )
            if entry.join_option is None and entry.device_type != "IHD":
                self._add(
                    "join-option",
                    "note",
                    [entry],
                    f"{name(entry)} does not state its join option",
                )


def _one_hash_several_versions(
    connection: Connection, model: Model | None, manufacturer: int | None
) -> Iterator[Finding]:
    """One image has one version, whichever models it is listed for."""
    mixed = (
        sa.select(ENTRY.c.image_hash)
        .group_by(ENTRY.c.image_hash)
        .having(sa.func.min(ENTRY.c.firmware_version) != sa.func.max(ENTRY.c.firmware_version))
    )
    query = (
        sa.select(ENTRY.c.image_hash, ENTRY.c.cpl_entry_id, ENTRY.c.manufacturer_code)
        .add_columns(ENTRY.c.device_model)
        .where(ENTRY.c.image_hash.in_(mixed))
        .order_by(ENTRY.c.image_hash, ENTRY.c.cpl_entry_id)
    )
    groups: dict[bytes, list[tuple[str, Model]]] = {}
    for digest, entry_id, code, device_model in connection.execute(query):
        groups.setdefault(digest, []).append((entry_id, Model(code, device_model)))
    for digest, rows in groups.items():
        models = [row[1] for row in rows]
        if model is not None and model not in models:
            continue
        if manufacturer is not None and manufacturer not in {m.manufacturer_code for m in models}:
            continue
        yield Finding(
            "contradiction",
            "error",
            models[0],
            tuple(row[0] for row in rows),
            f"the hash {digest.hex()[:16]}… is listed under several versions",
        )
