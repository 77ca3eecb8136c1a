# Trust anchors: the cells with the public keys that this device trusts (cell.py), in flash.
#
# A cell has a place of two sectors: its head in the first, the comb table of its key in the second,
# with SHA-256 of key and table after it. The device computes the table itself, once, and so a key
# has no table but its own. The head is programmed last: a cell is there as a whole or not at all. A
# table that does not check is not used; verifying takes longer then.
#
# In the head's first page two more bytes are the device's own:
#   254  void: programmed where the head was found not to check
#   255  seal: programmed once the head stands on settled cells
# A head that power failed in may rest on weak cells: it reads well now and not the next time, or
# the other way round. As long as there is no seal, loading decides: a head that checks is
# programmed once more, and sealed; one that does not is void, whatever it reads as later. A sealed
# head that does not check any more is passed over, and left alone. A wrong read looks the same, so
# nothing of this is done before the next start found it, too (store/doubts.py).
#
# The manufacturer's cell comes last and locks the region: from then on a cell is only taken with
# the signature of the cell that it succeeds, or of the manufacturer's, and with a higher sequence.
# The highest sequence is kept elsewhere (store/backup.py), so a cell that was succeeded never
# counts again. It is left where it is while an image needs it: for the exact images that were
# confirmed under it, a manufacturer's key vouches on, and for nothing else.

import hashlib

from hanbootloader.compat import const
from hanbootloader.reasons import (
    ANCHOR_MALFORMED,
    ANCHOR_SEQUENCE,
    ANCHOR_SIGNATURE,
    ANCHORS_LOCKED,
    FLASH_FAULT,
    Refused,
)
from hanbootloader.trust import cell as cells
from hanbootloader.trust import p256
from hanbootloader.trust.cell import DIGITAL_SIGNATURE, MANUFACTURER, Cell
from hanbootloader.trust.kid import kid_of

if __debug__:  # in annotations alone
    from hanbootloader.store.flash import Region

# fmt: off
_VOID_AT       = const(254)
_SEAL_AT       = const(255)
_PLACE_SECTORS = const(2)
_DIGEST_BYTES  = const(32)
_WRITES_MOST   = const(2)   # of a cell in one place before it counts as worn
# fmt: on

TABLE_ROWS = 6  # of a comb table: 63 entries, 4032 bytes

_OLD_PLACES = (0, 5, 10)  # sectors where cells of format 1 began
_OLD_BEGIN = b"HBAC\x01"


# What is remembered of the anchors outside of their region. A device keeps it in its journal and in
# its backup (device.py).
class Memory:
    if __debug__:  # an interface
        # highest sequence by identity of a cell
        def sequences(self) -> "dict[int, int]":
            raise NotImplementedError

        # places that do not take what is written
        def worn(self) -> "list[int]":
            raise NotImplementedError

        def note_worn(self, place: int) -> None:
            raise NotImplementedError

        # Whether the head in `sector` fails its check. Once that is to be acted upon, nothing is in
        # doubt (store/doubts.py).
        def weigh(self, sector: int, is_failed: bool) -> None:
            raise NotImplementedError

        # Something is in doubt, and nothing is to be written at this start.
        def is_in_doubt(self) -> bool:
            raise NotImplementedError


class Anchors:
    def __init__(self, region: "Region", memory: Memory) -> None:
        self._region = region
        self._memory = memory
        # set by who remembers it: also a region whose cells cannot be read any more is locked
        self.is_locked = False
        self._load()

    # The cell of `role` that counts; None if there is none.
    def cell(self, role: int, usage: int = DIGITAL_SIGNATURE) -> "Cell | None":
        found = self._cells.get(role << 8 | usage)
        return found[0] if found else None

    def cells(self) -> "list[Cell]":
        return [cell for cell, _ in self._cells.values()]

    # The manufacturer's cell with `kid` that was succeeded; None if there is none, or its key is
    # the one that counts.
    def former(self, kid: bytes) -> "Cell | None":
        current = self.cell(MANUFACTURER)
        if current is None or current.kid == kid:
            return None
        for cell, _ in self._former:
            if cell.kid == kid:
                return cell
        return None

    @property
    def is_provisioned(self) -> bool:
        return self.cell(MANUFACTURER) is not None

    # --- a new cell

    # Takes the cell with `head`. signature: needed once the region is locked. scope: manufacturer
    # code and image type of this device. kept_kids: of former keys that are still needed; None for
    # all. Generator; returns whether anything was written: nothing is if the cell is held already.
    def put_steps(  # type: ignore[no-untyped-def]
        self,
        head: bytes,
        signature: "bytes | None",
        scope: "tuple[int, int]",
        kept_kids: "list[bytes] | None",
    ):
        cell = Cell(head)
        if cell.is_old:
            raise Refused(ANCHOR_MALFORMED, 4)
        held = self._cells.get(cell.identity)
        if held is not None and held[0].head == cell.head:
            return False
        self._check(cell, scope)
        if self.is_provisioned or self.is_locked:
            yield from self._check_update(cell, signature)
        yield from self._write_steps(cell, self._free_places(kept_kids))
        return True

    def _check(self, cell: Cell, scope: "tuple[int, int]") -> None:
        if not p256.is_public_key(cell.key):
            raise Refused(ANCHOR_MALFORMED, 16)

        # an identifier of its own choice would let a stranger's key pass for the manufacturer's
        if cell.kid != kid_of(cell.key):
            raise Refused(ANCHOR_MALFORMED, 8)

        # made for another type of device
        for at in (0, 1):
            if cell.scope[at] != cells.ANY and cell.scope[at] != scope[at]:
                raise Refused(ANCHOR_MALFORMED, 84 + 2 * at)

        highest = self._highest(cell)
        if cell.sequence <= highest:
            raise Refused(ANCHORS_LOCKED, 80)
        # one that leaves no room for a successor would be there for good
        if cell.sequence - highest >= cells.SEQUENCE_STEP:
            raise Refused(ANCHOR_SEQUENCE, 80)

    # Highest sequence that a cell like this one had on this device; -1 if there was none.
    def _highest(self, cell: Cell) -> int:
        held = self._cells.get(cell.identity)
        remembered = self._memory.sequences().get(cell.identity, -1)
        return max(held[0].sequence if held else -1, remembered)

    def _check_update(self, cell: Cell, signature: "bytes | None"):  # type: ignore[no-untyped-def]
        if signature is None or len(signature) != 64:
            raise Refused(ANCHORS_LOCKED)
        digest = hashlib.sha256(cells.update_to_be_signed(cell.head)).digest()
        # the key that is replaced may name its successor, and so may the manufacturer
        for role in (cell.role, MANUFACTURER):
            signer = self.cell(role)
            if signer is not None and (yield from signer.verify_steps(digest, signature)):
                return
        raise Refused(ANCHOR_SIGNATURE)

    # Nothing is erased before all is known, so that no sender of a published successor wears flash.
    def _write_steps(self, cell: Cell, places: "list[int]"):  # type: ignore[no-untyped-def]
        table = yield from p256.table_steps(cell.key, TABLE_ROWS)
        for place in places:
            if not (yield from self._take_place_steps(cell, table, place)):
                # a worn place is not tried again
                self._memory.note_worn(place)
                continue
            self._load()
            held = self._cells.get(cell.identity)
            if held is None or held[0].head != cell.head:
                raise Refused(FLASH_FAULT)
            return
        raise Refused(FLASH_FAULT)

    # Whether `place` took the cell. One write that is lost does not make a place worn.
    def _take_place_steps(self, cell: Cell, table: bytes, place: int):  # type: ignore[no-untyped-def]
        for _ in range(_WRITES_MOST):
            try:
                yield from self._write_place_steps(cell, table, place)
                return True
            except Refused:
                pass
        return False

    def _write_place_steps(self, cell: Cell, table: bytes, place: int):  # type: ignore[no-untyped-def]
        for sector in range(place * _PLACE_SECTORS, (place + 1) * _PLACE_SECTORS):
            self._region.erase(sector)
            # what was noted of the cell before goes with it
            self._memory.weigh(sector, False)
            yield
        self._region.program(self._table_start(place), table + _digest(cell.key, table))
        yield
        self._region.commit(self._start(place), cell.head)

    # --- cells of the format before

    # Writes cells of format 1 anew, with tables of this device's own making. Generator. Power may
    # fail anywhere: the old cell counts until the new one does.
    def migrate_steps(self):  # type: ignore[no-untyped-def]
        if self._memory.is_in_doubt():
            return
        for cell in self.cells():
            # a key that is none never verifies, and needs no table
            if cell.is_old and p256.is_public_key(cell.key):
                head = cells.encode_head(
                    cell.role,
                    cell.usage,
                    cell.flags,
                    cell.key,
                    cell.sequence,
                    cell.label,
                )
                try:
                    yield from self._write_steps(Cell(head), self._free_places(None))
                except Refused:
                    pass  # the old one is as good, and slower

    # --- places

    def _start(self, place: int) -> int:
        return place * _PLACE_SECTORS * self._region.sector_bytes

    def _table_start(self, place: int) -> int:
        return self._start(place) + self._region.sector_bytes

    # Places that hold nothing that is needed.
    def _free_places(self, kept_kids: "list[bytes] | None") -> "list[int]":
        taken = [sector // _PLACE_SECTORS for _, sector in self._cells.values()]
        for cell, sector in self._former:
            # one place for a key that may vouch: who names cells of one key, or of another role,
            # again and again does not fill the region
            if self.former(cell.kid) is cell and (kept_kids is None or cell.kid in kept_kids):
                taken.append(sector // _PLACE_SECTORS)
        free = [
            place
            for place in range(self._region.sectors // _PLACE_SECTORS)
            if place not in taken and place not in self._memory.worn()
        ]
        # else every successor would go to the first ones
        newest = max(taken) if taken else -1
        return [place for place in free if place > newest] + [
            place for place in free if place < newest
        ]

    # --- loading

    def _load(self) -> None:
        self._cells: "dict[int, tuple[Cell, int]]" = {}  # identity -> cell, its first sector
        # the manufacturer's cells that were succeeded
        self._former: "list[tuple[Cell, int]]" = []
        for sector in range(self._region.sectors):
            if sector % _PLACE_SECTORS == 0 or sector in _OLD_PLACES:
                cell = self._loaded(sector)
                if cell is not None:
                    self._sort_in(cell, sector)

    # Of two cells of one identity the higher sequence counts; of the same, the newer format.
    def _sort_in(self, cell: Cell, sector: int) -> None:
        held = self._cells.get(cell.identity)
        is_current = cell.sequence >= self._memory.sequences().get(cell.identity, 0)
        if held is not None and is_current:
            if cell.sequence == held[0].sequence:
                is_current = held[0].is_old and not cell.is_old
            else:
                is_current = cell.sequence > held[0].sequence
        if is_current:
            self._cells[cell.identity] = (cell, sector)
            if held is None:
                return
            cell, sector = held
        # no other key ever vouches again
        if cell.role == MANUFACTURER:
            self._former.append((cell, sector))

    # The cell whose head is in `sector`; None if none that counts is there.
    def _loaded(self, sector: int) -> "Cell | None":
        region = self._region
        start = sector * region.sector_bytes
        is_place = sector % _PLACE_SECTORS == 0
        cell = self._head_at(start)
        if cell is not None and not (sector in _OLD_PLACES if cell.is_old else is_place):
            return None
        if cell is None and not (region.is_begun(start) if is_place else self._is_like_old(start)):
            return None
        is_sealed = region.is_begun(start + _SEAL_AT)
        if not is_sealed and region.is_begun(start + _VOID_AT):
            return None
        self._memory.weigh(sector, cell is None)
        if not is_sealed and not self._memory.is_in_doubt():
            self._settle(start, cell)
            self._memory.weigh(sector, False)
        # what comes after a head of format 1 is of its sender's making
        if cell is not None and not cell.is_old:
            self._attach_table(cell, sector // _PLACE_SECTORS)
        return cell

    # Whether what does not check may be a cell of format 1, where else a table may lie.
    def _is_like_old(self, start: int) -> bool:
        found = bytes(self._region.view[start : start + len(_OLD_BEGIN)])
        wrong = int.from_bytes(found, "big") ^ int.from_bytes(_OLD_BEGIN, "big")
        return not wrong & (wrong - 1)  # one bit at most

    def _head_at(self, start: int) -> "Cell | None":
        # what reads wrong is read again before it counts as wrong; a copy, which stays as it is
        for _ in (0, 1):
            try:
                return Cell(self._region.view[start : start + cells.HEAD_BYTES])
            except Refused:
                pass
        return None

    # cell: None where the head is void
    def _settle(self, start: int, cell: "Cell | None") -> None:
        try:
            if cell is None:
                self._region.program(start + _VOID_AT, b"\0")
                return
            self._region.program(start, cell.head)
            self._region.program(start + _SEAL_AT, b"\0")
        except Refused:
            pass  # the next start tries again

    def _attach_table(self, cell: Cell, place: int) -> None:
        start = self._table_start(place)
        end = start + p256.table_bytes(TABLE_ROWS)
        for _ in (0, 1):
            table = self._region.view[start:end]
            if _digest(cell.key, table) == bytes(self._region.view[end : end + _DIGEST_BYTES]):
                cell.table = table
                return


def _digest(key: bytes, table: "bytes | memoryview") -> bytes:
    sha = hashlib.sha256(key)
    sha.update(table)
    return sha.digest()
