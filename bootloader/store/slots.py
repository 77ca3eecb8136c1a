# Writes a Manufacturer Image to a slot as it arrives: sectors are erased as they are reached,
# pages programmed as they fill. One erase per sector used, one page of memory.

from hanbootloader.store.flash import PAGE_BYTES

if __debug__:  # in annotations alone
    from hanbootloader.store.flash import Region


class SlotWriter:
    # offset: where writing begins, a whole number of sectors
    def __init__(self, region: "Region", offset: int = 0) -> None:
        self._region = region
        self._page = bytearray(PAGE_BYTES)
        self._filled = 0  # octets gathered in the page
        self._offset = offset  # where the page goes

    def write(self, octets: memoryview) -> None:
        at = 0
        while at < len(octets):
            piece = octets[at : at + PAGE_BYTES - self._filled]
            at += len(piece)
            if len(piece) == PAGE_BYTES:
                self._program(piece)
                continue
            self._page[self._filled : self._filled + len(piece)] = piece
            self._filled += len(piece)
            if self._filled == PAGE_BYTES:
                self._program(self._page)
                self._filled = 0

    # Programs what is left of the last page.
    def finish(self) -> None:
        if self._filled:
            self._program(memoryview(self._page)[: self._filled])
            self._filled = 0

    def _program(self, octets: "bytearray | memoryview") -> None:
        if self._offset % self._region.sector_bytes == 0:
            self._region.erase(self._offset // self._region.sector_bytes)
        self._region.program(self._offset, octets)
        self._offset += PAGE_BYTES
