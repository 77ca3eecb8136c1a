"""How long flash lasts: erases per upgrade, and how the journal spreads them, on the device's map.

Counted on a board with the regions of boards/virtual and boards/rp2040_han, over as many upgrades
as it takes the journal to use each of its sectors many times.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass

import cases
import cyclic_releases
import flows
import images
from faultboard import FaultBoard

from hanbootloader.install import Installer
from hanbootloader.reasons import TRIAL_CRASHED, Refused
from hanbootloader.store import flash_map
from nor import SECTOR_BYTES

#: What a NOR flash part is good for (Winbond W25Q16JV, the Pico's: 100,000 cycles a sector).
CYCLES = 100_000

# budgets of docs and design: each slot sector once, two of the journal
_SLOT_ERASES_MOST = 1.0
_JOURNAL_ERASES_MOST = 2.0

# as devices have it; the data region, which is not touched, is cut short
_MAP = flash_map.place(store=16, more=0, end=293)
_PATH = ("a", "c")  # in turn, over one another
_UPGRADES = 600


@dataclass
class Endurance:
    """Erases, counted over many upgrades (or refusals).

    Attributes:
        journal_erases_per_upgrade: on average; of an upgrade that is confirmed at its first start.
        journal_erases_per_failed_upgrade: of one that is reverted after three starts.
        journal_sector_erases: of each sector, for all upgrades.
        slot_sector_erases_per_upgrade: of a sector that the image uses; the slots take turns.
        refusals_per_journal_erase: each with another verdict.
        upgrades_until_worn: until the first sector has had CYCLES erases.
        worn_first: the region that this sector is in.
    """

    upgrades: int
    journal_erases_per_upgrade: float
    journal_erases_per_failed_upgrade: float
    journal_sector_erases: list[int]
    slot_sector_erases_per_upgrade: float
    refusals_per_journal_erase: float
    cycles: int
    upgrades_until_worn: int
    worn_first: str

    def problems(self) -> list[str]:
        """What is not within the budget."""
        found = []
        if self.journal_erases_per_upgrade > _JOURNAL_ERASES_MOST:
            found.append(f"{self.journal_erases_per_upgrade} journal erases per upgrade")
        if self.slot_sector_erases_per_upgrade > _SLOT_ERASES_MOST:
            found.append(f"{self.slot_sector_erases_per_upgrade} erases per slot sector used")
        if max(self.journal_sector_erases) - min(self.journal_sector_erases) > 1:
            found.append(f"the journal wears unevenly: {self.journal_sector_erases}")
        return [f"endurance: {text}" for text in found]

    def as_json(self) -> dict[str, object]:
        return asdict(self)


class _Bench:
    """A board that counts the erases of each sector."""

    def __init__(self) -> None:
        self.board = FaultBoard(_MAP)
        self.erases: Counter[int] = Counter()
        self.board.flash.watcher = self._watch
        flows.cells.provision(self.board.device())
        flows.install(self.board, cyclic_releases.PREFIX + "first")
        self.erases.clear()

    def _watch(self, name: str, start: int, changes: bool) -> None:
        if name == "erase":
            self.erases[start // SECTOR_BYTES] += 1

    def of(self, region: str) -> list[int]:
        first, count = _MAP[region]
        return [self.erases[sector] for sector in range(first, first + count)]

    def upgrade(self, name: str) -> None:
        flows.install(self.board, cyclic_releases.PREFIX + name)

    def fail_upgrade(self, name: str) -> None:
        installer = Installer(self.board.device())
        flows.send(installer, images.ota_image(cyclic_releases.PREFIX + name))
        flows.verify(installer)
        installer.activate(images.image_hash(cyclic_releases.PREFIX + name))
        for _ in range(3):
            device = flows.start(self.board)[0]
            device.ledger.note_trial(TRIAL_CRASHED)
        flows.start(self.board)

    def refuse(self, name: str) -> None:
        try:
            flows.send(
                Installer(self.board.device()), images.ota_image(cyclic_releases.PREFIX + name)
            )
        except Refused:
            return
        raise AssertionError(f"{name} was taken")


def measure(upgrades: int = _UPGRADES) -> Endurance:
    cases.prepare()
    bench = _Bench()
    for number in range(upgrades):
        bench.upgrade(_PATH[number % 2])
    journal = bench.of("journal")
    slots = bench.of("slot0") + bench.of("slot1")
    # a sector used in one of two upgrades, for there are two slots
    per_slot_sector = 2 * max(slots) / upgrades
    worst = max(bench.erases.values())
    return Endurance(
        upgrades=upgrades,
        journal_erases_per_upgrade=round(sum(journal) / upgrades, 3),
        journal_erases_per_failed_upgrade=_failed(upgrades // 4),
        journal_sector_erases=journal,
        slot_sector_erases_per_upgrade=per_slot_sector,
        refusals_per_journal_erase=_refused(upgrades),
        cycles=CYCLES,
        upgrades_until_worn=CYCLES * upgrades // worst,
        worn_first="slots" if max(slots) >= max(journal) else "journal",
    )


def _failed(upgrades: int) -> float:
    bench = _Bench()
    for _ in range(upgrades):
        bench.fail_upgrade("a")
    return round(sum(bench.of("journal")) / upgrades, 3)


def _refused(refusals: int) -> float:
    bench = _Bench()
    for number in range(refusals):
        bench.refuse(("b", "c")[number % 2])
    return round(refusals / sum(bench.of("journal")), 1)
