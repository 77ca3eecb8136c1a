# micropython main.py CODE FLASH ROLE SERIAL CAUSE TRIAL_MS IS_CUT, as the supervisor starts it:
# boards/esp32_stock on the model of the chip.
#
# CODE is the ROMFS with everything that `hanboot board deploy` copies to a real board. There it is
# read into memory, here it is mapped: the heap given to the process is what is left there.

import os
import select
import sys
import vfs
from binascii import unhexlify

from mapped import libc, mapped

code, path, role, serial, cause, trial_ms, is_cut = sys.argv[1:]
vfs.mount(vfs.VfsRom(memoryview(mapped(code, os.stat(code)[6]))), "/device")
# nothing but the device's own code may be imported
sys.path[:] = ["/device", ".frozen"]


class Role:
    ROLE = role


sys.modules["role"] = Role

import esp32  # noqa: E402
import machine  # noqa: E402

from nor import NorFlash  # noqa: E402

esp32.attach(NorFlash(mapped(path, os.stat(path)[6])))
eui64 = unhexlify(serial)
machine.attach(eui64[:3] + eui64[5:], cause)

from board import Board  # noqa: E402
from bootloader import boot  # noqa: E402
from stdin_console import Console  # noqa: E402

_SIGKILL = 9  # as the supervisor cuts the supply
_own_id = libc.func("i", "getpid", "")
_kill = libc.func("i", "kill", "ii")
_leave = libc.func("v", "_exit", "i")


# The data region of a board whose supply is cut when an application is about to start: that is
# when the region is read first.
class _Cut(esp32.Partition):
    def readblocks(self, block, buffer, within=0):
        _kill(_own_id(), _SIGKILL)


# The supervisor is gone: nobody else would end the process.
class _Console(Console):
    def readinto(self, buffer):
        for _, event in self._poll.ipoll(0):
            if event & select.POLLHUP:
                _leave(0)
        return Console.readinto(self, buffer)


Board.trial_ms = int(trial_ms)
device = Board()
device.console = _Console()
if is_cut == "1":
    device.data = _Cut("data")
boot.run(device)
