# The journal: what must survive a power cut, as append-only records.
#
# Sectors are used in turn. A sector begins with a *sector record* that carries a generation; the
# valid one with the highest generation is current. When it is full, the live entries are copied
# to the next sector, and the sector record there is programmed last: until then the old sector
# stands, from then on the new one. A record is
#
#   0  kind (1)   1  generation, low octet (1)   2  length of body (2, little-endian)
#   4  body       then CRC-32 of all before it (4, little-endian), zero to three octets FF
#
# and its body is a list of entries `key (1), length (2, little-endian), value`, which take effect
# together or not at all. An entry replaces the earlier one of its key; those with keys from
# HISTORY on are kept, the last HISTORY_KEPT of them.
#
# A torn record does not check, and ends its sector: what was meant never happened, and the live
# entries move to a fresh sector before anything else is done.
#
# A record that power failed in may rest on weak cells: it reads well now and not the next time, or
# the other way round. So what opening finds is made to stay as it was read just then. The last
# record and the sector record are programmed once more (the same bits: NOR flash takes that without
# an erase). A sector record that does not check may do so tomorrow: the live entries move to a
# sector that outranks it, and only then is it programmed to zeros, which power may fail in, too.
# The first octet of a record is programmed before the rest, so that where it is erased there is no
# rest, either.

import struct
from binascii import crc32

from bootloader.compat import const
from bootloader.reasons import FLASH_FAULT, Refused
from bootloader.store.flash import Region

# fmt: off
HISTORY        = const(0x80)  # keys from here on are kept in order
HISTORY_KEPT   = const(16)
_SECTOR        = const(0x53)  # kinds
_RECORD        = const(0x52)
_HEAD_BYTES    = const(4)
_CRC_BYTES     = const(4)
_SECTOR_BYTES  = const(12)    # the sector record: its body is the generation
# fmt: on

_VOID = bytes(_SECTOR_BYTES)  # a sector record that never counts again


def _padded(length: int) -> int:
    return (length + 3) & ~3


class Journal:
    def __init__(self, region: Region) -> None:
        self._region = region
        self._sector = -1  # current; -1 while the journal was never written
        self._generation = 0
        self._ahead = 1  # from this generation to the next
        self._end = 0  # offset in the region where the next record goes
        self._latest: "dict[int, bytes]" = {}
        self._history: "list[tuple[int, bytes]]" = []
        self._open()

    # The value last written under `key`; None if there is none.
    def latest(self, key: int) -> "bytes | None":
        return self._latest.get(key)

    # (key, value) of the history entries that are kept, oldest first.
    def history(self) -> "list[tuple[int, bytes]]":
        return list(self._history)

    # Writes the entries (key, value) as one record: all of them hold afterwards, or none.
    def append(self, entries: "list[tuple[int, bytes]]") -> None:
        length = _record_bytes(entries)
        if self._end + length > self._limit():
            self._move(entries, [])
            return
        record = self._record(_RECORD, _pack(entries), self._generation)
        try:
            self._region.commit(self._end, record)
        except Refused:
            # the program did not take: the sector is closed, a fresh one may do better
            self._end = self._limit()
            self._move(entries, [])
            return
        self._end += length
        for key, value in entries:
            self._keep(key, value)

    def _limit(self) -> int:
        return (self._sector + 1) * self._region.sector_bytes

    def _record(self, kind: int, body: bytes, generation: int) -> bytes:
        record = struct.pack("<BBH", kind, generation & 0xFF, len(body)) + body
        record += struct.pack("<I", crc32(record))
        return record + b"\xff" * (_padded(len(record)) - len(record))

    # --- reading

    def _open(self) -> None:
        region = self._region
        heads = [self._read(s * region.sector_bytes, _SECTOR) for s in range(region.sectors)]
        for sector, head in enumerate(heads):
            generation = int.from_bytes(head[4:8], "little")
            if generation > self._generation:
                self._sector, self._generation = sector, generation
        at, last = 0, b""
        if self._sector >= 0:
            at, last = self._sector * region.sector_bytes, heads[self._sector]
            self._end = at + len(last)
        has_rot = False
        while self._end < self._limit():
            record = self._read(self._end, _RECORD)
            if not record:
                behind = self._behind(self._end)
                if not behind:
                    break
                has_rot = True
                self._end = behind
                continue
            self._apply(record)
            at, last = self._end, record
            self._end += len(record)
        is_sound = not has_rot and self._settle(heads, at, last)
        if not is_sound:
            # nothing more goes into this sector, even if no other takes its place: what it holds
            # can still be read, and the device starts
            self._end = self._limit()
            self._ahead = 2
        doubtful = []
        for sector, head in enumerate(heads):
            start = sector * region.sector_bytes
            if not head and region.is_begun(start):
                doubtful.append(sector)
                if region.view[start : start + _SECTOR_BYTES] != _VOID:
                    self._ahead = 2
        # the next sector outranks every other, whatever that will read as
        is_moved = self._ahead == 1 or self._try_move(doubtful)
        for sector in doubtful:
            try:
                region.program(sector * region.sector_bytes, _VOID)
            except Refused:
                pass  # the next start tries again
        if not (is_sound or is_moved):
            self._try_move([])

    # Where the record behind the one at `at`, which does not check, begins; 0 if none is there. A
    # torn record is the last, so one with a good record behind it went bad later, and what came
    # later counts. Only its own length leads there: what lies within a record may be of somebody
    # else's making.
    def _behind(self, at: int) -> int:
        view = self._region.view
        behind = at + _padded(_HEAD_BYTES + (view[at + 2] | view[at + 3] << 8) + _CRC_BYTES)
        return behind if behind < self._limit() and self._read(behind, _RECORD) else 0

    # Makes what was read stay as it was read; whether the journal may go on behind it. heads: the
    # sector records, b"" for one that does not check: all of them, where no sector is current.
    # last: the record at `at`, the last one.
    def _settle(self, heads: "list[bytes]", at: int, last: bytes) -> bool:
        region = self._region
        try:
            region.program(self._sector * region.sector_bytes, heads[self._sector])
            region.program(at, last)
        except Refused:
            return False
        return region.is_erased(self._end, self._limit())

    # The record at `at`; b"" if there is no whole one. A copy: flash that is read again may read
    # otherwise.
    def _read(self, at: int, kind: int) -> bytes:
        limit = (at // self._region.sector_bytes + 1) * self._region.sector_bytes
        record = bytes(self._region.view[at : at + _HEAD_BYTES])
        if record[0] != kind:
            return b""
        crc_at = _HEAD_BYTES + (record[2] | record[3] << 8)
        if at + crc_at + _CRC_BYTES > limit:
            return b""
        record = bytes(self._region.view[at : at + _padded(crc_at + _CRC_BYTES)])
        stored = int.from_bytes(record[crc_at : crc_at + _CRC_BYTES], "little")
        if crc32(record[:crc_at]) != stored:
            return b""
        # a record left over from an earlier use of the sector has another generation
        if kind == _RECORD and record[1] != self._generation & 0xFF:
            return b""
        return record

    def _apply(self, record: bytes) -> None:
        start = _HEAD_BYTES
        end = start + (record[2] | record[3] << 8)
        while start + 3 <= end:
            length = record[start + 1] | record[start + 2] << 8
            self._keep(record[start], record[start + 3 : start + 3 + length])
            start += 3 + length

    def _keep(self, key: int, value: bytes) -> None:
        if key < HISTORY:
            self._latest[key] = value
        else:
            self._history.append((key, value))
            del self._history[:-HISTORY_KEPT]

    # --- moving on to a fresh sector

    # Moves what is live; not to the sectors in `avoided`. Whether there was another.
    def _try_move(self, avoided: "list[int]") -> bool:
        try:
            self._move([], avoided)
            return True
        except Refused:
            return False

    def _move(self, entries: "list[tuple[int, bytes]]", avoided: "list[int]") -> None:
        # a sector that does not take what is programmed is passed over; never the current one
        for step in range(1, self._region.sectors):
            sector = (self._sector + step) % self._region.sectors
            if sector not in avoided:
                try:
                    self._move_to(sector, entries)
                    return
                except Refused:
                    continue
        raise Refused(FLASH_FAULT)

    def _move_to(self, sector: int, entries: "list[tuple[int, bytes]]") -> None:
        region = self._region
        start = sector * region.sector_bytes
        generation = self._generation + self._ahead
        # what `entries` replace is not copied: the move itself is what makes them hold
        replaced = [key for key, _ in entries]
        live = [(key, value) for key, value in sorted(self._latest.items()) if key not in replaced]
        fresh = [key for key in replaced if key >= HISTORY]
        kept = self._history[max(0, len(self._history) + len(fresh) - HISTORY_KEPT) :]
        groups = [[entry] for entry in live + kept]
        if entries:
            groups.append(entries)
        if _SECTOR_BYTES + sum([_record_bytes(group) for group in groups]) > region.sector_bytes:
            raise Refused(FLASH_FAULT)
        region.erase(sector)
        end = start + _SECTOR_BYTES
        for group in groups:
            record = self._record(_RECORD, _pack(group), generation)
            region.program(end, record)
            end += len(record)
        region.commit(start, self._record(_SECTOR, struct.pack("<I", generation), generation))
        self._sector, self._generation, self._end = sector, generation, end
        self._ahead = 1
        self._latest, self._history = {}, []
        for group in groups:
            for key, value in group:
                self._keep(key, value)


# Octets of the record of `entries`.
def _record_bytes(entries: "list[tuple[int, bytes]]") -> int:
    return _padded(_HEAD_BYTES + sum([3 + len(value) for _, value in entries]) + _CRC_BYTES)


def _pack(entries: "list[tuple[int, bytes]]") -> bytes:
    return b"".join([struct.pack("<BH", key, len(value)) + value for key, value in entries])
