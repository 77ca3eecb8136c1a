# The chip as it is when Python begins: MicroPython's modules for an ESP32, on the flash in a file.

import esp32
import machine
import os
import sys
import vfs

from mapped import mapped
from nor import NorFlash


# What a product's firmware has and stock MicroPython has not: the console's ring in C, and the one
# partition that is mapped.
class _ProductConsole:
    BOARD = ""
    RING_BYTES = 4095

    @staticmethod
    def readinto(buffer):
        return sys.stdin.buffer.readinto(buffer) or 0


class _ProductVfs:
    mount = vfs.mount
    umount = vfs.umount
    VfsRom = vfs.VfsRom
    VfsLfs2 = vfs.VfsLfs2
    view = None

    @staticmethod
    def rom_ioctl(operation, segment):
        return _ProductVfs.view


class _Role:
    ROLE = ""


# kind: "esp32", stock MicroPython; or "esp32_han", a product
def begin(path, kind, role, eui64, cause):
    flash = NorFlash(mapped(path, os.stat(path)[6]))
    esp32.attach(flash)
    machine.attach(eui64[:3] + eui64[5:], cause, path)
    if kind == "esp32_han":
        _, _, address, size, _, _ = esp32.Partition("romfs").info()
        _ProductVfs.view = flash.view(address, address + size)
        _ProductConsole.BOARD = "esp32_han " + role + " product"
        sys.modules["_console"] = _ProductConsole
        sys.modules["vfs"] = _ProductVfs
    else:
        # as `hanboot board deploy` leaves it
        _Role.ROLE = role
        sys.modules["role"] = _Role
