# Stock MicroPython with hanboot copied onto it, for prototypes. NOTHING HERE IS PROTECTED: Ctrl-C
# gives a prompt, every file can be changed over it, no watchdog runs, and what this module and the
# bootloader beside it do is what the files say today.
#
# Stock builds have no VfsRom and give all of the flash to one file system, so flash is files, and
# `vfs` is stood in for before the bootloader imports it.

import machine
import select
import sys
import time
import vfs

from role import ROLE

from bootloader.compat import const
from file_systems import Folder, RomFiles
from flash_files import FileRegion, Held, View

_HOME = "/hanboot/"
_FLUSH_MS = const(50)  # for the last reply to leave by USB

# sectors, and whether every write is held at once
_MAP = {
    "anchors": (16, True),
    "journal": (4, True),
    "slot0": (16, False),
    "slot1": (16, False),
}

# device type as in bootloader/policy.py, image type
_ROLES = {"ppmid": (5, 0x0005), "ihd": (6, 0x0006)}


class _Vfs:
    mount = vfs.mount
    umount = vfs.umount
    VfsRom = RomFiles
    VfsLfs2 = Folder


sys.modules["vfs"] = _Vfs


class Console:
    def __init__(self):
        self._one = bytearray(1)
        self._poll = select.poll()
        self._poll.register(sys.stdin, select.POLLIN)

    def readinto(self, buffer):
        count = 0
        while count < len(buffer):
            for _ in self._poll.ipoll(0):
                break
            else:
                break
            sys.stdin.buffer.readinto(self._one)
            buffer[count] = self._one[0]
            count += 1
        return count

    def write(self, octets):
        sys.stdout.buffer.write(octets)


class Board:
    name = "stock MicroPython, NOT PROTECTED"
    manufacturer_code = 0xFFF0
    hardware_version = 0x0100
    device_type, image_type = _ROLES[ROLE]
    trial_ms = 30_000
    hung = False  # without a watchdog nobody can tell
    data = _HOME + "data"

    def __init__(self):
        self._held = Held()
        self.serial = (machine.unique_id() + bytes(8))[:8]
        self.console = Console()
        print("hanboot on stock MicroPython: Ctrl-C gives a prompt; nothing is protected")

    def region(self, name):
        device = FileRegion(self._held, _HOME + name, *_MAP[name])
        return device, View(device, 0, len(device))

    def watchdog(self):
        pass

    def idle(self, duration_ms):
        time.sleep_ms(duration_ms)

    # A picture is a rule and a line for each of its own.
    def display(self, lines):
        self.console.write(b"+--\n")
        for line in lines:
            self.console.write(b"| " + line.encode() + b"\n")

    def report(self, error):
        sys.print_exception(error)

    def reset(self):
        self._held.flush()
        time.sleep_ms(_FLUSH_MS)
        machine.reset()
