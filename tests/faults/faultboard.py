# A board whose flash fails where it is told to, and its state as a value that can be compared.

import ramboard
from nor_faults import FaultyFlash

from hanbootloader import policy
from hanbootloader.device import Device
from hanbootloader.store import ledger
from nor import SECTOR_BYTES

# the HAN side's: nothing is written there without a HAN
_HAN = (("keys", 1), ("transfer", 1), ("han", 1))


# anchors, journal, slot: their sectors
def _map(anchors, journal, slot):
    found, at = {}, 0
    for name, count in (
        (
            ("anchors", anchors),
            ("journal", journal),
            ("slot0", slot),
            ("slot1", slot),
            ("backup", 2),
        )
        + _HAN
        + (("data", 1),)
    ):
        found[name] = (at, count)
        at += count
    return found


# first sector and sectors of each region: as devices have it, but for fewer sectors to a slot; as
# small as can be; with nowhere to go for a journal whose sector fails; and with room for the images
# of kept_devices.py
MAPS = {
    "": _map(16, 4, 2),
    "small-": _map(8, 3, 1),
    "pair-": _map(8, 2, 1),
    "kept-": _map(16, 4, 4),
}

# what an application left there: no bootloader may touch it
_DATA = bytes([at * 5 & 0xFF for at in range(SECTOR_BYTES)])


class FaultBoard(ramboard.Board):
    # without a HAN
    tier = "product"
    han = None

    # cells: of an earlier board of that map; None is flash from the factory
    def __init__(self, map, cells=None, faults=()):
        self.map = map
        self.device_type = policy.PPMID
        self.console = ramboard.Console()
        self.hung = False
        first, _ = map["data"]
        if cells is None:
            cells = b"\xff" * (first * SECTOR_BYTES) + _DATA
        self.flash = FaultyFlash(bytearray(cells), faults)

    def region(self, name):
        partition = self.flash.partition(*self.map[name])
        return partition, partition.view

    # What one start makes of it; it may ask for a restart.
    def device(self):
        return Device(self)

    def cells(self):
        return bytes(self.flash.cells)

    def data_is_unharmed(self):
        return self.octets("data") == _DATA

    def octets(self, name):
        first, count = self.map[name]
        return bytes(self.flash.cells[first * SECTOR_BYTES : (first + count) * SECTOR_BYTES])

    # Whether region `name` rests on cells that a device took for settled, and that are not.
    def is_in_doubt(self, name):
        first, count = self.map[name]
        start, end = first * SECTOR_BYTES, (first + count) * SECTOR_BYTES
        return self.flash.is_unsettled and self.flash.is_unstable(start, end)

    # Another board in the very same state, unstable cells included.
    def copy(self):
        board = FaultBoard(self.map, self.flash.cells)
        board.flash.copy_unstable(self.flash)
        board.hung = self.hung
        return board


# The device once nothing is in doubt any more.
def settled_device(board):
    device = Device(board)
    while device.doubts.needs_restart:
        board.flash.restart()
        device = Device(board)
    return device


# All that a device remembers across restarts.
class Snapshot:
    def __init__(self, device):
        store = device.ledger
        store.transient = store.transient_event = None  # reported until a restart, and not kept
        verdict = store.verdict()
        self.anchors = sorted([(cell.role, cell.sequence) for cell in device.anchors.cells()])
        self.slots = [slot.pack() for slot in store.slots]
        self.states = [slot.state for slot in store.slots]
        self.hashes = [slot.image_hash for slot in store.slots]
        self.trial = (store.attempts, store.trial_reason)
        self.security_counter = store.security_counter
        self.short_lives = store.short_lives
        # what the journal did not take the next start does
        sequences = dict(store.sequences)
        is_locked = store.is_locked or device.anchors.is_provisioned
        if device.anchors.is_provisioned:
            for cell in device.anchors.cells():
                sequences[cell.identity] = max(cell.sequence, sequences.get(cell.identity, 0))
        self.locked = (is_locked, sorted(sequences.items()))
        self.verdict = None if verdict is None else verdict.pack()
        self.reason = None if verdict is None else verdict.reason
        self.history = [bytes(octets) for _, octets in store._journal.history()]

    # The slot of the device's firmware, damaged or not; -1 if it has none.
    def confirmed(self):
        for state in (ledger.CONFIRMED, ledger.DAMAGED):
            if state in self.states:
                return self.states.index(state)
        return -1

    def __eq__(self, other):
        return (
            self.anchors == other.anchors
            and self.slots == other.slots
            and self.trial == other.trial
            and self.security_counter == other.security_counter
            and self.short_lives == other.short_lives
            and self.locked == other.locked
            and self.verdict == other.verdict
            and self.history == other.history
        )

    # what differs, for a report
    def __repr__(self):
        return "%s %s slots %s %s trial %s counter %d lives %d verdict %s history %d" % (
            self.anchors,
            self.locked,
            self.states,
            [digest.hex()[:4] for digest in self.hashes],
            self.trial,
            self.security_counter,
            self.short_lives,
            self.reason,
            len(self.history),
        )


_SNAPSHOTS_KEPT = 32
_snapshots = {}


# What would be found in `cells` after a restart, without a fault. The same operation fails in many
# ways, so what was found is kept for a while.
def snapshot_of(map, cells):
    key = (map["journal"], cells)
    if key not in _snapshots:
        if len(_snapshots) >= _SNAPSHOTS_KEPT:
            _snapshots.clear()
        _snapshots[key] = Snapshot(settled_device(FaultBoard(map, cells)))
    return _snapshots[key]
