# The data region as a folder of the board's own file system, for start.py to mount.

import os

from hanbootloader.compat import const

_MODE_DIRECTORY = const(0x4000)


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
