# A device on MicroPython, with the heap of a real one, that gets whatever comes on standard input:
# inputs, each behind its length in four octets. Started as boards/virtual/main.py is; the last
# argument is the octets of heap to be left free, 0 for all that there are.
#
# For each input: [whether an echo is answered, octets of heap in use above those at the beginning,
# replies, those that say that memory ran out]. The heap is looked at when what arrived has been
# dropped. An exception ends it all.

import gc
import os
import sys
import vfs
from binascii import unhexlify

from mapped import mapped

code, path, role, serial, free_bytes = sys.argv[1:]
vfs.mount(vfs.VfsRom(memoryview(mapped(code, os.stat(code)[6]))), "/device")
sys.path[:] = ["/device", ".frozen"]

from board import Board  # noqa: E402
from hanbootloader import boot  # noqa: E402
from hanbootloader.install import Installer  # noqa: E402
from hanbootloader.link import frame, smp  # noqa: E402
from hanbootloader.link.console import ConsoleServer  # noqa: E402

_INPUT_BYTES = 16384

_NOMEM = b"\xbf\x62rc\x02", b"\xa1\x62rc\x02"  # {"rc": 2}

_erase = frame.encode(smp.encode(1, smp.WRITE, 1, 254, 5, {}))
_echo = frame.encode(smp.encode(1, smp.WRITE, 0, 255, 0, {"d": "alive?"}))
_alive = frame.encode(smp.encode(1, smp.WRITE + 1, 0, 255, 0, {"r": "alive?"}))


class Line:
    # octets to be read, a few at a time; what is written is counted and the last of it kept
    def __init__(self):
        self.incoming = memoryview(b"")
        self.at = 0
        self.written = self.no_memory = 0
        self.last = b""
        self.frames = frame.FrameReader()

    def readinto(self, buffer):
        count = min(len(buffer), len(self.incoming) - self.at)
        buffer[:count] = self.incoming[self.at : self.at + count]
        self.at += count
        return count

    def write(self, octets):
        self.written += 1
        self.last = bytes(octets)
        for message in self.frames.feed(self.last):
            if not isinstance(message, str) and bytes(message[smp.HEADER_BYTES :]) in _NOMEM:
                self.no_memory += 1


def serve(octets):
    # as the device's own loop: one that gets stuck is ended, one on a busy machine is not
    board.watchdog()
    line.incoming, line.at = octets, 0
    while console.poll() or line.at < len(line.incoming):
        pass


board = Board(path, role, unhexlify(serial), "reset", 30000, False)
line = board.console = Line()
device = boot.open_device(board)
chosen = boot.choose(device)
device.started = -1 if chosen is None else chosen[0]
del chosen
console = ConsoleServer(device, Installer(device), lambda: device.started >= 0)
# what a device imports late stays, and is not a client's doing
from hanbootloader.han import key_making  # noqa: E402, F401

_ask = memoryview(_erase + _echo)
serve(_ask)
# nothing of this script's own is allocated from here on
buffer = memoryview(bytearray(_INPUT_BYTES))
length = bytearray(4)
ballast = []
gc.collect()
# in large pieces, so that what is left is not in small ones
piece_bytes = 32768 if int(free_bytes) else 0
while piece_bytes >= 1024:
    try:
        if gc.mem_free() - piece_bytes > int(free_bytes):
            ballast.append(bytearray(piece_bytes))
            continue
    except MemoryError:
        pass
    piece_bytes //= 2
line.last = b""
gc.collect()
idle_bytes = gc.mem_alloc()

while sys.stdin.buffer.readinto(length) == 4:
    octets = buffer[: int.from_bytes(length, "big")]
    sys.stdin.buffer.readinto(octets)
    line.written = line.no_memory = 0
    serve(octets)
    replies, no_memory = line.written, line.no_memory
    octets = None
    serve(_ask)
    is_alive = line.last == _alive
    line.last = b""
    gc.collect()
    print([int(is_alive), gc.mem_alloc() - idle_bytes, replies, no_memory])
