"""What is wrong in a file, cell by cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hanboot.errors import BadFile


@dataclass(frozen=True)
class CellFault:
    """Something wrong in a file. cell: such as "C7"."""

    row: int
    cell: str
    heading: str
    cause: str

    def __str__(self) -> str:
        heading = f" ({self.heading})" if self.heading else ""
        return f"{self.cell}{heading}: {self.cause}"


class Faults:
    """Passes faults on as they are found, and keeps the first."""

    def __init__(self, on_fault: Callable[[CellFault], None]) -> None:
        self._on_fault = on_fault
        self._first: CellFault | None = None
        self._count = 0

    def __bool__(self) -> bool:
        return self._first is not None

    def add(self, fault: CellFault) -> None:
        self._on_fault(fault)
        self._first = self._first or fault
        self._count += 1

    def raise_any(self, name: str) -> None:
        if self._first:
            more = f" (and {self._count - 1} more)" if self._count > 1 else ""
            raise BadFile(
                f"{name} was not imported",
                f"{self._first}{more}",
                "fix the cells and import it again; nothing was changed",
            )
