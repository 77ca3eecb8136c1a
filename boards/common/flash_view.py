# What a memoryview of mapped flash is elsewhere, over a block device whose readblocks(0, buffer,
# offset) reads from any offset: bytes when it is indexed or sliced shortly, and a view again when
# it is sliced at length.

from hanbootloader.compat import const

_READ_BYTES = const(4096)  # what is read at once, into one piece of the heap


class View:
    def __init__(self, device, start: int, end: int) -> None:  # type: ignore[no-untyped-def]
        self._device = device
        self._start = start
        self._end = end

    def __len__(self) -> int:
        return self._end - self._start

    def __getitem__(self, key):  # type: ignore[no-untyped-def]
        length = len(self)
        if isinstance(key, int):
            if not 0 <= key < length:
                raise IndexError
            octet = bytearray(1)
            self.read_into(key, octet)
            return octet[0]
        start = min(key.start or 0, length)
        end = length if key.stop is None else max(start, min(key.stop, length))
        if end - start > _READ_BYTES:
            return View(self._device, self._start + start, self._start + end)
        octets = bytearray(max(0, end - start))
        if octets:
            self.read_into(start, octets)
        return memoryview(octets)

    # Fills `buffer` with the bytes from `start` on.
    def read_into(self, start: int, buffer) -> None:  # type: ignore[no-untyped-def]
        self._device.readblocks(0, buffer, self._start + start)
