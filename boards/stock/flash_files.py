# Flash kept in files of a board's own file system: a folder for each region, a file for each sector
# that is not erased, without the erased octets at its end.
#
# A sector is a file because littlefs writes a file anew from where it changes. One sector is held
# in memory, so that programming page by page does not write it sixteen times. Journal and anchors
# are written through: what they hold is held at once.

import os

from hanbootloader.compat import const

# fmt: off
_SECTOR_BYTES = const(4096)
_PAGE_BYTES   = const(256)
_BLOCK_COUNT  = const(4)     # MicroPython block device ioctl
_BLOCK_BYTES  = const(5)
_ERASE        = const(6)
# fmt: on

_ERASED_PAGE = b"\xff" * _PAGE_BYTES


# The one sector in memory, for all regions.
class Held:
    def __init__(self) -> None:
        self.octets = memoryview(bytearray(_SECTOR_BYTES))
        self._path = ""
        self._is_changed = False

    # Brings the sector at `path`.
    def load(self, path: str) -> memoryview:
        if path == self._path:
            return self.octets
        self.flush()
        # what is half read is not held
        self._path = ""
        filled = 0
        try:
            with open(path, "rb") as file:
                filled = file.readinto(self.octets)
        except OSError:
            pass  # erased
        for at in range(filled, _SECTOR_BYTES, _PAGE_BYTES):
            self.octets[at : at + _PAGE_BYTES] = _ERASED_PAGE
        self._path = path
        return self.octets

    def changed(self) -> None:
        self._is_changed = True

    def flush(self) -> None:
        if self._is_changed:
            end = _SECTOR_BYTES
            while end and self.octets[end - _PAGE_BYTES : end] == _ERASED_PAGE:
                end -= _PAGE_BYTES
            # littlefs puts it in the place of the old one when it is closed, whole or not at all
            with open(self._path, "wb") as file:
                file.write(self.octets[:end])
            self._is_changed = False

    def erase(self, path: str) -> None:
        if path == self._path:
            self._path, self._is_changed = "", False
        try:
            os.remove(path)
        except OSError:
            pass  # is erased


# A region as a MicroPython block device. through: every write is held at once.
class FileRegion:
    def __init__(self, held: Held, folder: str, sectors: int, through: bool) -> None:
        self._held = held
        self._folder = folder
        self._sectors = sectors
        self._through = through
        try:
            os.mkdir(folder)
        except OSError:
            pass  # is there

    def __len__(self) -> int:
        return self._sectors * _SECTOR_BYTES

    def sector(self, index: int) -> memoryview:
        return self._held.load(self._path(index))

    def _path(self, index: int) -> str:
        if not 0 <= index < self._sectors:
            raise OSError(22)
        return "%s/%d" % (self._folder, index)

    # From any offset, over as many sectors as it takes.
    def readblocks(self, block: int, buffer, within: int = 0) -> None:  # type: ignore[no-untyped-def]
        target = memoryview(buffer)
        start = block * _SECTOR_BYTES + within
        at = 0
        while at < len(target):
            sector, within = divmod(start + at, _SECTOR_BYTES)
            piece = self.sector(sector)[within : within + len(target) - at]
            target[at : at + len(piece)] = piece
            at += len(piece)

    # As NOR flash: programs zeros alone; a write without `within` erases first.
    def writeblocks(self, block: int, buffer, within: "int | None" = None) -> None:  # type: ignore[no-untyped-def]
        if within is None:
            self.ioctl(_ERASE, block)
        place = self.sector(block)[within or 0 : (within or 0) + len(buffer)]
        if len(place) != len(buffer):
            raise OSError(22)
        cells = int.from_bytes(place, "big") & int.from_bytes(buffer, "big")
        place[:] = cells.to_bytes(len(buffer), "big")
        self._held.changed()
        if self._through:
            self._held.flush()

    def ioctl(self, operation: int, argument: int) -> int:
        if operation == _BLOCK_COUNT:
            return self._sectors
        if operation == _BLOCK_BYTES:
            return _SECTOR_BYTES
        if operation == _ERASE:
            self._held.erase(self._path(argument))
        return 0
