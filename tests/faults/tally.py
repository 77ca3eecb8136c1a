"""What many cases came to: counts by phase and kind of fault, as a table or as JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from nor_faults import ERASE_KINDS, PROGRAM_KINDS

#: In the order of a device's life; whatever else turns up comes behind.
_PHASES = (
    "provision",
    "anchor update",
    "data region",
    "receive",
    "finalise",
    "activate",
    "first boot",
    "confirm",
    "counter",
    "history",
    "revert",
    "fall back",
    "refusal",
    "restart",
)
_KINDS = tuple(dict.fromkeys(PROGRAM_KINDS[:-1] + ERASE_KINDS))
_COUNTS = ("cases", "fired", "recovered", "violations")

_At = tuple[str, str]


@dataclass
class Tally:
    """Counts by (phase, kind) of a case's last fault.

    Attributes:
        fired: cases in which every fault happened.
        recovered: cases at whose end all was as it should be.
        violated: (case, what does not hold).
        not_fired: cases with a fault that did not happen: they show nothing.
        unsettled: cases of the one pair that no device can notice (simulation.py).
    """

    cases: Counter[_At] = field(default_factory=Counter)
    fired: Counter[_At] = field(default_factory=Counter)
    recovered: Counter[_At] = field(default_factory=Counter)
    violations: Counter[_At] = field(default_factory=Counter)
    violated: list[tuple[str, str]] = field(default_factory=list)
    not_fired: list[str] = field(default_factory=list)
    unsettled: int = 0

    def add(self, case: str, phase: str, kind: str, fired: bool, violation: str | None) -> None:
        at = (phase, kind)
        self.cases[at] += 1
        if fired:
            self.fired[at] += 1
        else:
            self.not_fired.append(case)
        if violation is not None:
            self.violations[at] += 1
            self.violated.append((case, violation))
        elif fired:
            self.recovered[at] += 1

    def update(self, other: Tally) -> None:
        for name in _COUNTS:
            getattr(self, name).update(getattr(other, name))
        self.violated += other.violated
        self.not_fired += other.not_fired
        self.unsettled += other.unsettled

    @property
    def total(self) -> int:
        return self.cases.total()

    def table(self) -> str:
        """Phase by kind: cases; at the ends, how many fired, recovered, were violations."""
        order = {phase: at for at, phase in enumerate(_PHASES)}
        phases = sorted({at[0] for at in self.cases}, key=lambda phase: order.get(phase, 99))
        kinds = [kind for kind in _KINDS if any(at[1] == kind for at in self.cases)]
        lines = [_line("phase", [*kinds, *_COUNTS])]
        for phase in phases:
            cells = [self._cell(phase, kind) for kind in kinds]
            lines.append(_line(phase, [*cells, *self._sums(phase=phase)]))
        by_kind = [self._sums(kind=kind) for kind in kinds] + [self._sums()]
        for name, *sums in zip(_COUNTS, *by_kind, strict=True):
            lines.append(_line(name, sums))
        return "\n".join(lines)

    def _cell(self, phase: str, kind: str) -> str:
        cases, bad = self.cases[phase, kind], self.violations[phase, kind]
        return (f"{cases}" if cases else "-") + (f" !{bad}" if bad else "")

    def _sums(self, phase: str | None = None, kind: str | None = None) -> list[int]:
        return [
            sum(
                count
                for at, count in getattr(self, name).items()
                if phase in (None, at[0]) and kind in (None, at[1])
            )
            for name in _COUNTS
        ]

    def as_json(self) -> list[dict[str, object]]:
        return [
            {"phase": at[0], "kind": at[1]} | {name: getattr(self, name)[at] for name in _COUNTS}
            for at in sorted(self.cases)
        ]


def _line(label: str, values: list[str] | list[int] | list[object]) -> str:
    return f"{label:<14}" + "".join(f"{value:>12}" for value in values)
