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
# A wrong read looks the same. So what does not check is read again at once, and, where the owner
# of the journal weighs doubts (doubts.py), again at the next start: until then nothing is written.
#
# A record that power failed in may rest on weak cells: it reads well now and not the next time, or
# the other way round. So what opening finds is made to stay as it was read just then. The last
# record and the sector record are programmed once more (the same bits: NOR flash takes that without
# an erase). A sector record that does not check may do so tomorrow: the live entries move to a
# sector that outranks it, and only then is it programmed to zeros, which power may fail in, too.
# The first byte of a record is programmed before the rest, so that where it is erased there is no
# rest, either.

import struct
from binascii import crc32

from hanbootloader.compat import const
from hanbootloader.reasons import FLASH_FAULT, Refused

if __debug__:  # in annotations alone
    from hanbootloader.store.flash import Region

# fmt: off
HISTORY        = const(0x80)  # keys from here on are kept in order
HISTORY_KEPT   = const(16)
_SECTOR        = const(0x53)  # kinds
_RECORD        = const(0x52)
_HEAD_BYTES    = const(4)
_CRC_BYTES     = const(4)
_SECTOR_BYTES  = const(12)    # the sector record: its body is the generation
# fmt: on

_SALVAGED_BITS = const(4)  # of a sector record may be wrong in the newest sector

_VOID = bytes(_SECTOR_BYTES)  # a sector record that never counts again


def _padded(length: int) -> int:
    return (length + 3) & ~3


class Journal:
    # weigh: takes at the opening whether a check failed, and returns whether to act upon it;
    # without one it is acted upon. is_copy: all that counts is elsewhere, too, so nothing needs to
    # be programmed again to stay
    def __init__(self, region: "Region", weigh=None, is_copy: bool = False) -> None:  # type: ignore[no-untyped-def]
        self._region = region
        self._is_copy = is_copy
        self._end = 0
        self._latest: "dict[int, bytes]" = {}
        self._history: "list[tuple[int, bytes]]" = []
        is_sound = self._scan() or self._scan()
        # something does not check, and nothing is written at this start
        self.is_in_doubt = weigh is not None and not weigh(not is_sound) and not is_sound
        if self.is_in_doubt:
            return
        self._settle()
        if weigh is not None and not is_sound:
            weigh(False)

    # The value last written under `key`; None if there is none.
    def latest(self, key: int) -> "bytes | None":
        return self._latest.get(key)

    # (key, value) of the history entries that are kept, oldest first.
    def history(self) -> "list[tuple[int, bytes]]":
        return list(self._history)

    # Writes the entries (key, value) as one record: all of them hold afterwards, or none.
    def append(self, entries: "list[tuple[int, bytes]]") -> None:
        if self.is_in_doubt:
            raise Refused(FLASH_FAULT)
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

    # Reads all there is. Whether all of it checks.
    def _scan(self) -> bool:
        region = self._region
        self._sector = -1  # current; -1 while the journal was never written
        self._generation = 0
        self._ahead = 1  # from this generation to the next
        self._end = 0  # offset in the region where the next record goes
        self._last_at, self._last = 0, b""  # the last record
        self._latest, self._history = {}, []
        self._heads = [self._read(s * region.sector_bytes, _SECTOR) for s in range(region.sectors)]
        for sector, head in enumerate(self._heads):
            generation = int.from_bytes(head[4:8], "little")
            if generation > self._generation:
                self._sector, self._generation = sector, generation
        # sectors whose record does not check, be it void or not
        self._doubtful = []
        self._is_outranked = True
        for sector, head in enumerate(self._heads):
            start = sector * region.sector_bytes
            if not head and region.is_begun(start):
                self._doubtful.append(sector)
                if not region.holds(start, _VOID):
                    self._is_outranked = False
                    self._salvage(sector)
        if self._sector >= 0:
            self._last_at = self._sector * region.sector_bytes
            self._last = self._heads[self._sector]
            self._end = self._last_at + _SECTOR_BYTES
        self._is_whole = self._scan_records()
        return self._is_whole and self._is_outranked

    # Reads the records of the current sector. Whether all of them check, with nothing after them.
    def _scan_records(self) -> bool:
        is_whole = True
        while self._end < self._limit():
            record = self._read(self._end, _RECORD)
            if not record:
                if self._region.is_erased(self._end, self._limit()):
                    break
                is_whole = False
                record = self._corrected(self._end)
            if record:
                self._apply(record)
                self._last_at, self._last = self._end, record
                self._end += len(record)
                continue
            after = self._after(self._end)
            if not after:
                break
            self._end = after
        return is_whole

    # Takes `sector`, whose record does not check, for the current one where it is the newest all
    # the same: what was moved there was there as a whole before its record was begun. Else a device
    # whose newest sector lost a bit would go back to what it remembered before.
    def _salvage(self, sector: int) -> None:
        start = sector * self._region.sector_bytes
        found = int.from_bytes(self._region.view[start : start + _SECTOR_BYTES], "big")
        older, newest = self._sector, self._generation
        candidates = [newest + 1, newest + 2]
        if older < 0:
            # there is no other, and its first record has the low byte of its generation
            candidates = [self._region.view[start + _SECTOR_BYTES + 1]]
        for generation in candidates:
            head = self._record(_SECTOR, struct.pack("<I", generation), generation)
            wrong = bin(found ^ int.from_bytes(head, "big")).count("1")
            self._generation = generation
            if (wrong <= _SALVAGED_BITS or older < 0) and self._read(start + len(head), _RECORD):
                self._sector = sector
                return
        self._generation = newest

    # The record at `at`, which does not check, if the fault is one bit of its length: the CRC tells
    # which. Else what is after it would be hidden.
    def _corrected(self, at: int) -> bytes:
        view = self._region.view
        length = view[at + 2] | view[at + 3] << 8
        for bit in range(16):
            record = self._read(at, _RECORD, length ^ 1 << bit)
            if record and _is_tiled(record):
                return record
        return b""

    # Where the record after the one at `at`, which does not check, begins; 0 if none is there. A
    # torn record is the last, so one with a good record after it went bad later, and what came
    # later counts. Only its own length leads there: what lies within a record may be of the
    # sender's making.
    def _after(self, at: int) -> int:
        view = self._region.view
        after = at + _padded(_HEAD_BYTES + (view[at + 2] | view[at + 3] << 8) + _CRC_BYTES)
        return after if after < self._limit() and self._read(after, _RECORD) else 0

    # Makes what was read stay as it was read. What does not check any more is left behind: nothing
    # more goes into its sector, even if no other takes its place. What it holds can still be read,
    # and the device starts.
    def _settle(self) -> None:
        is_sound = self._is_whole and self._refresh()
        if not is_sound:
            self._end = self._limit()
        # the next sector outranks every other, whatever that will read as
        if not (is_sound and self._is_outranked):
            self._ahead = 2
        is_moved = self._ahead == 1 or self._try_move(self._doubtful)
        for sector in self._doubtful:
            if sector == self._sector:
                continue  # all that there is
            try:
                self._region.program(sector * self._region.sector_bytes, _VOID)
            except Refused:
                pass  # the next start tries again
        if not (is_sound or is_moved):
            self._try_move([])

    # Programs sector record and last record once more. Whether they took it.
    def _refresh(self) -> bool:
        if self._sector < 0 or self._is_copy:
            return True
        region = self._region
        try:
            region.program(self._sector * region.sector_bytes, self._heads[self._sector])
            region.program(self._last_at, self._last)
        except Refused:
            return False
        return region.is_erased(self._end, self._limit())

    # The record at `at`; b"" if there is no whole one. A copy: flash that is read again may read
    # otherwise. length: of its body, in place of the one that is there
    def _read(self, at: int, kind: int, length: int = -1) -> bytes:
        limit = (at // self._region.sector_bytes + 1) * self._region.sector_bytes
        record = bytes(self._region.view[at : at + _HEAD_BYTES])
        if record[0] != kind:
            return b""
        if length < 0:
            length = record[2] | record[3] << 8
        crc_at = _HEAD_BYTES + length
        if at + crc_at + _CRC_BYTES > limit:
            return b""
        record = bytes(self._region.view[at : at + _padded(crc_at + _CRC_BYTES)])
        record = record[:2] + struct.pack("<H", length) + record[4:]
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


# Whether the entries of `record` fill its body.
def _is_tiled(record: bytes) -> bool:
    at, end = _HEAD_BYTES, _HEAD_BYTES + (record[2] | record[3] << 8)
    while at + 3 <= end:
        at += 3 + (record[at + 1] | record[at + 2] << 8)
    return at == end


# Bytes of the record of `entries`.
def _record_bytes(entries: "list[tuple[int, bytes]]") -> int:
    return _padded(_HEAD_BYTES + sum([3 + len(value) for _, value in entries]) + _CRC_BYTES)


def _pack(entries: "list[tuple[int, bytes]]") -> bytes:
    return b"".join([struct.pack("<BH", key, len(value)) + value for key, value in entries])
