# micropython main.py CODE FLASH ROLE SERIAL CAUSE TRIAL_MS IS_CUT KIND, as the supervisor starts
# it: boards/esp32_stock or, with the KIND esp32_han, a product on the model of the chip.
#
# CODE is the ROMFS with everything that `hanboot board deploy` copies to a real board, or that a
# product has frozen. The former is read into memory there, here it is mapped: the heap given to
# the process is what is left there.

import gc
import os
import select
import sys
import vfs
from binascii import unhexlify

from mapped import libc, mapped

code, path, role, serial, cause, trial_ms, is_cut, kind = sys.argv[1:]
vfs.mount(vfs.VfsRom(memoryview(mapped(code, os.stat(code)[6]))), "/device")
# nothing but the device's own code may be imported
sys.path[:] = ["/device", ".frozen"]


if kind == "esp32":
    # as boards/stock/main.py
    gc.threshold(16384)

from begin import begin  # noqa: E402

begin(path, kind, role, unhexlify(serial), cause)

import esp32  # noqa: E402

from board import Board  # noqa: E402
from hanbootloader import boot  # noqa: E402

_SIGKILL = 9  # as the supervisor cuts the supply
_own_id = libc.func("i", "getpid", "")
_kill = libc.func("i", "kill", "ii")
_leave = libc.func("v", "_exit", "i")


# The data region of a board whose supply is cut when an application is about to start: that is
# when the region is read first.
class _Cut(esp32.Partition):
    def readblocks(self, block, buffer, within=0):
        _kill(_own_id(), _SIGKILL)


# The board's console; when the supervisor is gone, nothing else would end the process.
class _Console:
    def __init__(self, console):
        self._console = console
        self._poll = select.poll()
        self._poll.register(sys.stdin, select.POLLIN)
        self.write = console.write

    def readinto(self, buffer):
        for _, event in self._poll.ipoll(0):
            if event & select.POLLHUP:
                _leave(0)
        return self._console.readinto(buffer)


Board.trial_ms = int(trial_ms)
device = Board()
device.console = _Console(device.console)
if is_cut == "1":
    device.data = _Cut("data")
boot.run(device)
