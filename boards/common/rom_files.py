# What start.py mounts for an application where MicroPython has no VfsRom, as stock builds have not:
# its ROMFS, read from slices of its slot.

import io

from hanbootloader.compat import const

# fmt: off
_DIRECTORY      = const(4)      # kinds of ROMFS records (MicroPython docs, reference/romfs)
_FILE           = const(5)
_VERBATIM       = const(2)
_MODE_DIRECTORY = const(0x4000)
_MODE_FILE      = const(0x8000)
_PIECE_BYTES    = const(1024)
_WINDOW_BYTES   = const(128)    # of the directory, read at once: an ESP32 pays for each read
_ENOENT         = const(2)
_EROFS          = const(30)
# fmt: on


# Read in pieces: a module is in memory once it is imported, and need not be there twice meanwhile.
class _File(io.IOBase):
    def __init__(self, image, start: int, length: int) -> None:  # type: ignore[no-untyped-def]
        self._image = image
        self._at = start
        self._end = start + length

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]
        target = memoryview(buffer)
        count = min(len(target), self._end - self._at)
        for filled in range(0, count, _PIECE_BYTES):
            end = min(count, filled + _PIECE_BYTES)
            target[filled:end] = self._image[self._at + filled : self._at + end]
        self._at += count
        return count

    def read(self, size: int = -1) -> bytes:
        left = self._end - self._at
        data = bytearray(left if size < 0 else min(size, left))
        self.readinto(data)
        return bytes(data)

    # MicroPython asks a stream of its own so, to close it for instance.
    def ioctl(self, request: int, argument: int) -> int:
        return 0


# A ROMFS image of compiled modules, such as `hanboot image build` makes.
class RomFiles:
    def __init__(self, image) -> None:  # type: ignore[no-untyped-def]
        self._image = image
        self._window_at = 0
        self._window = image[:_WINDOW_BYTES]
        # path: (first octet, octets), or None for a folder
        self._places: dict[str, tuple[int, int] | None] = {"/": None}
        _, start, end = self._record(0)
        self._read(start, end, "/")

    def _octet(self, at: int) -> int:
        if not 0 <= at - self._window_at < len(self._window):
            self._window_at, self._window = at, self._image[at : at + _WINDOW_BYTES]
        return self._window[at - self._window_at]

    def _uint(self, at: int) -> "tuple[int, int]":
        value = 0
        while True:
            octet = self._octet(at)
            at += 1
            value = value << 7 | octet & 0x7F
            if octet < 0x80:
                return value, at

    # Kind, first octet and end of the record at `at`.
    def _record(self, at: int) -> "tuple[int, int, int]":
        kind, at = self._uint(at)
        length, at = self._uint(at)
        return kind, at, at + length

    def _read(self, at: int, end: int, folder: str) -> None:
        while at < end:
            kind, start, at = self._record(at)
            if kind not in (_DIRECTORY, _FILE):
                continue
            length, start = self._uint(start)
            path = folder + str(bytes(self._image[start : start + length]), "ascii")
            start += length
            if kind == _DIRECTORY:
                self._places[path] = None
                self._read(start, at, path + "/")
                continue
            kind, start, stop = self._record(start)
            if kind == _VERBATIM:
                self._places[path] = (start, stop - start)

    def _place(self, path: str) -> "tuple[int, int] | None":
        path = "/" + path.strip("/")
        if path not in self._places:
            raise OSError(_ENOENT)
        return self._places[path]

    def mount(self, readonly: bool, mkfs: bool) -> None:
        pass

    def umount(self) -> None:
        pass

    def stat(self, path: str):  # type: ignore[no-untyped-def]
        place = self._place(path)
        if place is None:
            return (_MODE_DIRECTORY, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        return (_MODE_FILE, 0, 0, 0, 0, 0, place[1], 0, 0, 0)

    def open(self, path: str, mode: str):  # type: ignore[no-untyped-def]
        place = self._place(path)
        if place is None:
            raise OSError(_ENOENT)
        if "w" in mode or "a" in mode or "+" in mode:
            raise OSError(_EROFS)
        start, length = place
        file = _File(self._image, start, length)
        return file if "b" in mode else io.StringIO(str(file.read(), "utf8"))
