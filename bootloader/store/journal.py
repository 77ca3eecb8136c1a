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
# entries move to a fresh sector before anything else is done. A record torn so late that it
# reads well may rest on weak cells, so opening programs the last record and the sector record
# once more (the same bits: NOR flash takes that without an erase).

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


def _padded(length: int) -> int:
    return (length + 3) & ~3


class Journal:
    def __init__(self, region: Region) -> None:
        self._region = region
        self._sector = -1  # current; -1 while the journal was never written
        self._generation = 0
        self._end = 0  # offset in the region where the next record goes
        self._latest: "dict[int, memoryview]" = {}
        self._history: "list[tuple[int, memoryview]]" = []
        self._open()

    # The value last written under `key`, in place in flash; None if there is none.
    def latest(self, key: int) -> "memoryview | None":
        return self._latest.get(key)

    # (key, value) of the history entries that are kept, oldest first.
    def history(self) -> "list[tuple[int, memoryview]]":
        return list(self._history)

    # Writes the entries (key, value) as one record: all of them hold afterwards, or none.
    def append(self, entries: "list[tuple[int, bytes]]") -> None:
        record = self._record(_RECORD, _pack(entries), self._generation)
        if self._sector < 0 or self._end + len(record) > self._limit():
            self._move(entries)
            return
        try:
            self._region.program(self._end, record)
        except Refused:
            # the program did not take: the sector is closed, a fresh one may do better
            self._move(entries)
            return
        self._apply(self._end)
        self._end += len(record)

    def _limit(self) -> int:
        return (self._sector + 1) * self._region.sector_bytes

    def _record(self, kind: int, body: bytes, generation: int) -> bytes:
        record = struct.pack("<BBH", kind, generation & 0xFF, len(body)) + body
        record += struct.pack("<I", crc32(record))
        return record + b"\xff" * (_padded(len(record)) - len(record))

    # --- reading

    def _open(self) -> None:
        for sector in range(self._region.sectors):
            generation = self._generation_of(sector)
            if generation > self._generation:
                self._sector, self._generation = sector, generation
        if self._sector < 0:
            return
        start = self._sector * self._region.sector_bytes
        end, last = start + _SECTOR_BYTES, start
        while end < self._limit():
            length = self._checked(end, _RECORD)
            if not length:
                break
            last = end
            self._apply(end)
            end += length
        self._end = end
        if end < self._limit() and not self._region.is_erased(end, self._limit()):
            self._move([])
            return
        for at in (start, last):
            self._refresh(at)

    # Programs a record that reads well once more, so that it does on every later read, too.
    def _refresh(self, at: int) -> None:
        length = _padded(_HEAD_BYTES + self._body_bytes(at) + _CRC_BYTES)
        self._region.program(at, bytes(self._region.view[at : at + length]))

    def _generation_of(self, sector: int) -> int:
        start = sector * self._region.sector_bytes
        if self._checked(start, _SECTOR) != _SECTOR_BYTES:
            return 0
        return int.from_bytes(self._region.view[start + 4 : start + 8], "little")

    def _body_bytes(self, at: int) -> int:
        view = self._region.view
        return view[at + 2] | view[at + 3] << 8

    # Octets of the record at `at`, padding included; 0 if there is no whole one.
    def _checked(self, at: int, kind: int) -> int:
        view = self._region.view
        limit = (at // self._region.sector_bytes + 1) * self._region.sector_bytes
        if at + _HEAD_BYTES + _CRC_BYTES > limit or view[at] != kind:
            return 0
        crc_at = at + _HEAD_BYTES + self._body_bytes(at)
        if crc_at + _CRC_BYTES > limit:
            return 0
        stored = int.from_bytes(view[crc_at : crc_at + _CRC_BYTES], "little")
        if crc32(view[at:crc_at]) != stored:
            return 0
        # a record left over from an earlier use of the sector has another generation
        if kind == _RECORD and view[at + 1] != self._generation & 0xFF:
            return 0
        return _padded(crc_at + _CRC_BYTES - at)

    def _apply(self, at: int) -> None:
        view = self._region.view
        start = at + _HEAD_BYTES
        end = start + self._body_bytes(at)
        while start + 3 <= end:
            key = view[start]
            length = view[start + 1] | view[start + 2] << 8
            value = view[start + 3 : start + 3 + length]
            start += 3 + length
            if key < HISTORY:
                self._latest[key] = value
            else:
                self._history.append((key, value))
                del self._history[:-HISTORY_KEPT]

    # --- moving on to a fresh sector

    def _move(self, entries: "list[tuple[int, bytes]]") -> None:
        # a sector that does not take what is programmed is passed over; never the current one
        for step in range(1, self._region.sectors):
            try:
                self._move_to((self._sector + step) % self._region.sectors, entries)
                return
            except Refused:
                continue
        raise Refused(FLASH_FAULT)

    def _move_to(self, sector: int, entries: "list[tuple[int, bytes]]") -> None:
        region = self._region
        start = sector * region.sector_bytes
        generation = self._generation + 1
        # what `entries` replace is not copied: the move itself is what makes them hold
        replaced = [key for key, _ in entries]
        live = [(key, bytes(v)) for key, v in self._latest.items() if key not in replaced]
        fresh = [key for key in replaced if key >= HISTORY]
        kept = self._history[max(0, len(self._history) + len(fresh) - HISTORY_KEPT) :]
        region.erase(sector)
        end = start + _SECTOR_BYTES
        for group in [[entry] for entry in live + [(k, bytes(v)) for k, v in kept]] + [entries]:
            if group:
                record = self._record(_RECORD, _pack(group), generation)
                region.program(end, record)
                end += len(record)
        region.program(start, self._record(_SECTOR, struct.pack("<I", generation), generation))
        self._sector, self._generation, self._end = sector, generation, end
        self._latest, self._history = {}, []
        at = start + _SECTOR_BYTES
        while at < end:
            self._apply(at)
            at += self._checked(at, _RECORD)


def _pack(entries: "list[tuple[int, bytes]]") -> bytes:
    return b"".join([struct.pack("<BH", key, len(value)) + value for key, value in entries])
