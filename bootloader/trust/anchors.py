# Trust anchor cells: the public keys that this device believes, written once at provisioning.
#
# A cell has a head page and a comb table behind it. The table is computed by whoever provisions
# and makes verification fast; its digest stands in the head. A cell counts when head and table
# check, and the head is programmed last, so a cell is there as a whole or not at all.
#
#   0  "HBAC"  4  format  5  role  6  flags  7  zero  8  key identifier (8)  16  public key (64)
#   80  sequence (4, little-endian)  84  table octets (4, little-endian)  88  SHA-256 of the table
#   120  label (24, UTF-8, zero padded)  144  SHA-256 of the 144 octets before
#   254  void: programmed where the head was found not to check
#   255  seal: programmed once the head stands on settled cells
#
# A head that power failed in may rest on weak cells: it reads well now and not the next time, or
# the other way round. As long as there is no seal, loading decides: a head that checks is
# programmed once more, and sealed; one that does not is void, whatever it reads as later. A sealed
# head that does not check any more is passed over, and left alone.
#
# The manufacturer's cell comes last and locks the region: from then on a cell is only taken with
# the signature of a cell that is held, and with a higher sequence than the one it replaces.

import hashlib
import struct

from bootloader.compat import const
from bootloader.reasons import (
    ANCHOR_MALFORMED,
    ANCHOR_SIGNATURE,
    ANCHORS_LOCKED,
    FLASH_FAULT,
    Refused,
)
from bootloader.store.flash import Region
from bootloader.trust import p256

# fmt: off
SUPPLIER          = const(2)    # GBCS RemotePartyRole
MANUFACTURER      = const(127)  # 'other': GBCS has no role for it
DEVELOPMENT       = const(0x01) # flag: the private key is a development key
HEAD_BYTES        = const(176)
_SIGNED_BYTES     = const(144)
_VOID_AT          = const(254)
_SEAL_AT          = const(255)
_TABLE_AT         = const(256)
_CELL_SECTORS     = const(5)      # head page and the largest table, in sectors of 4096
FORMAT            = const(1)
# fmt: on

# no table, or a comb of 4 to 8 rows: what p256 can use
_TABLE_BYTES = (0, 960, 1984, 4032, 8128, 16320)

MAGIC = b"HBAC"
_UPDATE = b"hanboot anchor update\0"  # keeps this signature apart from every other


class Cell:
    # head: HEAD_BYTES octets; Refused(ANCHOR_MALFORMED) with the offset of the field at fault
    def __init__(self, head: "bytes | memoryview") -> None:
        head = memoryview(head)
        if len(head) != HEAD_BYTES or head[:4] != MAGIC or head[4] != FORMAT:
            raise Refused(ANCHOR_MALFORMED, 0)
        if hashlib.sha256(head[:_SIGNED_BYTES]).digest() != head[_SIGNED_BYTES:]:
            raise Refused(ANCHOR_MALFORMED, _SIGNED_BYTES)
        self.role = head[5]
        self.flags = head[6]
        if self.role not in (SUPPLIER, MANUFACTURER) or self.flags > 1 or head[7]:
            raise Refused(ANCHOR_MALFORMED, 5)
        self.kid = bytes(head[8:16])
        self.key = bytes(head[16:80])
        self.sequence, self.table_bytes = struct.unpack_from("<II", head, 80)
        if self.table_bytes not in _TABLE_BYTES:
            raise Refused(ANCHOR_MALFORMED, 84)
        self.table_hash = bytes(head[88:120])
        self.label = bytes(head[120:_SIGNED_BYTES])
        # no table: the slow way of verifying
        self.table: "memoryview | None" = None

    @property
    def is_development(self) -> bool:
        return bool(self.flags & DEVELOPMENT)

    # Generator; returns whether `signature` (r || s) over `digest` is this key's.
    def verify_steps(self, digest: bytes, signature: "bytes | memoryview"):  # type: ignore[no-untyped-def]
        return (yield from p256.verify_steps(self.key, digest, signature, self.table))


# What the key of a held cell signs to let the cell with `head` in.
def update_to_be_signed(head: "bytes | memoryview") -> bytes:
    return _UPDATE + bytes(head[:_SIGNED_BYTES])


class Anchors:
    def __init__(self, region: Region) -> None:
        self._region = region
        self._cells: "dict[int, Cell]" = {}  # role -> cell
        self._places: "dict[int, int]" = {}  # role -> index of its place in the region
        self._incoming: "memoryview | None" = None
        self._incoming_place = 0
        self._committed = False
        # set by who remembers it: also a region whose cells cannot be read any more is locked
        self.is_locked = False
        for place in range(region.sectors // _CELL_SECTORS):
            self._load(place)

    # The cell of `role`; None if there is none.
    def cell(self, role: int) -> "Cell | None":
        return self._cells.get(role)

    def cells(self) -> "list[Cell]":
        return list(self._cells.values())

    @property
    def is_provisioned(self) -> bool:
        return MANUFACTURER in self._cells

    # --- provisioning: begin, write the table, commit

    # Takes the head of a new cell. signature: needed once the region is locked. Generator.
    def begin_steps(self, head: bytes, signature: "bytes | None"):  # type: ignore[no-untyped-def]
        self._incoming = None
        self._committed = False
        cell = Cell(head)
        if not p256.is_public_key(cell.key):
            raise Refused(ANCHOR_MALFORMED, 16)
        held = self._cells.get(cell.role)
        if held is not None and cell.sequence <= held.sequence:
            raise Refused(ANCHORS_LOCKED, 80)
        if self.is_provisioned or self.is_locked:
            yield from self._check_update(cell.role, head, signature)
        self._incoming_place = self._free_place()
        for sector in range(_CELL_SECTORS):
            self._region.erase(self._incoming_place * _CELL_SECTORS + sector)
            yield
        self._incoming = memoryview(bytes(head))

    # Octets of the table, at their offset in it.
    def write(self, offset: int, octets: "bytes | memoryview") -> None:
        if self._incoming is None:
            raise Refused(ANCHOR_MALFORMED, -1)
        if offset + len(octets) > Cell(self._incoming).table_bytes:
            raise Refused(ANCHOR_MALFORMED, 84)
        start = self._start(self._incoming_place) + _TABLE_AT + offset
        end = start + len(octets)
        # a piece that comes again is there; another one cannot go over it
        if self._region.view[start:end] == octets:
            return
        if not self._region.is_erased(start, end):
            raise Refused(FLASH_FAULT, offset)
        self._region.program(start, octets)

    # The table is complete: the cell counts from here on.
    def commit(self) -> None:
        # asked again, because the answer was lost
        if self._committed:
            return
        head = self._incoming
        self._incoming = None
        if head is None:
            raise Refused(ANCHOR_MALFORMED, -1)
        cell = Cell(head)
        start = self._start(self._incoming_place)
        if not self._attach_table(cell, start):
            raise Refused(ANCHOR_MALFORMED, 88)
        old = self._places.get(cell.role)
        self._region.commit(start, bytes(head))
        self._load(self._incoming_place)
        self._committed = True
        if old is not None and old != self._places[cell.role]:
            try:
                self._region.erase(old * _CELL_SECTORS)
            except Refused:
                pass  # what stays there is older, and never counts again

    def _check_update(self, role: int, head: bytes, signature: "bytes | None"):  # type: ignore[no-untyped-def]
        if signature is None or len(signature) != 64:
            raise Refused(ANCHORS_LOCKED)
        digest = hashlib.sha256(update_to_be_signed(head)).digest()
        # the key that is replaced may name its successor, and so may the manufacturer
        for signer in (role, MANUFACTURER):
            cell = self._cells.get(signer)
            if cell is not None and (yield from cell.verify_steps(digest, signature)):
                return
        raise Refused(ANCHOR_SIGNATURE)

    # --- places

    def _start(self, place: int) -> int:
        return place * _CELL_SECTORS * self._region.sector_bytes

    def _free_place(self) -> int:
        for place in range(self._region.sectors // _CELL_SECTORS):
            if place not in self._places.values():
                return place
        raise Refused(ANCHORS_LOCKED)

    def _attach_table(self, cell: Cell, start: int) -> bool:
        table = self._region.view[start + _TABLE_AT : start + _TABLE_AT + cell.table_bytes]
        if hashlib.sha256(table).digest() != cell.table_hash:
            return False
        if cell.table_bytes:
            # the first entry of a comb table is the key itself
            if table[:64] != cell.key:
                return False
            cell.table = table
        return True

    def _load(self, place: int) -> None:
        start = self._start(place)
        # a copy: flash that is read again may read otherwise
        head = bytes(self._region.view[start : start + HEAD_BYTES])
        cell = None
        try:
            found = Cell(head)
            if self._attach_table(found, start):
                cell = found
        except Refused:
            pass
        if self._region.is_begun(start) and not self._region.is_begun(start + _SEAL_AT):
            if self._region.is_begun(start + _VOID_AT):
                cell = None
            self._settle(start, head if cell else None)
        if cell is None:
            return
        held = self._cells.get(cell.role)
        # a cut between programming a successor and erasing the old one leaves both
        if held is None or cell.sequence > held.sequence:
            self._cells[cell.role] = cell
            self._places[cell.role] = place

    # head: None where it is void
    def _settle(self, start: int, head: "bytes | None") -> None:
        try:
            if head is None:
                self._region.program(start + _VOID_AT, b"\0")
                return
            self._region.program(start, head)
            self._region.program(start + _SEAL_AT, b"\0")
        except Refused:
            pass  # the next start tries again
