# A small record that survives power loss at any instant and the loss of either copy.
#
# A record is one line of text and one line with its check value. It is written to a draft first
# and renamed into place, which littlefs does completely or not at all; then the same for the
# second copy. The first copy is therefore never older than the second: reading takes the first
# one that is whole.

import os
from binascii import crc32
from errno import ENOENT

_MAX_BYTES = 64


# Neither copy can be read, though there is something. Not the same as a record that never was:
# the one calls for help, the other is a new device.
class Damaged(Exception):
    pass


def _is_file(path: str) -> bool:
    try:
        os.stat(path)
    except OSError:
        return False
    return True


class Record:
    def __init__(self, folder: str, name: str) -> None:
        self._paths = (folder + "/" + name, folder + "/" + name + ".copy")
        self._draft = folder + "/" + name + ".draft"

    def exists(self) -> bool:
        return any(_is_file(path) for path in self._paths)

    # None: there is no such record
    def load(self) -> "bytes | None":
        found = False
        for path in self._paths:
            try:
                with open(path, "rb") as file:
                    octets = file.read(_MAX_BYTES + 1)
            except OSError as error:
                found = found or error.errno != ENOENT
                continue
            found = True
            body, _, check = octets.partition(b"\n")
            if len(octets) <= _MAX_BYTES and check == _check_line(body):
                return body
        if found:
            raise Damaged
        return None

    def save(self, body: bytes) -> None:
        octets = body + b"\n" + _check_line(body)
        for path in self._paths:
            with open(self._draft, "wb") as file:
                file.write(octets)
            os.rename(self._draft, path)

    # Both copies and a draft that a power cut may have left.
    def remove(self) -> None:
        for path in self._paths + (self._draft,):
            if _is_file(path):
                os.remove(path)


def _check_line(body: bytes) -> bytes:
    return b"%08x\n" % crc32(body)
