"""Power cuts on the emulated RP2040: the product's own firmware, cut at chosen flash operations.

A board is provisioned, gets its first application, makes its data region, and is upgraded, over its
USB console as by any client. At chosen operations the process forks: the child loses power there,
with the operation torn in one of the ways of nor_faults.py; the parent goes on. The child then
starts its chip again and again, perhaps loses power once more on the way, and checks

- that its flash holds the state before the operation or the one behind it (read on CPython);
- that it starts what the rules say, told by its identity and by what the application shows;
- that the application finds what it left in the data region;
- that a device cut while it was being provisioned can be provisioned all the same.

A case is called as any other, rp2040@17.bits.0,1.prefix.0: operations are counted from the first
start with a blank journal, and those of a second fault from the first one.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import rp2040_product
import signatures
from faultboard import FaultBoard, Snapshot, settled_device
from nor_faults import Dice, Fault, parse_faults, torn
from rp2040_bench import Bench, PowerLostError
from rp2040_product import Product

from hanboot.device.records import ROLE_NAMES
from hanbootloader import boot
from hanbootloader.store import ledger

PLACE = "rp2040"

_PROGRAM_KINDS = ("prefix", "bits", "last-octet", "not-started")
_ERASE_KINDS = ("mixed", "prefix", "bits", "not-started")
_PAGE_BYTES = 256


@dataclass
class Found:
    """What came of a case; fired: how many of its faults happened."""

    case: str
    phase: str
    fired: int
    violation: str | None


#: Which cases to run at operation `number`, whose state before is so many octets.
Plan = Callable[[int, int], Sequence[list[Fault]]]


def plan(number: int, length: int) -> Sequence[list[Fault]]:
    """Three of five operations, each in one way; one in six of those is cut a second time."""
    turn = number // 5 * 3 + (number % 5 + 1) // 2
    if number % 5 not in (0, 2, 3):
        return ()
    kinds = _PROGRAM_KINDS if length == _PAGE_BYTES else _ERASE_KINDS
    faults = [Fault(number, kinds[turn % len(kinds)])]
    # an early start may find nothing to settle
    if turn % 6 == 5 and number > _SETTLES_FROM:
        faults.append(Fault(turn // 6 % 2, "prefix"))
    return (faults,)


#: From this operation on a start has records to settle, so that power can fail there again.
_SETTLES_FROM = 60


def only(cases: Sequence[list[Fault]]) -> Plan:
    """These cases, by their faults, and no others."""
    return lambda number, length: [faults for faults in cases if faults[0].operation == number]


class Supply:
    """Says where power fails; forks at the first fault of each case."""

    def __init__(
        self, folder: Path, plan: Plan, jobs: int, on_child: Callable[[int], None]
    ) -> None:
        self._on_child = on_child  # told how many there were so far
        self._count = 0
        self._folder = folder
        self._plan = plan
        self._jobs = jobs
        self._children: dict[int, str] = {}
        self._operations = 0
        self.case: str | None = None  # of a child
        self.fired = 0
        self._due: list[Fault] = []
        #: the whole flash, before and behind the operation that power failed in
        self.before = self.after = b""

    def attach(self, bench: Bench) -> None:
        self.bench = bench

    def __call__(self, before: bytes, after: bytes) -> bytes | None:
        number = self._operations
        self._operations += 1
        if self.case is None:
            # read here: the parent goes on writing it
            cells = self.bench.board.flash.read_bytes()
            if not any(self._fork(faults, cells) for faults in self._plan(number, len(before))):
                return None
        elif not self._due or self._due[0].operation != number:
            return None
        fault = self._due.pop(0)
        self.fired += 1
        self._operations = 0
        # the operation has reached the chip's cells, but not yet the file
        self.before, self.after = self.bench.board.flash.read_bytes(), self.bench.board.chip.cells()
        return torn(fault.kind, before, after, Dice(f"{fault!r} {self.fired}")).octets

    def _fork(self, faults: list[Fault], cells: bytes) -> bool:
        case = f"{PLACE}@{','.join(map(repr, faults))}"
        while len(self._children) >= self._jobs:
            self._wait_for_child()
        sys.stdout.flush()
        child = os.fork()
        if child:
            self._children[child] = case
            self._count += 1
            self._on_child(self._count)
            return False
        self.case, self._due, self._children = case, list(faults), {}
        self.bench.board.move_to(self._folder / f"{case}.bin", cells)
        return True

    def _wait_for_child(self) -> None:
        child, status = os.wait()
        case = self._children.pop(child)
        if status:
            self.report(Found(case, "none", 0, f"the emulator ended with {status}"))

    def wait(self) -> None:
        while self._children:
            self._wait_for_child()

    def report(self, found: Found) -> None:
        (self._folder / f"{found.case}.json").write_text(json.dumps(vars(found)))


# --- what must hold


def _snapshot(cells: bytes) -> Snapshot:
    return Snapshot(settled_device(FaultBoard(rp2040_product.MAP, cells)))


def _expected(cells: bytes) -> tuple[int, bytes | None]:
    """Which slot the rules start, and the hash in it; read on CPython."""
    device = settled_device(FaultBoard(rp2040_product.MAP, cells))
    chosen = boot.choose(device)
    return (-1, None) if chosen is None else (chosen[0], device.ledger.slots[chosen[0]].image_hash)


def _recover(bench: Bench, supply: Supply, product: Product) -> None:
    """From a cut to the end; power may fail again on the way."""
    while True:
        found = bench.board.flash.read_bytes()
        snapshot = _snapshot(found)
        possible = [_snapshot(supply.before), _snapshot(supply.after)]
        assert snapshot in possible, f"{snapshot!r} is one of {possible!r}"
        bench.restart()
        try:
            _check(bench, product, *_expected(found))
            return
        except PowerLostError:
            continue


def _check(bench: Bench, product: Product, index: int, image_hash: bytes | None) -> None:
    identity = bench.settle()
    assert identity.started == index, f"slot {identity.started} started, not {index}"
    if image_hash is None:
        if not identity.provisioned:
            held = {cell.role for cell in bench.device.anchors()}
            for role, cell in product.cells.items():
                if ROLE_NAMES[role] not in held:
                    bench.device.put_anchor(cell)
        assert bench.device.identity().provisioned, "it can be provisioned"
        return
    slot = identity.slots[index]
    assert slot.firmware is not None
    assert slot.firmware.image_hash == image_hash, "what starts is what should"
    assert slot.state == "confirmed", "what starts is confirmed in the end"
    note = bench.wait_shown("| written")
    assert note == "| written by 1.0", f"the data region is unharmed: {note}"
    assert f"| {product.labels[image_hash]}" in bench.shown(), bench.shown()
    bench.board.close()
    assert ledger.TRIAL not in _snapshot(bench.board.flash.read_bytes()).states


# --- the whole


def run(
    jobs: int, plan: Plan = plan, on_child: Callable[[int], None] = lambda count: None
) -> Iterator[Found]:
    signatures.remember()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        product = rp2040_product.make(folder)
        supply = Supply(folder, plan, jobs, on_child)
        bench = Bench(folder / "flash.bin", supply)
        supply.attach(bench)
        try:
            for cell in product.cells.values():
                bench.device.put_anchor(cell)
            for image in product.images:
                bench.upgrade(image)
        except PowerLostError:
            supply.report(_child(bench, supply, product))
            os._exit(0)
        finally:
            if supply.case is not None:
                os._exit(1)
        supply.wait()
        reports = [json.loads(path.read_text()) for path in folder.glob(f"{PLACE}@*.json")]
    for report in sorted(reports, key=lambda report: _first_operation(report["case"])):
        yield Found(**report)


def _first_operation(case: str) -> int:
    return parse_faults(case.partition("@")[2])[0].operation


def _child(bench: Bench, supply: Supply, product: Product) -> Found:
    phase, violation = bench.phase, None
    try:
        _recover(bench, supply, product)
    except Exception as error:
        violation = f"{type(error).__name__}: {error}"
    assert supply.case is not None
    return Found(supply.case, phase, supply.fired, violation)
