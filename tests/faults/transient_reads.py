"""Wrong reads: one bit of flash reads otherwise than it is, once or for one whole start, alone or
with a cut of the supply before it or in it.

A case is a start of a device that some scenario has come to, with one bit that reads wrong:

    small-upgrade#1@35008.start               bit 35008 reads wrong for the whole start
    small-upgrade#1@35008.once.2              its third read is wrong, and no other
    small-upgrade#1@35008.start,4.prefix.0    and operation 4 of that start fails as `prefix`
    small-upgrade#17.prefix.0@35008.start     operation 17 of the scenario failed before that start

`#1` is the second start of the scenario. The start may note what it does not understand and ask for
a restart, or do what a start without a fault does. Nothing else may have changed after it: what is
found then is what was there before, or what that start would have made of it; and what started
without the fault starts.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import cases
import scenarios
from faultboard import MAPS, FaultBoard, Snapshot, settled_device
from nor_faults import Fault, PowerCut, parse_faults
from rules import Violation, must

from hanbootloader import boot
from hanbootloader.store import ledger
from nor import SECTOR_BYTES

#: Starts of which every bit is read wrong: of what runs, and of a pending image.
EVERY_BIT = (("upgrade", 0), ("upgrade", 1))
#: Kinds of cuts that leave no unstable cells: what is found after them is known.
CUT_KINDS = ("not-started", "prefix", "bits", "last-octet", "mixed", "remain-450", "remain-35")

_SIZE = "small-"
_RESTARTS_MOST = 3  # that one wrong read may cost
_ERASED_SAMPLE = 64  # bits of the journal's erased rest
_PAYLOAD_SAMPLE = 32  # bits of each payload
_SAMPLE = 250  # bits of each other start

#: Scenario, number of its start, which slice of its single reads; SLICES: its pairs with a cut.
Unit = tuple[str, int, int]
SLICES = 8


@dataclass
class Start:
    """A device about to start: the cells of its flash, and what may be found after that start."""

    place: str
    cells: bytes
    hung: bool
    expected: list[Snapshot] = field(default_factory=list)
    chosen: int | None = None

    @property
    def map(self) -> dict[str, tuple[int, int]]:
        return MAPS[_SIZE]

    def board(self) -> FaultBoard:
        board = FaultBoard(self.map, self.cells)
        board.hung = self.hung
        return board


# --- what there is to read


@functools.cache
def starts_of(scenario: str) -> list[Start]:
    """Every start of a scenario without a fault."""
    found: list[Start] = []
    simulation = scenarios.simulation(scenario, _SIZE)
    while True:
        found.append(_prepared(f"{_SIZE}{scenario}#{len(found)}", simulation.board))
        if simulation.run_once():
            return found


def _prepared(place: str, board: FaultBoard) -> Start:
    start = Start(place, board.cells(), board.hung)
    start.expected, start.chosen = _without_fault(start.board())
    return start


# What a start finds, comes to, and leaves after each of its operations; and what it starts.
def _without_fault(board: FaultBoard) -> tuple[list[Snapshot], int | None]:
    states = []
    board.flash.watcher = lambda *operation: states.append(board.cells())
    while True:
        device = settled_device(board)
        chosen = _choose(device)
        if not device.doubts.needs_restart:
            break
        board.hung = False
    states.append(board.cells())
    found = []
    for cells in dict.fromkeys(states):
        snapshot = Snapshot(settled_device(FaultBoard(board.map, cells)))
        if snapshot not in found:
            found.append(snapshot)
    return found, chosen


def _choose(device: object) -> int | None:
    chosen = boot.choose(device)
    if device.doubts.needs_restart:  # type: ignore[attr-defined]
        return None
    return None if chosen is None else device.ledger.slots[chosen[0]].file_version  # type: ignore[attr-defined]


def bits_of(start: Start, dice: random.Random) -> dict[str, list[int]]:
    """Bits to be read wrong, by what they belong to."""
    device = settled_device(start.board())
    found: dict[str, list[int]] = {}
    for name in ("journal", "anchors", "backup"):
        first, count = start.map[name]
        at, end = first * SECTOR_BYTES, (first + count) * SECTOR_BYTES
        written = [byte for byte in range(at, end) if start.cells[byte] != 0xFF]
        found[name] = [byte * 8 + bit for byte in written for bit in range(8)]
        erased = [byte for byte in range(at, end) if start.cells[byte] == 0xFF]
        found[name] += [
            byte * 8 + dice.randrange(8) for byte in dice.sample(erased, _ERASED_SAMPLE)
        ]
    found["envelope"], found["payload"] = [], []
    for index, slot in enumerate(device.ledger.slots):
        if slot.state == ledger.EMPTY:
            continue
        at = start.map[f"slot{index}"][0] * SECTOR_BYTES
        image = start.cells[at : at + slot.image_bytes]
        front = len(image) - 16
        found["envelope"] += [at * 8 + bit for bit in range(front * 8)]
        payload = range((at + front) * 8, (at + len(image)) * 8)
        found["payload"] += dice.sample(payload, _PAYLOAD_SAMPLE)
    return found


# --- one case


@dataclass
class ReadResult:
    case: str
    region: str
    kind: str
    violation: str | None = None


def read_for_a_start(start: Start, bit: int, faults: tuple[Fault, ...] = ()) -> str | None:
    """What does not hold; None if all does. faults: of operations of that start."""

    def begin(board: FaultBoard) -> None:
        board.flash.faults = list(faults)
        board.flash.begin_misread(bit)

    return _play(start, begin, lambda board: board.flash.end_misread())


def read_once(start: Start, bit: int, count: int) -> str | None:
    """The same for read number `count` of a bit."""

    def end(board: FaultBoard) -> None:
        board.flash._once = None

    return _play(start, lambda board: board.flash.misread_once(bit, count), end)


def _play(start: Start, begin, end) -> str | None:  # type: ignore[no-untyped-def]
    board = start.board()
    try:
        begin(board)
        try:
            device = board.device()
            if not device.doubts.needs_restart:
                chosen = _choose(device)
                if not device.doubts.needs_restart:
                    must(chosen == start.chosen, f"{chosen} starts, not {start.chosen}")
        except PowerCut:
            pass
        finally:
            end(board)
        _check_after(start, board)
    except Violation as violation:
        return str(violation.args[0])
    except Exception as error:
        return f"{type(error).__name__}: {error.args!r}"
    return None


# What the starts after the one with the fault find and start, without any.
def _check_after(start: Start, board: FaultBoard) -> None:
    board.flash.faults = []
    board.hung = False
    must(board.data_is_unharmed(), "the data region is unharmed")
    for _ in range(_RESTARTS_MOST):
        board.flash.restart()
        device = board.device()
        if device.doubts.needs_restart:
            continue
        found = Snapshot(device)
        must(found in start.expected, f"{found!r} is one of {start.expected!r}")
        chosen = _choose(device)
        if device.doubts.needs_restart:
            continue
        # a trial whose last start this was ends as it would have
        if found.states == start.expected[0].states and ledger.TRIAL not in found.states:
            must(chosen == start.chosen, f"{chosen} starts then, not {start.chosen}")
        return
    must(False, f"the device starts after {_RESTARTS_MOST} restarts")


# --- all of them


def units() -> list[Unit]:
    """All that there is to do, in pieces of some seconds."""
    return [
        (scenario, number, part)
        for scenario in scenarios.SCENARIOS
        for number in range(len(starts_of(scenario)))
        for part in range(SLICES + 1)
    ]


def run_unit(unit: Unit, share: float = 1.0) -> Iterator[ReadResult]:
    scenario, number, part = unit
    start = starts_of(scenario)[number]
    dice = random.Random(f"{scenario} {number}")
    bits = [(region, bit) for region, found in bits_of(start, dice).items() for bit in found]
    if part == SLICES:
        yield from _pairs(start, dice, bits, share)
        return
    if (scenario, number) not in EVERY_BIT:
        bits = dice.sample(bits, min(len(bits), _SAMPLE))
    for region, bit in dice.sample(bits, max(1, round(len(bits) * share)))[part::SLICES]:
        case = f"{start.place}@{bit}"
        yield ReadResult(f"{case}.start", region, "start", read_for_a_start(start, bit))
        count = dice.choice((0, 0, 1, 2, 3))
        yield ReadResult(f"{case}.once.{count}", region, "once", read_once(start, bit, count))


_PAIR_BITS = 24  # bits of each start with a cut in it
_CUT_BITS = 6  # bits of each start after a cut


def _pairs(
    start: Start, dice: random.Random, bits: list[tuple[str, int]], share: float
) -> Iterator[ReadResult]:
    # the cut in the start with the wrong read
    chosen = dice.sample(bits, min(len(bits), max(1, round(_PAIR_BITS * share))))
    for region, bit in chosen:
        for number, name in enumerate(_operations(start, bit)):
            for kind in _cuts(name):
                fault = Fault(number, kind)
                violation = read_for_a_start(start, bit, (fault,))
                yield ReadResult(
                    f"{start.place}@{bit}.start,{fault!r}", region, "start+cut", violation
                )
    # and before it: what was torn is read wrong, too
    scenario, _, number_text = start.place[len(_SIZE) :].partition("#")
    if number_text != "0":
        return
    for number, (_, name, changes) in enumerate(cases.plain(f"{_SIZE}{scenario}")[1]):
        for kind in _cuts(name) if changes else ():
            torn = _torn(f"{_SIZE}{scenario}", Fault(number, kind))
            found = [(r, b) for r, each in bits_of(torn, dice).items() for b in each]
            for region, bit in dice.sample(found, max(1, round(_CUT_BITS * share))):
                case = f"{torn.place}@{bit}.start"
                yield ReadResult(case, region, "cut+start", read_for_a_start(torn, bit))


def _cuts(name: str) -> tuple[str, ...]:
    kinds = ("last-octet",) if name == "program" else ("mixed", "remain-450", "remain-35")
    return ("not-started", "prefix", "bits", *kinds)


# Operations of a start with a wrong read, "erase" or "program".
def _operations(start: Start, bit: int) -> list[str]:
    found: list[str] = []
    board = start.board()
    board.flash.watcher = lambda name, at, changes: found.append(name)
    board.flash.begin_misread(bit)
    device = board.device()
    if not device.doubts.needs_restart:
        boot.choose(device)
    board.flash.end_misread()
    return found


# The start after a fault of a scenario. What may be found is what was before the operation that
# failed, or what it was to leave.
def _torn(place: str, fault: Fault) -> Start:
    simulation = scenarios.simulation(*cases.parse_place(place), faults=[fault])
    while not simulation.board.flash.fired:
        simulation.run_once()
    flash = simulation.board.flash
    found = _prepared(f"{place}#{fault!r}", simulation.board)
    for cells in (flash.before, flash.after):
        board = FaultBoard(found.map, cells)
        found.expected += _without_fault(board)[0]
    return found


# --- one of them again


def replay(case: str) -> str | None:
    """What does not hold in the case of that name; None if all does."""
    place, _, read = case.partition("@")
    scenario, _, which = place[len(_SIZE) :].partition("#")
    start = starts_of(scenario)[int(which)] if which.isdigit() else None
    if start is None:
        start = _torn(_SIZE + scenario, parse_faults(which)[0])
    read, _, faults = read.partition(",")
    bit, kind, *count = read.split(".")
    if kind == "once":
        return read_once(start, int(bit), int(count[0]))
    return read_for_a_start(start, int(bit), tuple(parse_faults(faults)) if faults else ())
