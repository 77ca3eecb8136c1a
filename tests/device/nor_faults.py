# NOR flash that fails where it is set to: what a cut of the supply leaves of an operation that was
# under way, and an operation that silently does not happen.
#
#   kind         what is left of the operation                                     the supply
#   not-started  nothing                                                           is cut
#   prefix       all of its first octets, nothing of those behind                  is cut
#   bits         a random part of the bits that it changes                         is cut
#   last-octet   its first octets, and of the last of them a part of the bits      is cut
#   mixed        (erase) pieces that are old, erased, or random octets             is cut
#   remain-450   (erase) 450 of 10,000 zero bits that were there are left        is cut
#   remain-35    (erase) 35 of 10,000: both shares were measured on silicon      is cut
#   weak-old     hardly anything to be seen, but the cells are no longer stable    is cut
#   weak         a part done, a part not, the rest unstable                        is cut
#   weak-new     all done to look at, but a part of the cells unstable             is cut
#   dropped      nothing, without an error                                         stays
#
# Unstable cells read as before the operation, or as after it, or as a mixture, and that changes:
# for one half of the faults at every restart and every operation, for the other half at each access
# to a view of the flash, too. (A slice that code keeps is such a view; its octets change below it.)
# They are unstable until they are programmed to zero or erased.
#
# Chance is drawn from a text, the same on CPython and MicroPython: a fault is replayed by its name.

import hashlib

from power_cut import PowerCut

from nor import PAGE_BYTES, SECTOR_BYTES, NorFlash, Partition

PROGRAM_KINDS = (
    "not-started",
    "prefix",
    "bits",
    "last-octet",
    "weak-old",
    "weak",
    "weak-new",
    "dropped",
)
ERASE_KINDS = (
    "not-started",
    "prefix",
    "bits",
    "mixed",
    "remain-450",
    "remain-35",
    "weak-old",
    "weak",
    "weak-new",
    "dropped",
)
_REMAIN = {"remain-450": 450, "remain-35": 35}  # of 10,000 zero bits

_PIECE_BYTES = 64  # of a sector that is left as a mixture
_SECTOR = (1 << 8 * SECTOR_BYTES) - 1  # every bit of a sector
_ALL = (1 << 8 * PAGE_BYTES) - 1
# how many eighths of the unstable cells of a page read as after the operation: one is drawn
_SHARES = {"old": (0, 0, 0, 1, 8), "half": (0, 4, 8), "new": (0, 7, 8, 8, 8)}


class Dice:
    # seed: text; the same one gives the same throws
    def __init__(self, seed):
        self._seed = seed.encode()
        self._blocks = 0
        self._left = b""

    def copy(self):
        dice = Dice("")
        dice._seed, dice._blocks, dice._left = self._seed, self._blocks, self._left
        return dice

    def octets(self, length):
        while len(self._left) < length:
            self._left += hashlib.sha256(self._seed + b" %d" % self._blocks).digest()
            self._blocks += 1
        found, self._left = self._left[:length], self._left[length:]
        return found

    # An integer from 0 to limit - 1.
    def below(self, limit):
        return int.from_bytes(self.octets(4), "big") % limit

    def choice(self, values):
        return values[self.below(len(values))]

    # An integer of so many octets; so many eighths of its bits are ones.
    def bits(self, length, eighths=4):
        found = int.from_bytes(self.octets(length), "big")
        for _ in range({1: 2, 2: 1}.get(eighths, 0)):
            found &= int.from_bytes(self.octets(length), "big")
        for _ in range({7: 2, 6: 1}.get(eighths, 0)):
            found |= int.from_bytes(self.octets(length), "big")
        return found


class Torn:
    # What is left of an operation. unstable: bits that are not settled; old, new: how they read
    # before and after the operation.
    def __init__(self, octets, unstable, old, new, bias):
        self.octets = octets
        self.unstable = unstable
        self.old = old
        self.new = new
        self.bias = bias


# What an operation that changes `before` to `after` leaves behind when it fails as `kind`.
def torn(kind, before, after, dice):
    length = len(before)
    old, new = int.from_bytes(before, "big"), int.from_bytes(after, "big")
    changes = old ^ new
    settled, unstable, bias = old, 0, "half"
    if kind in ("prefix", "last-octet"):
        at = dice.choice([at for at in range(length) if before[at] != after[at]] or [0])
        # the octet there is done, too; or some of its bits are
        done = (1 << 8 * length) - (1 << 8 * (length - at - 1))
        if kind == "last-octet":
            done ^= dice.bits(1) << 8 * (length - at - 1)
        settled = old ^ (changes & done)
    elif kind == "bits":
        settled = old ^ (changes & dice.bits(length, dice.choice((1, 4, 7))))
    elif kind in _REMAIN:
        settled = new ^ (changes & _sparse(length, _REMAIN[kind], dice))
    elif kind == "mixed":
        return Torn(_mixed(before, after, dice), 0, old, new, "half")
    elif kind == "weak-old":
        unstable, bias = changes & dice.choice((_SECTOR, dice.bits(length, 7))), "old"
    elif kind == "weak":
        settled = old ^ (changes & dice.bits(length))
        unstable = changes & dice.bits(length)
    elif kind == "weak-new":
        settled = new
        unstable, bias = changes & dice.bits(length, dice.choice((1, 4, 7))), "new"
    return Torn(settled.to_bytes(length, "big"), unstable, old, new, bias)


# An integer of so many octets; so many of 10,000 bits are ones, wherever they fall.
def _sparse(length, share, dice):
    found = 0
    for _ in range(max(1, length * 8 * share // 10000)):
        found |= 1 << dice.below(length * 8)
    return found


def _mixed(before, after, dice):
    pieces = []
    for at in range(0, len(before), _PIECE_BYTES):
        source = dice.choice((before, after, None))
        pieces.append(
            dice.octets(_PIECE_BYTES) if source is None else bytes(source[at : at + _PIECE_BYTES])
        )
    return b"".join(pieces)


class Fault:
    # operation: which one fails, counted from 0, from the fault before this one.
    # number: another draw of the same fault
    def __init__(self, operation, kind, number=0):
        self.operation = operation
        self.kind = kind
        self.number = number

    # How an operation fails, "program" or "erase".
    def kind_of(self, name):
        return self.kind

    def __repr__(self):
        return "%d.%s.%d" % (self.operation, self.kind, self.number)


# The faults named by a text such as 17.weak-new.0,3.prefix.1
def parse_faults(text):
    faults = []
    for part in text.split(","):
        operation, kind, number = part.split(".")
        faults.append(Fault(int(operation), kind, int(number)))
    return faults


class FaultyFlash(NorFlash):
    # faults: in order; each is counted from the one before
    def __init__(self, cells, faults=()):
        NorFlash.__init__(self, cells)
        self.faults = list(faults)
        self.fired = 0  # how many of them happened
        self.operations = 0  # since the start, or since the last fault
        self.before = None  # the cells before the last fault, and as it should have left them
        self.after = None
        # called with each operation: ("program" or "erase", offset, whether it changes any cell)
        self.watcher = None
        self.on_fault = None  # called with each fault as it happens
        # a dropped operation would have settled unstable cells: no check can find them any more
        self.is_unsettled = False
        self._unstable = {}  # offset of a page -> [cells, old, new], integers of a page
        self._bias = "half"
        self._each_access = False
        self._dice = None
        self._misread = None  # (offset, mask) of a bit that reads wrong for now
        self._once = None  # [offset, mask, reads of it before it reads wrong, once]

    # So many sectors from `first`, as a block device.
    def partition(self, first, count):
        return Partition(self, first, count)

    def view(self, start, end):
        if self._once is not None:
            return _OnceView(self, start, end, True)
        if self._unstable:
            return _UnstableView(self, start, end)
        return self.cells[start:end]

    @property
    def is_stable(self):
        return not self._unstable

    # Whether any of the octets [start, end) is.
    def is_unstable(self, start, end):
        return any([page < end and page + PAGE_BYTES > start for page in self._unstable])

    # The cells that are unstable in `other`, whose cells these are.
    def copy_unstable(self, other):
        for start, (unstable, old, new) in other._unstable.items():
            self._unstable[start] = [unstable, old, new]
        self._bias, self._each_access = other._bias, other._each_access
        self.is_unsettled = other.is_unsettled
        if other._dice is not None:
            self._dice = other._dice.copy()

    # --- wrong reads: the cells are as they are, and one bit of them reads otherwise

    # Bit `bit` (from the first octet's highest) reads wrong until `end_misread`.
    def begin_misread(self, bit):
        self._misread = (bit // 8, 0x80 >> bit % 8)
        self._flip()

    def end_misread(self):
        self._flip()
        self._misread = None

    # Read number `count` of bit `bit` is wrong, and no other; in views that are taken from now on.
    def misread_once(self, bit, count):
        self._once = [bit // 8, 0x80 >> bit % 8, count]

    # Octets [start, end) are read: as a copy, which stays as it was read.
    def read_copy(self, start, end):
        octets = bytearray(self.cells[start:end])
        at, mask, count = self._once
        if start <= at < end:
            if count == 0:
                octets[at - start] ^= mask
            self._once[2] -= 1
        return memoryview(octets)

    def _flip(self):
        if self._misread is not None:
            at, mask = self._misread
            self.cells[at] ^= mask

    # Power is back.
    def restart(self):
        self._roll()

    # Octets [start, end) are read: unstable cells among them may read otherwise than before.
    def read_again(self, start, end):
        if self._each_access and self.is_unstable(start, end):
            self._roll()

    # --- operations

    def erase(self, sector):
        # what happens to cells is not what is read of them
        self._flip()
        try:
            self._erase(sector)
        finally:
            self._flip()

    def _erase(self, sector):
        start = sector * SECTOR_BYTES
        if self._happens("erase", start, SECTOR_BYTES, b"\xff" * SECTOR_BYTES):
            NorFlash.erase(self, sector)
            for page in range(start, start + SECTOR_BYTES, PAGE_BYTES):
                self._unstable.pop(page, None)

    def program(self, offset, octets):
        for at in range(0, len(octets), PAGE_BYTES):
            page = bytes(octets[at : at + PAGE_BYTES])
            self._flip()
            try:
                if self._happens("program", offset + at, PAGE_BYTES, page):
                    self._program(offset + at, page)
            finally:
                self._flip()

    def _program(self, start, page):
        unstable = self._unstable.get(start)
        if unstable is None:
            NorFlash.program(self, start, page)
            return
        # zeros settle a cell; ones leave it as it is, and that is no fault of who programs them
        cells = self.cells[start : start + PAGE_BYTES]
        value = int.from_bytes(cells, "big") | unstable[0]
        cells[:] = value.to_bytes(PAGE_BYTES, "big")
        NorFlash.program(self, start, page)
        unstable[0] &= int.from_bytes(page, "big")
        if not unstable[0]:
            del self._unstable[start]
        self._roll()

    # --- faults

    # Whether an operation happens; it may also fail half-way, and end all that runs.
    def _happens(self, name, start, length, octets):
        number = self.operations
        self.operations += 1
        if self._unstable:
            self._roll()
        fault = self.faults[self.fired] if self.fired < len(self.faults) else None
        due = fault is not None and fault.operation == number
        if not due and self.watcher is None:
            return True
        before = bytes(self.cells[start : start + length])
        after = octets
        if name == "program":
            value = int.from_bytes(before, "big") & int.from_bytes(octets, "big")
            after = value.to_bytes(length, "big")
        if self.watcher is not None:
            self.watcher(name, start, before != after)
        if not due:
            return True
        self._fail(fault, fault.kind_of(name), start, before, after)
        return False

    def _fail(self, fault, kind, start, before, after):
        self.operations = 0
        self.fired += 1
        if self.on_fault is not None:
            self.on_fault(fault)
        if kind == "dropped":
            for page in range(start, start + len(before), PAGE_BYTES):
                self.is_unsettled = self.is_unsettled or page in self._unstable
            return
        # what must be found again is clear as long as no cell is in doubt from before
        self.before = self.after = None
        if not self._unstable:
            self.before = bytes(self.cells)
            self.after = self.before[:start] + after + self.before[start + len(after) :]
        dice = Dice("%r %d %d" % (fault, start, self.fired))
        left = torn(kind, before, after, dice)
        self.cells[start : start + len(before)] = left.octets
        for page in range(0, len(before), PAGE_BYTES):
            self._unstable.pop(start + page, None)
        if left.unstable:
            self._dice = dice
            self._bias = left.bias
            self._each_access = bool(dice.below(2))
            for page in range(0, len(before), PAGE_BYTES):
                shift = 8 * (len(before) - page - PAGE_BYTES)
                cells = left.unstable >> shift & _ALL
                if cells:
                    old, new = left.old >> shift & _ALL, left.new >> shift & _ALL
                    self._unstable[start + page] = [cells, old, new]
        raise PowerCut

    def _roll(self):
        # in an order that is the same on CPython and MicroPython
        for start in sorted(self._unstable):
            unstable, old, new = self._unstable[start]
            # all alike (the supply's voltage decides), or each as it likes
            share = self._dice.choice(_SHARES[self._bias])
            mixture = _ALL if share == 8 else self._dice.bits(PAGE_BYTES, share) if share else 0
            cells = self.cells[start : start + PAGE_BYTES]
            value = int.from_bytes(cells, "big")
            value ^= value & unstable
            value |= unstable & ((old & (_ALL ^ mixture)) | (new & mixture))
            cells[:] = value.to_bytes(PAGE_BYTES, "big")


# is_region: of a whole region. What is cut off its front is a view again, as of mapped flash: an
# image is read piece by piece. Every other slice is read here and now.
class _OnceView:
    def __init__(self, flash, start, end, is_region):
        self._flash = flash
        self._start = start
        self._end = end
        self._is_region = is_region

    def __len__(self):
        return self._end - self._start

    def __getitem__(self, key):
        if not isinstance(key, slice):
            return self._flash.read_copy(self._start + key, self._start + key + 1)[0]
        first, length = key.start or 0, len(self)
        end = length if key.stop is None else min(key.stop, length)
        if self._is_region and key.start is None:
            return _OnceView(self._flash, self._start, self._start + end, False)
        return self._flash.read_copy(self._start + first, self._start + max(end, first))


class _UnstableView:
    def __init__(self, flash, start, end):
        self._flash = flash
        self._start = start
        self._cells = flash.cells[start:end]

    def __len__(self):
        return len(self._cells)

    def __getitem__(self, key):
        first, end = key, key
        if isinstance(key, slice):
            first, end = key.start or 0, len(self._cells) if key.stop is None else key.stop
        self._flash.read_again(self._start + first, self._start + max(end, first + 1))
        return self._cells[key]
