# Sectors [first, first + count) of a block device, as a block device of its own. esp32.Partition
# has no ranges, and would write into a neighbour.

from hanbootloader.compat import const

# fmt: off
_SECTOR_BYTES = const(4096)
_BLOCK_COUNT  = const(4)   # MicroPython block device ioctl
_BLOCK_BYTES  = const(5)
_ERASE        = const(6)
_EINVAL       = const(22)
# fmt: on


class SubRange:
    def __init__(self, device, first: int, count: int) -> None:  # type: ignore[no-untyped-def]
        self._device = device
        self._first = first
        self._count = count

    # The block of the device, if all of the range is within.
    def _block(self, block: int, within: int, length: int) -> int:
        start = block * _SECTOR_BYTES + within
        if start < 0 or start + length > self._count * _SECTOR_BYTES:
            raise OSError(_EINVAL)
        return self._first + block

    def readblocks(self, block: int, buffer, within: int = 0) -> None:  # type: ignore[no-untyped-def]
        self._device.readblocks(self._block(block, within, len(buffer)), buffer, within)

    # Without `within` it erases first.
    def writeblocks(self, block: int, buffer, within: "int | None" = None) -> None:  # type: ignore[no-untyped-def]
        place = self._block(block, within or 0, len(buffer))
        if within is None:
            self._device.writeblocks(place, buffer)
        else:
            self._device.writeblocks(place, buffer, within)

    def ioctl(self, operation: int, argument: int) -> int:
        if operation == _BLOCK_COUNT:
            return self._count
        if operation == _BLOCK_BYTES:
            return _SECTOR_BYTES
        if operation == _ERASE:
            argument = self._block(argument, 0, _SECTOR_BYTES)
        return self._device.ioctl(operation, argument)  # type: ignore[no-any-return]
