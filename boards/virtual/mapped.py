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


# The `length` octets of the file at `path`, as a bytearray outside the heap.
def mapped(path, length):
    descriptor = libc.func("i", "open", "si")(path, _O_RDWR)
    if descriptor < 0:
        raise OSError(path)
    mmap = libc.func("p", "mmap", "pLiiil")
    address = mmap(None, length, _PROT_READ_WRITE, _MAP_SHARED, descriptor, 0)
    return uctypes.bytearray_at(address, length)
