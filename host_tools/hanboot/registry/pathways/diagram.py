"""A model's pathways for the eye: plain text and Mermaid; `svg` draws the same.

Entries stand in rows, oldest first. Every entry that follows others has a lane of its own beside
the rows: a dot at each entry that it may follow, an arrow at the entry itself. So an arrow never
crosses a box, whatever the pathways, and text and SVG show the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from hanboot.registry.entry import Entry
from hanboot.registry.pathways.check import Finding, check_model
from hanboot.registry.pathways.graph import Pathways


@dataclass(frozen=True)
class Lane:
    """What one entry may follow.

    Attributes:
        target: row of the entry.
        sources: rows of those before it.
        column: 0 stands next to the rows.
    """

    target: int
    sources: frozenset[int]
    column: int

    @cached_property
    def first(self) -> int:
        return min(self.target, *self.sources)

    @cached_property
    def last(self) -> int:
        return max(self.target, *self.sources)


@dataclass(frozen=True)
class DiagramRow:
    """One row: the entry, and what is to be said about it in a word or two."""

    entry: Entry
    remarks: tuple[str, ...]
    kind: str


@dataclass(frozen=True)
class Drawing:
    """What a diagram shows, whatever it is drawn with."""

    title: str
    lines: tuple[DiagramRow, ...]
    lanes: tuple[Lane, ...]

    @property
    def columns(self) -> int:
        return 1 + max((lane.column for lane in self.lanes), default=-1)


def draw(pathways: Pathways) -> Drawing:
    """Lays out the steps that may be distributed."""
    entries = pathways.entries
    row_of = {entry.cpl_entry_id: row for row, entry in enumerate(entries)}
    spans = []
    for entry in entries:
        before = frozenset(row_of[p] for p in pathways.permitted.predecessors(entry.cpl_entry_id))
        if before:
            spans.append((row_of[entry.cpl_entry_id], before))
    findings = check_model(pathways) if entries else []
    return Drawing(
        _title(pathways),
        tuple(_line(pathways, entry, findings) for entry in entries),
        _in_columns(spans),
    )


def _title(pathways: Pathways) -> str:
    if not pathways.entries:
        return "no entries"
    last = pathways.entries[-1]
    names = " ".join(text for text in (last.manufacturer, last.model_name) if text)
    return f"{last.device_type} {pathways.model}{f'  {names}' if names else ''}"


def _in_columns(spans: list[tuple[int, frozenset[int]]]) -> tuple[Lane, ...]:
    """Gives each lane the innermost column with room for it and a gap; short ones first."""
    taken: list[set[int]] = []
    lanes = []
    for target, sources in sorted(spans, key=lambda s: (max(s[0], *s[1]) - min(s[0], *s[1]), s[0])):
        first, last = min(target, *sources), max(target, *sources)
        wanted = set(range(first - 1, last + 2))
        column = next((c for c, used in enumerate(taken) if not used & wanted), len(taken))
        if column == len(taken):
            taken.append(set())
        taken[column].update(range(first, last + 1))
        lanes.append(Lane(target, sources, column))
    return tuple(lanes)


_WORDS = {
    "stranded": "STRANDED",
    "cycle-without-exit": "CYCLE",
    "ambiguous-version": "version not unique",
    "one-way-door": "one-way door",
}


def _line(pathways: Pathways, entry: Entry, findings: list[Finding]) -> DiagramRow:
    codes = {f.code for f in findings if entry.cpl_entry_id == f.rows[0]}
    codes |= {
        f.code
        for f in findings
        if entry.cpl_entry_id in f.rows and f.code in ("ambiguous-version", "cycle-without-exit")
    }
    # a door is where it leads to
    codes -= {"one-way-door"}
    codes |= {
        "one-way-door"
        for f in findings
        if f.code == "one-way-door" and entry.cpl_entry_id == f.rows[-1]
    }
    remarks: list[str] = []
    status = entry.status_on(pathways.day)
    if status != "Active":
        remarks.append(status)
    if entry.identity in {newest.identity for newest in pathways.newest}:
        remarks.append("newest")
    if entry.predecessors is None:
        remarks.append("predecessors not stated")
    elif not entry.predecessors:
        remarks.append("first version")
    remarks += [words for code, words in _WORDS.items() if code in codes]
    if codes & {"stranded", "cycle-without-exit"}:
        kind = "stranded"
    elif status != "Active":
        kind = "inactive"
    elif "newest" in remarks:
        kind = "newest"
    elif "unprovable" in codes:
        kind = "unproved"
    else:
        kind = "plain"
    return DiagramRow(entry, tuple(remarks), kind)


# --- plain text

_SIGNS = {"source": "●", "down": "▼", "up": "▲", "both": "◆", "pass": "│"}
_ASCII_SIGNS = {"source": "o", "down": "v", "up": "^", "both": "x", "pass": "|"}


def as_text(drawing: Drawing, ascii_only: bool = False) -> str:
    """For a terminal."""
    signs = _ASCII_SIGNS if ascii_only else _SIGNS
    id_width = max((len(line.entry.cpl_entry_id) for line in drawing.lines), default=0)
    columns = drawing.columns
    cells_of = [[" "] * columns for _ in drawing.lines]
    for lane in drawing.lanes:
        for row in range(lane.first, lane.last + 1):
            cells_of[row][columns - 1 - lane.column] = signs[_sign(lane, row)]
    lines = [drawing.title, ""]
    for line, cells in zip(drawing.lines, cells_of, strict=True):
        entry = line.entry
        text = (
            f"{' '.join(cells)}  {entry.cpl_entry_id.ljust(id_width)}  {entry.version_text}  "
            f"{entry.image_hash.hex()[:8]}  {', '.join(line.remarks)}"
        )
        lines.append(text.rstrip())
    if drawing.lanes:
        lines += [
            "",
            f"{signs['down']} (or {signs['up']}) may follow every {signs['source']} on its line, "
            "and nothing else.",
        ]
    return "\n".join(lines) + "\n"


def _sign(lane: Lane, row: int) -> str:
    if row == lane.target:
        above, below = lane.first < row, lane.last > row
        return "both" if above and below else "down" if above else "up"
    return "source" if row in lane.sources else "pass"


# --- Mermaid


def as_mermaid(drawing: Drawing) -> str:
    """For Markdown that renders Mermaid."""
    lines = ["flowchart TD"]
    for row, line in enumerate(drawing.lines):
        entry = line.entry
        parts = [entry.cpl_entry_id, f"{entry.version_text} {entry.image_hash.hex()[:8]}"]
        parts += line.remarks
        lines.append(f'    e{row}["{"<br/>".join(parts)}"]:::{line.kind}')
    for lane in sorted(drawing.lanes, key=lambda lane: lane.target):
        lines += [f"    e{source} --> e{lane.target}" for source in sorted(lane.sources)]
    lines += [f"    classDef {kind} {style}" for kind, style in _MERMAID_STYLES.items()]
    return "\n".join(lines) + "\n"


_MERMAID_STYLES = {
    "plain": "fill:#ffffff,stroke:#555555,color:#111111",
    "newest": "fill:#d9f2e6,stroke:#007a4d,color:#111111",
    "stranded": "fill:#fbe0d8,stroke:#b02a00,stroke-width:3px,color:#111111",
    "unproved": "fill:#fff3cc,stroke:#8a6d00,color:#111111",
    "inactive": "fill:#eeeeee,stroke:#888888,stroke-dasharray:4 3,color:#444444",
}
