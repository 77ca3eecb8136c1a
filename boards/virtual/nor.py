# NOR flash, strictly: erasing sets a whole sector to ones, programming clears bits and takes whole
# pages. Programming a one over a zero is a fault of the caller, and raises.
#
# The cells live in any writable buffer: a bytearray in tests, a mapped file on the virtual board.

SECTOR_BYTES = 4096
PAGE_BYTES = 256
_ERASED_PAGE = b"\xff" * PAGE_BYTES
_ALL = (1 << 8 * PAGE_BYTES) - 1  # every bit of a page


class NorFlash:
    # False: ones over zeros leave the zeros, as the chip itself does
    is_strict = True

    def __init__(self, cells):
        self.cells = memoryview(cells)

    # Octets [start, end), to be read in place.
    def view(self, start, end):
        return self.cells[start:end]

    def erase(self, sector):
        # by page: on a small heap there may be no whole sector in one piece
        for start in range(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES, PAGE_BYTES):
            self.cells[start : start + PAGE_BYTES] = _ERASED_PAGE

    def program(self, offset, octets):
        length = len(octets)
        if offset % PAGE_BYTES or length % PAGE_BYTES:
            raise ValueError("programs a part of a page at %d, %d octets" % (offset, length))
        for at in range(0, length, PAGE_BYTES):
            place = self.cells[offset + at : offset + at + PAGE_BYTES]
            page = bytes(octets[at : at + PAGE_BYTES])
            # as big integers: much faster than octet by octet
            cells, wanted = int.from_bytes(place, "big"), int.from_bytes(page, "big")
            missing = wanted & (_ALL ^ cells)
            if self.is_strict and missing and missing & _written(wanted):
                raise ValueError("programs ones over zeros at %d" % (offset + at))
            place[:] = (cells & wanted).to_bytes(PAGE_BYTES, "big")


# The bits of all octets of a page that are not FF: that one leaves cells as they are.
def _written(page):
    zeros = _ALL ^ page
    for shift, octet in ((4, 0x0F), (2, 0x03), (1, 0x01)):
        zeros = (zeros | zeros >> shift) & int.from_bytes(bytes((octet,)) * PAGE_BYTES, "big")
    return zeros * 0xFF


class Partition:
    # Sectors [first, first + count) as a MicroPython block device.
    def __init__(self, flash, first, count):
        self._flash = flash
        self._first = first
        self._count = count

    @property
    def view(self):
        start = self._first * SECTOR_BYTES
        return self._flash.view(start, start + self._count * SECTOR_BYTES)

    def _offset(self, block, within, length):
        offset = block * SECTOR_BYTES + within
        if block < 0 or offset + length > self._count * SECTOR_BYTES:
            raise OSError(22)
        return self._first * SECTOR_BYTES + offset

    def readblocks(self, block, buffer, within=0):
        offset = self._offset(block, within, len(buffer))
        buffer[:] = self._flash.view(offset, offset + len(buffer))[:]

    def writeblocks(self, block, buffer, within=None):
        offset = self._offset(block, within or 0, len(buffer))
        if within is None:
            for sector in range(len(buffer) // SECTOR_BYTES):
                self._flash.erase(self._first + block + sector)
        self._flash.program(offset, buffer)

    def ioctl(self, operation, argument):
        if operation == 4:
            return self._count
        if operation == 5:
            return SECTOR_BYTES
        if operation == 6:
            self._offset(argument, 0, SECTOR_BYTES)
            self._flash.erase(self._first + argument)
        return 0
