# Flash as the store sees it: regions of whole sectors, erased by sector, programmed by page.
#
# A board gives each region as a MicroPython block device (readblocks, writeblocks, ioctl) with
# blocks of one erase sector, and as a memoryview of the mapped flash, so nothing is copied to be
# hashed or run. Every operation is read back: an erase or program that did not take is a
# FLASH_FAULT here and now, not a surprise at some later boot. What reads wrong is read again before
# it counts as wrong.

from hanbootloader.compat import const
from hanbootloader.reasons import FLASH_FAULT, Refused

PAGE_BYTES = const(256)  # RP2040 and most NOR parts program in pages of this size
_ERASE = const(6)  # MicroPython block device ioctl: erase block
_BLOCK_COUNT = const(4)
_BLOCK_BYTES = const(5)

_ERASED_PAGE = b"\xff" * PAGE_BYTES


class Region:
    # device: block device; view: memoryview of the same octets, read in place
    def __init__(self, device, view: memoryview) -> None:  # type: ignore[no-untyped-def]
        self._device = device
        self.view = view
        self.sector_bytes: int = device.ioctl(_BLOCK_BYTES, 0)
        self.sectors: int = device.ioctl(_BLOCK_COUNT, 0)
        self._page = bytearray(PAGE_BYTES)

    @property
    def size(self) -> int:
        return self.sectors * self.sector_bytes

    def erase(self, sector: int) -> None:
        self._device.ioctl(_ERASE, sector)
        start = sector * self.sector_bytes
        if not self.is_erased(start, start + self.sector_bytes):
            raise Refused(FLASH_FAULT, start)

    def is_erased(self, start: int, end: int) -> bool:
        while start < end:
            length = min(PAGE_BYTES, end - start)
            if not self.holds(start, _ERASED_PAGE[:length]):
                return False
            start += length
        return True

    # Whether the bytes from `offset` on are `expected`.
    def holds(self, offset: int, expected: "bytes | bytearray | memoryview") -> bool:
        end = offset + len(expected)
        return self.view[offset:end] == expected or self.view[offset:end] == expected

    # Programs `octets` at any offset of erased flash. The rest of a page is programmed as FF,
    # which on NOR flash leaves it as it is.
    def program(self, offset: int, octets: "bytes | bytearray | memoryview") -> None:
        octets = memoryview(octets)
        at = 0
        while at < len(octets):
            within = (offset + at) % PAGE_BYTES
            piece = octets[at : at + PAGE_BYTES - within]
            self._program_page(offset + at - within, within, piece)
            at += len(piece)
        if not self.holds(offset, octets):
            raise Refused(FLASH_FAULT, offset)

    # Programs octets that count as a whole or not at all: the first of them, then all. Power that
    # fails in between or later leaves a first octet that tells of it. Power that fails before
    # leaves nothing that could ever read as the whole, not even on weak cells.
    def commit(self, offset: int, octets: bytes) -> None:
        self.program(offset, octets[:1])
        self.program(offset, octets)

    # Whether a commit at `offset` has begun.
    def is_begun(self, offset: int) -> bool:
        return self.view[offset] != 0xFF

    def _program_page(self, start: int, within: int, piece: memoryview) -> None:
        page: "bytearray | memoryview" = piece
        if len(piece) < PAGE_BYTES:
            page = self._page
            page[:] = _ERASED_PAGE
            page[within : within + len(piece)] = piece
        self._device.writeblocks(start // self.sector_bytes, page, start % self.sector_bytes)
