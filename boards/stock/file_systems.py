# The two file systems that start.py mounts, as stock MicroPython can have them: the application's
# ROMFS read from slices of its slot, and the data region as a folder.

import io
import os

from bootloader.compat import const

# fmt: off
_DIRECTORY      = const(4)      # kinds of ROMFS records (MicroPython docs, reference/romfs)
_FILE           = const(5)
_VERBATIM       = const(2)
_MODE_DIRECTORY = const(0x4000)
_MODE_FILE      = const(0x8000)
_PIECE_BYTES    = const(4096)
_ENOENT         = const(2)
_EROFS          = const(30)
# fmt: on


# A ROMFS image of compiled modules, such as `hanboot image build` makes. What is opened is copied:
# a module is in memory anyway once it is imported.
class RomFiles:
    def __init__(self, image) -> None:  # type: ignore[no-untyped-def]
        self._image = image
        # path: (first octet, octets), or None for a folder
        self._places: "dict[str, tuple[int, int] | None]" = {"/": None}
        _, start, end = self._record(0)
        self._read(start, end, "/")

    def _uint(self, at: int) -> "tuple[int, int]":
        value = 0
        while True:
            octet = self._image[at]
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
        octets = bytearray(length)
        for at in range(0, length, _PIECE_BYTES):
            end = min(length, at + _PIECE_BYTES)
            octets[at:end] = self._image[start + at : start + end]
        return io.BytesIO(octets) if "b" in mode else io.StringIO(str(octets, "utf8"))


# A folder of the file system at /, in the place of a littlefs of its own. Takes what VfsLfs2 takes.
class Folder:
    def __init__(self, folder: str, progsize: int = 0) -> None:
        self._folder = folder
        os.stat(folder)  # an OSError, as for a littlefs that was never made

    @staticmethod
    def mkfs(folder: str, progsize: int = 0) -> None:
        _remove_within(folder)
        try:
            os.mkdir(folder)
        except OSError:
            pass  # is there

    def _path(self, path: str) -> str:
        # '..' leads nowhere, as at the root of a file system
        parts = [part for part in path.split("/") if part not in ("", ".", "..")]
        return "/".join([self._folder] + parts)

    def mount(self, readonly: bool, mkfs: bool) -> None:
        pass

    def umount(self) -> None:
        pass

    def open(self, path: str, mode: str):  # type: ignore[no-untyped-def]
        return open(self._path(path), mode)

    def stat(self, path: str):  # type: ignore[no-untyped-def]
        return os.stat(self._path(path))

    def statvfs(self, path: str):  # type: ignore[no-untyped-def]
        return os.statvfs(self._folder)

    def ilistdir(self, path: str):  # type: ignore[no-untyped-def]
        return os.ilistdir(self._path(path))  # type: ignore[attr-defined]

    def mkdir(self, path: str) -> None:
        os.mkdir(self._path(path))

    def rmdir(self, path: str) -> None:
        os.rmdir(self._path(path))

    def remove(self, path: str) -> None:
        os.remove(self._path(path))

    def rename(self, old: str, new: str) -> None:
        os.rename(self._path(old), self._path(new))


def _remove_within(folder: str) -> None:
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        path = folder + "/" + name
        if os.stat(path)[0] & _MODE_DIRECTORY:
            _remove_within(path)
            os.rmdir(path)
        else:
            os.remove(path)
