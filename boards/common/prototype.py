# What boards with stock MicroPython share: they are prototypes, and NOTHING ON THEM IS PROTECTED.
# Ctrl-C gives a prompt, every file and partition can be changed over it, and what the bootloader
# does is what the files say today.
#
# Stock builds have no VfsRom; it is stood in for before the bootloader imports `vfs`.

import gc
import sys
import vfs

import chip
from role import ROLE

from console_board import ConsoleBoard
from hanbootloader.policy import DEVICE_TYPES
from rom_files import RomFiles
from stdin_console import Console


# `vfs` as start.py uses it, with `VfsLfs2` for the data region.
class _Vfs:
    mount = vfs.mount
    umount = vfs.umount
    VfsRom = RomFiles
    VfsLfs2 = getattr(vfs, "VfsLfs2", None)


def provide_vfs(lfs2=None):
    if lfs2 is not None:
        _Vfs.VfsLfs2 = lfs2
    sys.modules["vfs"] = _Vfs


class Prototype(ConsoleBoard):
    role = ROLE
    manufacturer_code = 0xFFF0
    hardware_version = 0x0100
    device_type = image_type = DEVICE_TYPES[ROLE]
    confirms_over_link = True
    line_bytes = chip.LINE_BYTES
    line_pause_ms = chip.LINE_PAUSE_MS
    hung = chip.HUNG

    def __init__(self):
        self.serial = chip.serial()
        self.console = Console()
        gc.collect()
        print(
            "hanboot on stock MicroPython, %d KB of heap left: Ctrl-C gives a prompt; "
            "nothing is protected" % (gc.mem_free() // 1024)
        )

    def watchdog(self):
        chip.feed()
