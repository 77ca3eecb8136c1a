# Stock MicroPython with hanboot copied onto it, for prototypes: NOT PROTECTED (prototype.py).
#
# All of the flash belongs to one file system there, so flash is files.

from flash_files import FileRegion, Held
from flash_view import View
from folder import Folder
from prototype import Prototype, provide_vfs

_HOME = "/hanboot/"

# sectors, and whether every write is held at once
_MAP = {
    "anchors": (16, True),
    "journal": (4, True),
    "slot0": (16, False),
    "slot1": (16, False),
    "backup": (2, True),
    "keys": (2, True),
    "transfer": (2, True),
    "han": (4, True),
}

provide_vfs(Folder)


class Board(Prototype):
    name = "stock MicroPython, NOT PROTECTED"
    tier = "stock"
    data = _HOME + "data"

    def __init__(self):
        Prototype.__init__(self)
        self._held = Held()

    def region(self, name):
        device = FileRegion(self._held, _HOME + name, *_MAP[name])
        return device, View(device, 0, len(device))

    def reset(self):
        self._held.flush()
        Prototype.reset(self)
