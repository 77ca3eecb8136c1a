# Files as memory, read and written in place, as a chip maps its flash.

import ffi
import uctypes

libc = ffi.open(None)
_O_RDWR = 2
_PROT_READ_WRITE = 3
_MAP_SHARED = 1

# How a process ends that is reset; its supervisor (hanboot.boards.process) takes any other end for
# a crash.
RESET_EXIT = 64


# Far longer than a supervisor waits, which lets the time of a process go a twentieth as fast as the
# machine's at least.
_SLOWEST = 30

_alarm = libc.func("I", "alarm", "I")


# The `length` octets of the file at `path`, as a bytearray outside the heap.
def mapped(path, length):
    descriptor = libc.func("i", "open", "si")(path, _O_RDWR)
    if descriptor < 0:
        raise OSError(path)
    mmap = libc.func("p", "mmap", "pLiiil")
    address = mmap(None, length, _PROT_READ_WRITE, _MAP_SHARED, descriptor, 0)
    return uctypes.bytearray_at(address, length)


# The watchdog of a process that has its flash in the file at `path`. Its supervisor
# (hanboot.boards.watchdog) counts the seconds, for it can leave out those in which the process
# waits for a processor. A process whose supervisor is gone, or that has none, is ended by the
# kernel's alarm.
class Watchdog:
    def __init__(self, path):
        try:
            self._cells = mapped(path + ".watchdog", 2)
            self._slowest = _SLOWEST
        except OSError:
            self._cells = bytearray(2)
            self._slowest = 1

    # seconds: until it must be fed again; 0 puts it off for good.
    def feed(self, seconds):
        self._cells[1] = seconds
        self._cells[0] = (self._cells[0] + 1) & 0xFF
        _alarm(seconds * self._slowest)
